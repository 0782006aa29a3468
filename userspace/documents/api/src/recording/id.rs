//! Recording ids, which are never reused, and recording names, which are the stem of the file
//! names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{SessionId, looks_like_name};
use crate::text::{as_string, looks_like_id, name, reference, shorten};

/// A recording's identity, in the form of a [`SessionId`]: the daemon's incarnation and a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(into = "String", try_from = "String")]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[0-9a-f]{16}$", examples("6920a1c300000001")))]
pub struct RecordingId(pub u64);

impl RecordingId {
    /// The id of recording number `counter` (from 1) of the daemon of `incarnation`.
    #[must_use]
    pub fn new(incarnation: u32, counter: u32) -> Self {
        Self(SessionId::new(incarnation, counter).0)
    }
}

impl fmt::Display for RecordingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SessionId(self.0).fmt(f)
    }
}

impl FromStr for RecordingId {
    type Err = RecordingError;
    fn from_str(text: &str) -> Result<Self, RecordingError> {
        let id = text.parse::<SessionId>();
        id.map(|id| Self(id.0))
            .map_err(|_| RecordingError::Id(shorten(text)))
    }
}

/// A recording's name, and the start of its files' names: `[a-z0-9][a-z0-9._-]{0,62}`, not sixteen
/// hex digits, and without a part number (a dot and four digits or more) at its end. Such a name
/// never leads out of the recorder's folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(into = "String", try_from = "String")]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", examples("cam1-take2")))]
pub struct RecordingName(String);

impl FromStr for RecordingName {
    type Err = RecordingError;
    fn from_str(text: &str) -> Result<Self, RecordingError> {
        if looks_like_id(text) {
            return Err(RecordingError::NameIsId(text.to_owned()));
        }
        if !looks_like_name(text) {
            return Err(RecordingError::Name(shorten(text)));
        }
        if looks_like_part(text) {
            return Err(RecordingError::NameIsPart(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Whether it ends like a part of a split recording: `NAME.0001`.
fn looks_like_part(text: &str) -> bool {
    text.rsplit_once('.')
        .is_some_and(|(_, end)| end.len() >= 4 && end.bytes().all(|it| it.is_ascii_digit()))
}

/// A recording in a path of the API: an id or a name. The two never overlap.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RecordingRef {
    /// Sixteen hex digits.
    Id(RecordingId),
    /// Any other valid name: the last recording of that name.
    Name(RecordingName),
}

as_string! { RecordingId, RecordingError }
name! { RecordingName, RecordingError }
reference! { RecordingRef, RecordingId, RecordingName, RecordingError }

/// A text that is not a recording id or name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordingError {
    /// Not sixteen lower-case hex digits.
    #[error("{0:?} is not a recording id: give sixteen lower-case hex digits")]
    Id(String),
    /// Not in the form of a name.
    #[error(
        "{0:?} is not a recording name: give 1 to 63 of a-z, 0-9, '.', '_', '-', beginning with a \
         letter or digit"
    )]
    Name(String),
    /// A name that could be confused with an id.
    #[error("{0:?} has the form of an id and cannot be a name: choose another")]
    NameIsId(String),
    /// A name that could be confused with a part of another recording.
    #[error(
        "{0:?} ends like a part of a split recording (a dot and four digits or more): choose \
         another name"
    )]
    NameIsPart(String),
    /// Neither an id nor a name.
    #[error(
        "{0:?} is neither a recording's id (sixteen lower-case hex digits) nor a recording's name \
         (1 to 63 of a-z, 0-9, '.', '_', '-')"
    )]
    Ref(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recording_name_hostile_forms_then_refused() {
        for text in [
            "a",
            "cam1-20261120t141500z",
            "0.a_b-c",
            "take.001",
            "take.0001.a",
            &"x".repeat(63),
        ] {
            assert!(text.parse::<RecordingName>().is_ok(), "{text}");
        }
        for text in [
            "",
            ".",
            "..",
            "../a",
            "a/b",
            "/etc/passwd",
            ".hidden",
            "-rf",
            "A",
            "a b",
            "a\0b",
            "a\nb",
            "é",
            &"x".repeat(64),
            "0123456789abcdef",
            "take.0001",
            "cam1.20261120",
        ] {
            assert!(text.parse::<RecordingName>().is_err(), "{text:?}");
            let json = serde_json::to_string(text).unwrap();
            assert!(serde_json::from_str::<RecordingName>(&json).is_err());
        }
        let long = "Z".repeat(1000).parse::<RecordingRef>().unwrap_err();
        assert!(long.to_string().len() < 300);
    }

    #[test]
    fn recording_ref_parse_then_id_and_name_never_overlap() {
        let id: RecordingRef = "0123456789abcdef".parse().unwrap();
        assert_eq!(id, RecordingRef::Id(RecordingId(0x0123_4567_89ab_cdef)));
        assert_eq!(id.to_string(), "0123456789abcdef");
        let name: RecordingRef = "0123456789abcde".parse().unwrap();
        assert!(matches!(name, RecordingRef::Name(_)));
    }
}
