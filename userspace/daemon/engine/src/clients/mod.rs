//! Client processes, beside their sessions: questions about them, the probe's events, and the wake-ups of their
//! sleepers.

pub mod inspection;
pub mod probe_news;
pub mod processes;
pub mod waking;
