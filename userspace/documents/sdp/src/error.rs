//! Why a text is not a session description of ST 2110.

use onair_api::{DescriptionNote, MAX_NOTES};

/// A fault, with its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {parameter}: {fault}")]
pub struct SdpError {
    /// Line of the text, from 1.
    pub line: usize,
    /// The parameter, attribute or line type, as it is named in SDP.
    pub parameter: String,
    /// Its fault.
    pub fault: Fault,
}

impl SdpError {
    pub(crate) fn new(line: usize, parameter: impl Into<String>, fault: Fault) -> Self {
        Self {
            line,
            parameter: parameter.into(),
            fault,
        }
    }

    pub(crate) fn invalid(
        line: usize,
        parameter: impl Into<String>,
        value: &str,
        wanted: impl Into<String>,
    ) -> Self {
        let fault = Fault::Invalid {
            value: value.chars().take(80).collect(),
            wanted: wanted.into(),
        };
        Self::new(line, parameter, fault)
    }
}

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Longer than any description.
    #[error("the text is longer than {0} bytes")]
    TooLong(usize),
    /// It is required and not there.
    #[error("missing")]
    Missing,
    /// It is there twice, with two values.
    #[error("given twice, with two values")]
    Twice,
    /// Its value is wrong.
    #[error("{value:?} is invalid: give {wanted}")]
    Invalid {
        /// The first 80 characters of the value.
        value: String,
        /// The valid values.
        wanted: String,
    },
}

/// Notes in the order of the text. What two legs say alike is noted once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes(Vec<DescriptionNote>);

impl Notes {
    pub(crate) fn add(&mut self, line: usize, parameter: &str, value: Option<&str>, reason: &str) {
        self.push(DescriptionNote::new(line, parameter, value, reason));
    }

    /// Adds those of another part of the description.
    pub(crate) fn extend(&mut self, others: &Self) {
        for note in &others.0 {
            self.push(note.clone());
        }
    }

    /// The last place says that there are more.
    fn push(&mut self, note: DescriptionNote) {
        if self.0.iter().any(|it| it.says_as(&note)) || self.0.len() >= MAX_NOTES {
            return;
        }
        if self.0.len() == MAX_NOTES - 1 {
            let more = "and more, which are not listed";
            self.0.push(DescriptionNote::new(
                usize::try_from(note.line).unwrap_or(1),
                "notes",
                None,
                more,
            ));
            return;
        }
        self.0.push(note);
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each note.
    pub fn iter(&self) -> impl Iterator<Item = &DescriptionNote> {
        self.0.iter()
    }

    /// The notes of a session.
    #[must_use]
    pub fn into_vec(self) -> Vec<DescriptionNote> {
        self.0
    }
}
