//! The result of a pipe as a document.

use std::collections::BTreeMap;

use serde::Serialize;

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
