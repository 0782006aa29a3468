//! Sections about packets: ports, pollers, the clock, and the signal of a session.

mod addresses;
pub(super) mod clock;
pub(super) mod poller;
pub(super) mod port;

use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::config::error::within;

/// `[signal]`: when a session has no picture, or not the right one
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Signal {
    /// Without a packet, or a sent frame, for this long a session has no signal; at least three
    /// frame times.
    pub absent_ms: u64,
    /// Lost or late packets in a million, in the last second, with which a signal is impaired; also
    /// frame times without a frame, in ten thousand.
    pub loss_ppm: u64,
    /// Largest drift of a sender's clock against this host's.
    pub drift_ppm: u64,
    /// A fault is over when it has not been seen for this long.
    pub hold_ms: u64,
}

impl Signal {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        within("signal.absent_ms", self.absent_ms, 100..=600_000)?;
        within("signal.loss_ppm", self.loss_ppm, 1..=1_000_000)?;
        within("signal.drift_ppm", self.drift_ppm, 10..=100_000)?;
        within("signal.hold_ms", self.hold_ms, 500..=600_000)
    }
}

impl Default for Signal {
    fn default() -> Self {
        Self {
            absent_ms: 1_000,
            loss_ppm: 1_000,
            drift_ppm: 200,
            hold_ms: 500,
        }
    }
}
