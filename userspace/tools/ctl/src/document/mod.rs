//! Documents that this program makes itself, for `--json` and for `render`: those of the daemon are in
//! `onair-api`.

pub(crate) mod analysis;
pub(crate) mod export;
pub(crate) mod over_time;

use std::collections::BTreeMap;

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

/// Result of a pipe.
#[derive(Debug, Serialize)]
pub(crate) struct Piped {
    pub(crate) session: String,
    /// `receive` or `send`.
    pub(crate) direction: &'static str,
    pub(crate) format: &'static str,
    /// Facts that a reader of the frames must know.
    pub(crate) content: BTreeMap<&'static str, String>,
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    /// Frames of which bytes are missing; they are passed on.
    pub(crate) incomplete_frames: u64,
    /// Frames for which the reader was too slow.
    pub(crate) lost_frames: u64,
    /// Buffers of the session for which this process was too slow.
    pub(crate) missed_buffers: u64,
    /// Times without frames after which it went on.
    pub(crate) interruptions: u64,
    pub(crate) seconds: f64,
    pub(crate) ended: &'static str,
}
