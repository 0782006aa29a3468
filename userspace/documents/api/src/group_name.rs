//! Names of groups.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::looks_like_name;
use crate::text::{name, shorten};

/// A group's name, unique among the groups that have members: `[a-z0-9][a-z0-9._-]{0,62}`. A session may have the
/// same name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(into = "String", try_from = "String")]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", examples("studio1")))]
pub struct GroupName(String);

impl FromStr for GroupName {
    type Err = GroupNameError;
    fn from_str(text: &str) -> Result<Self, GroupNameError> {
        if looks_like_name(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(GroupNameError(shorten(text)))
    }
}

name! { GroupName, GroupNameError }

/// A text that is not a group's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a group name: give 1 to 63 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit"
)]
pub struct GroupNameError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_name_forms_then_only_plain_ones_pass() {
        for text in ["a", "studio1", "0123456789abcdef", &"x".repeat(63)] {
            assert_eq!(text.parse::<GroupName>().unwrap().as_str(), text);
        }
        for text in ["", "-a", "A", "a b", "a/b", &"x".repeat(64)] {
            assert!(text.parse::<GroupName>().is_err(), "{text}");
        }
    }
}
