//! The forecast of `--dry-run`.

use onair_api::{Blocker, SessionState, Verdict};
use serde::Serialize;

/// The forecast.
#[derive(Debug, Serialize)]
pub(crate) struct Forecast {
    /// The session's name.
    pub(crate) session: String,
    /// The operation.
    pub(crate) operation: String,
    /// Whether the operation would pass.
    pub(crate) would_pass: bool,
    /// Why it would pass or be refused.
    pub(crate) reason: String,
    /// The session's current state.
    pub(crate) state: SessionState,
    /// Attachments that would be evicted.
    pub(crate) evicts: Vec<u64>,
    /// The current reading of each witness.
    pub(crate) verdict: Verdict,
    /// Current users of the session.
    pub(crate) blockers: Vec<Blocker>,
}
