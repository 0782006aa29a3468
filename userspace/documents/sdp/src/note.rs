//! Parts of a description that are read but not carried: each is noted, and never lost in silence.

use onair_api::{DescriptionNote, MAX_NOTES};

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
