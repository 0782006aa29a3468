//! `[metrics]`.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::error::within;

/// `[metrics]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// TCP address that serves `GET /metrics` without credentials; absent: off.
    pub listen: Option<SocketAddr>,
    /// Most connections at once; others wait.
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
