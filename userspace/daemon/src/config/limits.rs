//! `[limits]`.

use serde::Deserialize;

use super::ConfigError;
use super::error::within;

/// `[limits]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Sessions at a time, 1 to 1024.
    pub sessions: u32,
    /// Connections on the attach socket at a time.
    pub connections: u32,
    /// Frame memory of all sessions together, MiB.
    pub frame_memory_mb: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 256,
            connections: 1024,
            frame_memory_mb: 4096,
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        within("limits.sessions", self.sessions, 1..=1024)
    }
}
