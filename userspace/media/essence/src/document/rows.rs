//! An essence's facts for people, as rows of a table.

/// A document that is shown as a table.
pub trait Rows {
    /// Its rows.
    fn rows(&self) -> Vec<Row>;
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Name of the value.
    pub name: &'static str,
    /// The value.
    pub text: String,
    /// How good it is, if it is judged.
    pub grade: Option<Grade>,
}

/// How good a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    /// Within the strictest limit.
    Good,
    /// Allowed, but not by the strictest limit.
    Fair,
    /// Against a limit.
    Bad,
}

impl Row {
    /// A row that is not judged.
    #[must_use]
    pub fn new(name: &'static str, text: impl Into<String>) -> Self {
        Self {
            name,
            text: text.into(),
            grade: None,
        }
    }
}
