//! `[[poller]]`: polling threads.

use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::config::error::within;

/// Behaviour of an idle poller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Idle {
    /// spins for `spin_us`, then sleeps until a packet, a command or the next due time.
    #[default]
    Adaptive,
    /// always spins: the core is at 100 %.
    Busy,
}

/// `[[poller]]`: a polling thread (repeatable)
///
/// Packets wake it on AF_XDP and AF_PACKET, and by the interrupts of other drivers (column WAKE of
/// `onairctl port list`).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Poller {
    /// Unique.
    pub name: String,
    /// The CPU to pin it to. Without it: the highest free one, isolated ones (`isolcpus`) first.
    /// Two daemons on a host would choose the same: name it in both.
    #[serde(default)]
    pub core: Option<usize>,
    /// Its behaviour without work.
    #[serde(default)]
    pub idle: Idle,
    /// Adaptive: time to spin, if packets come sooner; none on AF_PACKET.
    #[serde(default = "spin_us")]
    pub spin_us: u64,
    /// Adaptive: time that a wake-up takes. The poller spins for work that is due sooner than twice
    /// this.
    #[serde(default = "wake_us")]
    pub wake_us: u64,
    /// Adaptive: longest sleep if nothing wakes the poller, and on AF_PACKET while packets come.
    #[serde(default = "nap_us")]
    pub nap_us: u64,
    /// Room for sessions, in percent of its core ([plan.md](plan.md#admission)); 0: no limit. Users
    /// share it as [limits](#limits).
    #[serde(default = "capacity_percent")]
    pub capacity_percent: u32,
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

const fn capacity_percent() -> u32 {
    100
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
        within(
            &self.key("capacity_percent"),
            self.capacity_percent,
            0..=1000,
        )
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
