//! Sections about what the daemon writes: its log, its state, and recordings.

pub(super) mod log;
pub(super) mod recorder;
pub(super) mod state;
