//! Counts of all flows.

use std::fmt;

/// Of a session that becomes a flow, or of a flow that becomes a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Grains that were written or sent whole; blocks of audio.
    pub grains: u64,
    /// Grains that were written as invalid, or came so.
    pub invalid: u64,
    /// Units without a time that the flow could have: not written.
    pub untimed: u64,
    /// Grains that never came, were overwritten before they could be sent, or were fields that were not due.
    pub missing: u64,
    /// Units that could not be written or sent.
    pub refused: u64,
    /// ANC packets that did not fit, or were wrong.
    pub packets: u64,
    /// Times that the flow was opened.
    pub openings: u64,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} grains", self.grains)?;
        for (count, what) in [
            (self.invalid, "invalid"),
            (self.untimed, "without a time"),
            (self.missing, "missing"),
            (self.refused, "refused"),
            (self.packets, "ANC packets left out"),
            (self.openings.saturating_sub(1), "reopenings"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}
