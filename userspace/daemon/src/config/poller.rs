//! `[[poller]]`: polling threads.

use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::error::within;

/// What a poller does with nothing to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Idle {
    /// Spins for a moment, then sleeps until the next packet is due or comes.
    #[default]
    Adaptive,
    /// Spins.
    Busy,
}

/// `[[poller]]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Poller {
    /// Name.
    pub name: String,
    /// CPU to pin it to.
    pub core: usize,
    /// Idle policy.
    #[serde(default)]
    pub idle: Idle,
    /// An adaptive one spins so long after the last packet, µs.
    #[serde(default = "spin_us")]
    pub spin_us: u64,
    /// What is due sooner than twice this is waited for by spinning, µs: it takes so long to wake up.
    #[serde(default = "wake_us")]
    pub wake_us: u64,
    /// Longest sleep where no descriptor tells of packets, µs.
    #[serde(default = "nap_us")]
    pub nap_us: u64,
}

const fn spin_us() -> u64 {
    20
}

const fn wake_us() -> u64 {
    60
}

const fn nap_us() -> u64 {
    1000
}

impl Poller {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (key, value, range) in [
            ("spin_us", self.spin_us, 0..=1_000_000),
            ("wake_us", self.wake_us, 0..=10_000),
            ("nap_us", self.nap_us, 10..=100_000),
        ] {
            within(&format!("poller.{}.{key}", self.name), value, range)?;
        }
        Ok(())
    }
}
