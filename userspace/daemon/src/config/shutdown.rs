//! `[shutdown]`

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// What becomes of a session that is still in use when the graceful time-out has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// It is named, and abandoned: exit status 4.
    #[default]
    Refuse,
    /// Its users are cut off, and it is destroyed.
    Evict,
    /// It is set aside with its users; its memory goes when they do.
    Quarantine,
}

/// What the daemon does when a poller has panicked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnPollerDeath {
    /// It goes on with the others; the poller's sessions are stopped.
    #[default]
    Continue,
    /// It shuts down in order.
    Drain,
}

/// `[shutdown]`, times in milliseconds. How long users may take to leave is `timeouts.graceful_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShutdownConfig {
    /// What becomes of sessions that are still in use.
    pub policy: Policy,
    /// Sockets, threads, ports and probe may take to end, each.
    pub cleanup_ms: u64,
    /// Requests that are being answered may take.
    pub handler_ms: u64,
    /// A signal that comes so soon after the first one belongs to it; a later one forces.
    pub debounce_ms: u64,
    /// What was forced may take to comply before it is left behind, each part.
    pub force_ms: u64,
    /// Whether the daemon goes on without a poller that has panicked.
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
    /// Whether it holds.
    ///
    /// # Errors
    /// [`ConfigError::Value`].
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        for (key, value) in [
            ("cleanup_ms", self.cleanup_ms),
            ("handler_ms", self.handler_ms),
            ("debounce_ms", self.debounce_ms),
            ("force_ms", self.force_ms),
        ] {
            if value > DAY_MS {
                let problem = "give at most a day, 86400000";
                let key = format!("shutdown.{key}");
                return Err(ConfigError::value(key, value, problem));
            }
        }
        Ok(())
    }

    /// [`Self::cleanup_ms`].
    #[must_use]
    pub fn cleanup(&self) -> Duration {
        Duration::from_millis(self.cleanup_ms)
    }

    /// [`Self::handler_ms`].
    #[must_use]
    pub fn handler(&self) -> Duration {
        Duration::from_millis(self.handler_ms)
    }

    /// [`Self::debounce_ms`].
    #[must_use]
    pub fn debounce(&self) -> Duration {
        Duration::from_millis(self.debounce_ms)
    }

    /// [`Self::force_ms`].
    #[must_use]
    pub fn force(&self) -> Duration {
        Duration::from_millis(self.force_ms)
    }
}
