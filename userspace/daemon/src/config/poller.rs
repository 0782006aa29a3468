//! `[[poller]]`: polling threads.

use serde::Deserialize;

/// What a poller does with nothing to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Idle {
    /// Spins for a moment, then sleeps until the next packet is due or comes.
    #[default]
    Adaptive,
    /// Spins.
    Busy,
}

/// `[[poller]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poller {
    /// Name.
    pub name: String,
    /// CPU to pin it to.
    pub core: usize,
    /// Idle policy.
    #[serde(default)]
    pub idle: Idle,
}
