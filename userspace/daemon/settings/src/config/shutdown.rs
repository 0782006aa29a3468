//! `[shutdown]`

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::error::within;

/// Treatment of a session that is still in use after the graceful time-out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// it names them, their calls return `ESTALE`, status 4.
    #[default]
    Refuse,
    /// it evicts their users and destroys them.
    Evict,
    /// it quarantines them; their memory is freed when their users are gone.
    Quarantine,
}

/// Reaction of the daemon to a poller that has panicked, or has made no turn for 5 s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnPollerDeath {
    /// continue with the other pollers; the poller's sessions are off air.
    #[default]
    Continue,
    /// shut down in order, status 1, or 7 if it hangs on.
    Drain,
}

/// `[shutdown]`: how the daemon shuts down
///
/// Set the grace period of the service manager (systemd's `TimeoutStopSec`, Kubernetes'
/// `terminationGracePeriodSeconds`) longer than `timeouts.graceful_ms` (or `recorder.finish_ms`, if
/// that is more) + 3 × `handler_ms` + 5 × `cleanup_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShutdownConfig {
    /// Treatment of sessions that are still in use after `timeouts.graceful_ms`.
    pub policy: Policy,
    /// Time for threads, ports, probe and files to end, each.
    pub cleanup_ms: u64,
    /// Time for requests under way, and for the control thread after the graceful time-out.
    pub handler_ms: u64,
    /// A signal within this time after the acknowledgement of the first counts as the same signal.
    pub debounce_ms: u64,
    /// Time for each part to end after a second signal. Then the daemon abandons the part.
    pub force_ms: u64,
    /// When a poller has panicked, or has made no turn for 5 s. A stall that ends before changes nothing.
    pub on_poller_death: OnPollerDeath,
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self {
            policy: Policy::Refuse,
            cleanup_ms: 5000,
            handler_ms: 5000,
            debounce_ms: 500,
            force_ms: 1000,
            on_poller_death: OnPollerDeath::Continue,
        }
    }
}

/// Longest time, ms: a day.
const DAY_MS: u64 = 24 * 3600 * 1000;

impl ShutdownConfig {
    /// Checks the values.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first invalid value.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        for (key, value) in [
            ("cleanup_ms", self.cleanup_ms),
            ("handler_ms", self.handler_ms),
            ("debounce_ms", self.debounce_ms),
            ("force_ms", self.force_ms),
        ] {
            within(&format!("shutdown.{key}"), value, 0..=DAY_MS)?;
        }
        Ok(())
    }

    /// [`Self::cleanup_ms`] as a duration.
    #[must_use]
    pub fn cleanup(&self) -> Duration {
        Duration::from_millis(self.cleanup_ms)
    }

    /// [`Self::handler_ms`] as a duration.
    #[must_use]
    pub fn handler(&self) -> Duration {
        Duration::from_millis(self.handler_ms)
    }

    /// [`Self::debounce_ms`] as a duration.
    #[must_use]
    pub fn debounce(&self) -> Duration {
        Duration::from_millis(self.debounce_ms)
    }

    /// [`Self::force_ms`] as a duration.
    #[must_use]
    pub fn force(&self) -> Duration {
        Duration::from_millis(self.force_ms)
    }
}
