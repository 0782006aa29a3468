//! The consoles of a machine.

/// Where the machine's second console is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Console {
    /// Nowhere: the jobs run, and their output is reported.
    Captured,
    /// In our terminal, with a shell.
    Terminal { rows: u16, columns: u16 },
}
