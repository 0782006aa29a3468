//! Specification of a recording.

use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::RecordingName;
use crate::spec::SpecError;
use crate::text::texts;

/// File format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecordingFormat {
    /// Each packet as it was on the wire, Ethernet header included, with its time: pcapng.
    Pcapng,
}

impl RecordingFormat {
    /// Extension of its files, without the dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Pcapng => "pcapng",
        }
    }
}

texts! { RecordingFormat: Pcapng "pcapng" }

/// The text is no [`RecordingFormat`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give pcapng: `onairctl export` makes files of frames of it")]
pub struct UnknownFormat;

impl FromStr for RecordingFormat {
    type Err = UnknownFormat;
    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "pcapng" => Ok(Self::Pcapng),
            _ => Err(UnknownFormat),
        }
    }
}

/// Body of `POST /v1/sessions/{id}/recordings`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RecordingSpec {
    /// File format.
    pub format: RecordingFormat,
    /// Its name, and the start of its files' names. No file of that name may exist. The default is
    /// the session's name and the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<RecordingName>,
    /// It ends this many milliseconds after its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "onair_essence::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 31_536_000_000_u64))]
    pub duration_ms: Option<u64>,
    /// It ends when its files have this many bytes in total. It still writes the packets that it
    /// has accepted: at most what the ring holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "onair_essence::whole::optional")]
    #[cfg_attr(
        feature = "openapi",
        schema(minimum = 65_536, maximum = 1_125_899_906_842_624_u64)
    )]
    pub size_bytes: Option<u64>,
    /// Kept bytes of each packet, Ethernet header included. All by default. Frames are exported of complete
    /// packets only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "onair_essence::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(minimum = 14, maximum = 65_535))]
    pub snap_length: Option<u32>,
    /// The recording starts a new file before one exceeds this size, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "onair_essence::whole::optional")]
    #[cfg_attr(
        feature = "openapi",
        schema(minimum = 65_536, maximum = 1_125_899_906_842_624_u64)
    )]
    pub split_size_bytes: Option<u64>,
    /// The recording starts a new file when one covers this many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "onair_essence::whole::optional")]
    #[cfg_attr(
        feature = "openapi",
        schema(minimum = 100, maximum = 31_536_000_000_u64)
    )]
    pub split_duration_ms: Option<u64>,
}

/// A year, in milliseconds.
const LONGEST_MS: u64 = 365 * 24 * 3600 * 1000;
/// A pebibyte, in bytes.
const LARGEST: u64 = 1 << 50;

impl RecordingSpec {
    /// A recording of this format without limits.
    #[must_use]
    pub fn new(format: RecordingFormat) -> Self {
        Self {
            format,
            name: None,
            duration_ms: None,
            size_bytes: None,
            snap_length: None,
            split_size_bytes: None,
            split_duration_ms: None,
        }
    }

    /// Invalid fields; empty if there are none.
    #[must_use]
    pub fn check(&self) -> Vec<SpecError> {
        let mut errors = Vec::new();
        let mut within = |field: &str, value: Option<u64>, range: RangeInclusive<u64>| {
            let Some(value) = value.filter(|value| !range.contains(value)) else {
                return;
            };
            let (least, most) = range.into_inner();
            let problem = format!("{value} is out of range: give {least} to {most}");
            errors.push(SpecError::new(field, problem));
        };
        within("duration_ms", self.duration_ms, 1..=LONGEST_MS);
        within("size_bytes", self.size_bytes, 65_536..=LARGEST);
        within("snap_length", self.snap_length.map(u64::from), 14..=65_535);
        within("split_size_bytes", self.split_size_bytes, 65_536..=LARGEST);
        within(
            "split_duration_ms",
            self.split_duration_ms,
            100..=LONGEST_MS,
        );
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recording_spec_right_and_wrong_then_each_field_named() {
        let fields = |json: &str| {
            let spec: RecordingSpec = serde_json::from_str(json).unwrap();
            let errors = spec.check();
            errors.into_iter().map(|it| it.field).collect::<Vec<_>>()
        };
        assert!(
            fields(r#"{"format":"pcapng","name":"a","duration_ms":1e3,"size_bytes":65536,"snap_length":96}"#)
                .is_empty()
        );
        assert_eq!(
            fields(r#"{"format":"pcapng","duration_ms":0,"size_bytes":1,"snap_length":96}"#),
            ["duration_ms", "size_bytes"]
        );
        assert_eq!(
            fields(
                r#"{"format":"pcapng","split_size_bytes":9,"split_duration_ms":1,"snap_length":13}"#
            ),
            ["snap_length", "split_size_bytes", "split_duration_ms"]
        );
        for json in [
            r#"{}"#,
            r#"{"format":"wav"}"#,
            r#"{"format":"y4m"}"#,
            r#"{"format":"pcapng","name":"../a"}"#,
            r#"{"format":"pcapng","nix":1}"#,
            r#"{"format":"pcapng","duration_ms":-1}"#,
        ] {
            assert!(
                serde_json::from_str::<RecordingSpec>(json).is_err(),
                "{json}"
            );
        }
    }
}
