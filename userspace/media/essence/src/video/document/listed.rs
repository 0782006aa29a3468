//! A format of video in a list of sessions.

use serde::{Deserialize, Serialize};

use super::VideoDocument;
use crate::essence::Listed;
use crate::video::Scan;

/// Picture size, rate, depth and order of the lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListedVideo {
    /// Picture size, rate and depth, for people: `1920x1080 60000/1001 fps 10 bit`.
    pub video: String,
    /// Frames a second as an exact ratio.
    pub frame_rate: String,
    /// Order of the lines; `progressive` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<Scan>,
}

impl From<VideoDocument> for ListedVideo {
    fn from(document: VideoDocument) -> Self {
        Self {
            video: document.to_string(),
            frame_rate: document.frame_rate,
            scan: document.scan,
        }
    }
}

impl Listed for ListedVideo {
    fn format(&self) -> &str {
        &self.video
    }

    fn rate(&self) -> &str {
        &self.frame_rate
    }

    fn units_a_period(&self) -> u64 {
        match self.scan {
            Some(Scan::Interlaced) => 2,
            _ => 1,
        }
    }
}
