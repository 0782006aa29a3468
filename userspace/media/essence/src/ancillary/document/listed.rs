//! Formats of ancillary data in lists, and as packets show them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::AncillaryDocument;
use crate::essence::{Listed, Seen};

/// Rate of the frames of ancillary data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListedAncillary {
    /// For people: `ancillary data 60 fps`.
    pub ancillary: String,
    /// Frames a second as an exact ratio.
    pub frame_rate: String,
    /// Each buffer is of a field; `false` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<bool>,
}

impl From<AncillaryDocument> for ListedAncillary {
    fn from(document: AncillaryDocument) -> Self {
        Self {
            ancillary: document.to_string(),
            frame_rate: document.frame_rate,
            fields: document.fields,
        }
    }
}

impl Listed for ListedAncillary {
    fn format(&self) -> &str {
        &self.ancillary
    }

    fn rate(&self) -> &str {
        &self.frame_rate
    }

    fn units_a_period(&self) -> u64 {
        1 + u64::from(self.fields == Some(true))
    }
}

/// Facts about a format of ancillary data that packets show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SeenAncillary {
    /// Frames a second as a ratio.
    pub ancillary_rate: String,
    /// Packets name first and second fields.
    pub fields: bool,
}

/// In the words in which formats are shown, for people.
impl fmt::Display for SeenAncillary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rate, fields) = (&self.ancillary_rate, self.fields);
        let rate = rate.strip_suffix("/1").unwrap_or(rate);
        let interlaced = if fields { " interlaced" } else { "" };
        write!(f, "ancillary data {rate} fps{interlaced}")
    }
}

impl Seen for SeenAncillary {
    fn flags(&self) -> String {
        let fields = if self.fields { " --fields" } else { "" };
        format!(" --ancillary {}{fields}", self.ancillary_rate)
    }
}
