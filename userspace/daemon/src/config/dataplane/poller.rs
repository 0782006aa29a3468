//! `[[poller]]`: polling threads.

use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::config::error::within;

/// What an idle poller does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Idle {
    /// sleeps until a packet, a command or the next due time; briefly while packets come.
    #[default]
    Adaptive,
    /// always spins: the core is at 100 %.
    Busy,
}

/// `[[poller]]`: a polling thread (repeatable)
///
/// AF_XDP, AF_PACKET and interrupts of drivers wake a poller (column WAKE of `onairctl port list`);
/// else it looks each millisecond.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Poller {
    /// Unique.
    pub name: String,
    /// The CPU to pin it to. Without it: the highest free one, isolated ones (`isolcpus`) first.
    /// Two daemons would choose the same.
    #[serde(default)]
    pub core: Option<usize>,
    /// What it does without work.
    #[serde(default)]
    pub idle: Idle,
    /// Adaptive: while packets come, sleeps delay no frame by more than this.
    #[serde(default = "latency_us")]
    pub latency_us: u64,
    /// Adaptive: time that a wake-up takes. It spins for work due sooner than twice this.
    #[serde(default = "wake_us")]
    pub wake_us: u64,
    /// Adaptive: fixed time to spin after the last work.
    #[serde(default)]
    pub spin_us: Option<u64>,
    /// Adaptive: fixed time of a sleep, which packets do not end.
    #[serde(default)]
    pub nap_us: Option<u64>,
    /// Convert the frames of its ports' sessions here, not on a thread of `limits.converters`.
    /// Packets wait 2 to 4 µs for each part of a frame: give narrow senders another poller. One
    /// poller of a port may convert.
    #[serde(default)]
    pub converts: bool,
}

const fn latency_us() -> u64 {
    100
}

const fn wake_us() -> u64 {
    60
}

impl Poller {
    fn check(&self) -> Result<(), ConfigError> {
        for (key, value, range) in [
            ("latency_us", Some(self.latency_us), 20..=10_000),
            ("wake_us", Some(self.wake_us), 0..=10_000),
            ("spin_us", self.spin_us, 0..=1_000_000),
            ("nap_us", self.nap_us, 10..=100_000),
        ] {
            if let Some(value) = value {
                within(&self.key(key), value, range)?;
            }
        }
        Ok(())
    }

    /// `key` with its table.
    pub(crate) fn key(&self, key: &str) -> String {
        format!("poller.{}.{key}", self.name)
    }
}

/// Checks each poller, and that no two have the same name or core.
pub(crate) fn check(pollers: &[Poller]) -> Result<(), ConfigError> {
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
