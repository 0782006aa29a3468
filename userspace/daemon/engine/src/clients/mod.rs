//! Client processes, beside their sessions: what is asked about them, what the probe tells of them, who wakes their
//! sleepers.

pub mod inspection;
pub mod probe_news;
pub mod processes;
pub mod waking;
