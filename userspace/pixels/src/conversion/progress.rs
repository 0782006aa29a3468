//! How far a conversion is.

/// How far a picture is converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub(crate) lines: u32,
    pub(crate) done: u32,
    /// Bytes of pixel groups of the lines that are done.
    pub(crate) from: usize,
}

impl Progress {
    /// Nothing of a picture of so many lines.
    #[must_use]
    pub(crate) const fn of(lines: u32) -> Self {
        Self {
            lines,
            done: 0,
            from: 0,
        }
    }

    /// Whether the whole picture is converted.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.done == self.lines
    }
}
