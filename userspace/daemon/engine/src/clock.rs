//! The clocks of the machine.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_api::Timestamp;
use onair_session::Moment;

/// The clocks. The engine asks no other.
pub trait Clock: Debug + Send + Sync {
    /// The time, to wait until.
    fn now(&self) -> Instant;
    /// The wall clock, for people: it may jump.
    fn wall(&self) -> Timestamp;
    /// `CLOCK_MONOTONIC`, ns.
    fn monotonic_ns(&self) -> u64;
}

/// The clocks, as each part has them.
pub type Clocks = Arc<dyn Clock>;

impl dyn Clock {
    /// The moment on the clocks of certificates.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment {
            wall: self.wall(),
            monotonic_ns: self.monotonic_ns(),
        }
    }

    /// Time since a moment of the wall clock; zero if that is in the future.
    #[must_use]
    pub fn age(&self, at: Timestamp) -> Duration {
        self.wall().0.duration_since(at.0).unwrap_or_default()
    }

    /// The moment `age` ago.
    #[must_use]
    pub fn ago(&self, age: Duration) -> Timestamp {
        let now = self.wall();
        now.0.checked_sub(age).map_or(now, Timestamp)
    }

    /// An earlier time of `CLOCK_MONOTONIC`, as the wall clock has it now.
    #[must_use]
    pub fn wall_at(&self, ns: u64) -> Timestamp {
        let now = self.moment();
        now.wall_at(ns).unwrap_or(now.wall)
    }
}

/// A clock of unit tests, which stands still.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Still(Instant);

#[cfg(test)]
impl Still {
    pub(crate) fn clocks() -> Clocks {
        Arc::new(Self(Instant::now()))
    }
}

#[cfg(test)]
impl Clock for Still {
    fn now(&self) -> Instant {
        self.0
    }

    fn wall(&self) -> Timestamp {
        Timestamp(std::time::UNIX_EPOCH)
    }

    fn monotonic_ns(&self) -> u64 {
        0
    }
}
