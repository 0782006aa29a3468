//! What a reader should know of a description that was accepted.

/// Something wrong that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Line of the text, from 1.
    pub line: usize,
    /// What is wrong, and how it was understood.
    pub text: String,
}
