//! `[shutdown]`

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// What happens to a session that is still in use after the graceful time-out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Report it and abandon it: exit status 4.
    #[default]
    Refuse,
    /// Evict its users and destroy it.
    Evict,
    /// Quarantine it with its users; its memory is freed when they leave.
    Quarantine,
}

/// What the daemon does after a panic of a poller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnPollerDeath {
    /// Continue with the other pollers; stop the poller's sessions.
    #[default]
    Continue,
    /// Shut down in order.
    Drain,
}

/// `[shutdown]`, times in milliseconds. `timeouts.graceful_ms` limits how long users may take to
/// leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShutdownConfig {
    /// What happens to sessions that are still in use.
    pub policy: Policy,
    /// Time-out of each socket, thread, port and the probe to end.
    pub cleanup_ms: u64,
    /// Time-out of requests in flight.
    pub handler_ms: u64,
    /// A signal this soon after the first counts as the same one; a later one forces.
    pub debounce_ms: u64,
    /// Time-out of each part after a forced shutdown; then it is left behind.
    pub force_ms: u64,
    /// What to do after a panic of a poller.
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
            if value > DAY_MS {
                let problem = "give at most one day, 86400000";
                let key = format!("shutdown.{key}");
                return Err(ConfigError::value(key, value, problem));
            }
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
