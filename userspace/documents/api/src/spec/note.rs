//! Parts of a session's description that the session does not have.

use serde::{Deserialize, Serialize};

use super::MAX_NOTES;
use super::invalid::Invalid;
use crate::text::is_unprintable;

/// Most characters of a parameter's name.
const PARAMETER: usize = 40;
/// Most characters of a value.
const VALUE: usize = 80;
/// Most characters of a reason.
const REASON: usize = 200;

/// A part of a session description (SDP) that the session does not carry, or that is wrong: the session was created
/// all the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DescriptionNote {
    /// Line of the description, from 1.
    #[serde(deserialize_with = "onair_essence::whole::number")]
    pub line: u32,
    /// The parameter, attribute or type of line, as SDP names it: at most 40 characters, without control characters, as
    /// all texts here.
    pub parameter: String,
    /// Its value, at most 80 characters; absent if the parameter is missing or has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Why it is not carried, or how it was understood: at most 200 characters.
    pub reason: String,
}

impl DescriptionNote {
    /// A note. Its texts are escaped and cut.
    #[must_use]
    pub fn new(line: usize, parameter: &str, value: Option<&str>, reason: &str) -> Self {
        Self {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            parameter: printable(parameter, PARAMETER),
            value: value.map(|it| printable(it, VALUE)),
            reason: printable(reason, REASON),
        }
    }

    /// Whether it says the same, of any line.
    #[must_use]
    pub fn says_as(&self, other: &Self) -> bool {
        (&self.parameter, &self.value, &self.reason)
            == (&other.parameter, &other.value, &other.reason)
    }
}

/// `line 9: SSN "ST2110-20:2021": REASON`.
impl std::fmt::Display for DescriptionNote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.parameter)?;
        if let Some(value) = &self.value {
            write!(f, " \"{value}\"")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// At most `longest` characters of `text`; control characters are escaped.
fn printable(text: &str, longest: usize) -> String {
    let mut shown = String::new();
    let mut count = 0;
    for character in text.chars() {
        let escaped = match is_unprintable(character) {
            true => character.escape_unicode().to_string(),
            false => character.to_string(),
        };
        count += escaped.chars().count();
        if count >= longest {
            shown.push('…');
            break;
        }
        shown += &escaped;
    }
    shown
}

/// Checks the notes of a new session.
pub(super) fn check_notes(notes: Vec<DescriptionNote>) -> Result<Vec<DescriptionNote>, Invalid> {
    let is_text =
        |it: &str, longest| it.chars().count() <= longest && !it.chars().any(is_unprintable);
    let is_valid = |note: &DescriptionNote| {
        is_text(&note.parameter, PARAMETER)
            && is_text(note.value.as_deref().unwrap_or_default(), VALUE)
            && is_text(&note.reason, REASON)
    };
    match notes.len() <= MAX_NOTES && notes.iter().all(is_valid) {
        true => Ok(notes),
        false => Err(Invalid::Notes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_of_any_text_then_escaped_cut_and_valid() {
        let hostile = "\u{1b}[2J\u{202e}\0\n".repeat(1_000) + "ä\"\\";
        let note = DescriptionNote::new(usize::MAX, &hostile, Some(&hostile), &hostile);
        assert!(!note.to_string().chars().any(is_unprintable), "{note}");
        assert!(note.reason.starts_with("\\u{1b}[2J\\u{202e}\\u{0}\\u{a}"));
        assert!(check_notes(vec![note.clone(); MAX_NOTES]).is_ok());
        assert!(check_notes(vec![note.clone(); MAX_NOTES + 1]).is_err());
        for wrong in [hostile, "x".repeat(REASON + 1), "\u{7f}".to_owned()] {
            let note = DescriptionNote {
                reason: wrong,
                ..note.clone()
            };
            assert!(check_notes(vec![note]).is_err());
        }
        let plain = DescriptionNote::new(9, "SSN", Some("Käse \"7\""), "unknown");
        assert_eq!(plain.to_string(), "line 9: SSN \"Käse \"7\"\": unknown");
    }
}
