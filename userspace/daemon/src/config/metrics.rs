//! `[metrics]`.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::error::within;

/// `[metrics]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Where `GET /metrics` is served over TCP, without credentials; absent: nowhere.
    pub listen: Option<SocketAddr>,
    /// Connections there at a time; others wait.
    pub connections: usize,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            listen: None,
            connections: 8,
        }
    }
}

impl Metrics {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        within("metrics.connections", self.connections, 1..=1024)
    }
}
