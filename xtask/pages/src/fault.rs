//! What is wrong with a page, and what to do.

use std::fmt;

/// A fault of a page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The page, from the root.
    pub page: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: &'static str,
}

impl Fault {
    pub(crate) fn new(page: &str, line: usize, what: String, remedy: &'static str) -> Self {
        Self {
            page: page.to_owned(),
            line,
            what,
            remedy,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            page,
            line,
            what,
            remedy,
        } = self;
        write!(f, "{page}:{line}: {what}: {remedy}")
    }
}
