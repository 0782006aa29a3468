//! Session ids, which are never reused, and session names, which may be.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::{as_string, looks_like_id, name, reference, shorten};

/// Longest [`SessionName`], in bytes.
pub const NAME_MAX: usize = 63;

/// A session's identity. No later session and no later daemon reuses it.
///
/// High 32 bits: the daemon's incarnation (Unix seconds at its start); low 32 bits: a counter that
/// begins at 1. In JSON: a string of exactly 16 lower-case hex digits, because a JSON number holds
/// only 53 bits in most readers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(into = "String", try_from = "String")]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[0-9a-f]{16}$", examples("6920a1c300000001")))]
pub struct SessionId(pub u64);

impl SessionId {
    /// The id of session number `counter` (from 1) of the daemon that started at `incarnation`
    /// (Unix seconds).
    #[must_use]
    pub fn new(incarnation: u32, counter: u32) -> Self {
        Self((u64::from(incarnation) << 32) | u64::from(counter))
    }

    /// Unix seconds at the start of the daemon that issued this id. Another daemon's incarnation
    /// means that the handle is stale.
    #[must_use]
    pub fn incarnation(self) -> u32 {
        u32::try_from(self.0 >> 32).expect("a u64 shifted right by 32 fits 32 bits")
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

impl FromStr for SessionId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if !looks_like_id(text) {
            return Err(IdError::Id(text.to_owned()));
        }
        u64::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| IdError::Id(text.to_owned()))
    }
}

/// Whether it has the form of a session or recording name. Such a name never leads out of a folder.
pub(crate) fn looks_like_name(text: &str) -> bool {
    let first = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let rest = |b: u8| first(b) || matches!(b, b'.' | b'_' | b'-');
    let bytes = text.as_bytes();
    bytes.len() <= NAME_MAX
        && bytes.first().is_some_and(|&b| first(b))
        && bytes.iter().all(|&b| rest(b))
}

/// A session's name, unique among the live sessions: `[a-z0-9][a-z0-9._-]{0,62}`, and not sixteen
/// hex digits, which would be an id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(into = "String", try_from = "String")]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", examples("cam1")))]
pub struct SessionName(String);

impl FromStr for SessionName {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if !looks_like_name(text) {
            return Err(IdError::Name(shorten(text)));
        }
        if looks_like_id(text) {
            return Err(IdError::NameIsId(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A session in a path of the API: an id or a name. The two never overlap.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SessionRef {
    /// Sixteen hex digits.
    Id(SessionId),
    /// Any other valid name.
    Name(SessionName),
}

as_string! { SessionId, IdError }
name! { SessionName, IdError }
reference! { SessionRef, SessionId, SessionName, IdError }

impl From<SessionId> for SessionRef {
    fn from(id: SessionId) -> Self {
        Self::Id(id)
    }
}

/// A text that is not a session id or name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not sixteen lower-case hex digits.
    #[error("{0:?} is not a session id: give sixteen lower-case hex digits")]
    Id(String),
    /// Not in the form of a name.
    #[error(
        "{0:?} is not a session name: give 1 to 63 of a-z, 0-9, '.', '_', '-', \
         beginning with a letter or digit"
    )]
    Name(String),
    /// A name that could be confused with an id.
    #[error("{0:?} has the form of a session id and cannot be a name: choose another")]
    NameIsId(String),
    /// Neither an id nor a name.
    #[error(
        "{0:?} is neither a session id (sixteen lower-case hex digits) nor a session name \
         (1 to 63 of a-z, 0-9, '.', '_', '-')"
    )]
    Ref(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_id_to_json_and_back_then_sixteen_digits() {
        let id = SessionId::new(0x6920_a1c3, 1);
        let text = serde_json::to_string(&id).unwrap();
        assert_eq!(text, "\"6920a1c300000001\"");
        assert_eq!(serde_json::from_str::<SessionId>(&text).unwrap(), id);
        assert_eq!(id.incarnation(), 0x6920_a1c3);
    }

    #[test]
    fn session_id_other_forms_then_refused() {
        for text in [
            "",
            "1",
            "6920A1C300000001",
            "6920a1c30000000",
            "+920a1c300000001",
            "6920a1c3000000012",
        ] {
            assert!(text.parse::<SessionId>().is_err(), "{text}");
        }
    }

    #[test]
    fn session_name_forms_then_only_plain_ones_pass() {
        for text in ["a", "cam1", "0.a_b-c", &"x".repeat(63)] {
            assert!(text.parse::<SessionName>().is_ok(), "{text}");
        }
        for text in [
            "",
            "-a",
            ".a",
            "A",
            "a b",
            "é",
            "a/b",
            &"x".repeat(64),
            "0123456789abcdef",
        ] {
            assert!(text.parse::<SessionName>().is_err(), "{text}");
        }
    }

    #[test]
    fn session_ref_parse_then_id_and_name_never_overlap() {
        assert!(matches!(
            "0123456789abcdef".parse(),
            Ok(SessionRef::Id(SessionId(0x0123_4567_89ab_cdef)))
        ));
        assert!(matches!("0123456789abcde".parse(), Ok(SessionRef::Name(_))));
        let long = "Z".repeat(1000).parse::<SessionRef>().unwrap_err();
        assert!(long.to_string().len() < 300);
    }
}
