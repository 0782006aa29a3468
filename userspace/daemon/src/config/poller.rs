//! `[[poller]]`: polling threads.

use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::error::within;

/// What an idle poller does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Idle {
    /// Spins for a moment, then sleeps until a packet is due or arrives.
    #[default]
    Adaptive,
    /// Always spins.
    Busy,
}

/// `[[poller]]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Poller {
    /// Name of the poller.
    pub name: String,
    /// CPU to pin the thread to. Absent: a free one, see [`Config::cores`](super::Config::cores).
    #[serde(default)]
    pub core: Option<usize>,
    /// Idle policy.
    #[serde(default)]
    pub idle: Idle,
    /// Adaptive: time to spin after the last packet, µs.
    #[serde(default = "spin_us")]
    pub spin_us: u64,
    /// Adaptive: wake-up time, µs. The poller spins, not sleeps, for work due sooner than twice
    /// this.
    #[serde(default = "wake_us")]
    pub wake_us: u64,
    /// Adaptive: longest sleep if no descriptor reports packets, µs.
    #[serde(default = "nap_us")]
    pub nap_us: u64,
    /// Converts the frames of the sessions of its ports, too, instead of a thread of
    /// [`limits.converters`](super::Limits::converters).
    #[serde(default)]
    pub converts: bool,
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
    fn check(&self) -> Result<(), ConfigError> {
        for (key, value, range) in [
            ("spin_us", self.spin_us, 0..=1_000_000),
            ("wake_us", self.wake_us, 0..=10_000),
            ("nap_us", self.nap_us, 10..=100_000),
        ] {
            within(&self.key(key), value, range)?;
        }
        Ok(())
    }

    /// `key` with its table.
    pub(super) fn key(&self, key: &str) -> String {
        format!("poller.{}.{key}", self.name)
    }
}

/// Checks each poller, and that no two have the same name or core.
pub(super) fn check(pollers: &[Poller]) -> Result<(), ConfigError> {
    for (at, poller) in pollers.iter().enumerate() {
        poller.check()?;
        for before in &pollers[..at] {
            if poller.name == before.name {
                let key = "poller.name";
                return Err(ConfigError::value(key, &poller.name, "given twice"));
            }
            if let (Some(core), true) = (poller.core, poller.core == before.core) {
                let problem = format!(
                    "poller {} runs on this core: give each poller a core of its own",
                    before.name
                );
                return Err(ConfigError::value(poller.key("core"), core, problem));
            }
        }
    }
    Ok(())
}
