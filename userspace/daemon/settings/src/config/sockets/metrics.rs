//! `[metrics]`.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::config::error::within;

/// `[metrics]`: metrics over TCP
///
/// Every peer that reaches this port can read the metrics. The control socket serves them, too.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Address and port that serve `GET /metrics`, such as `"127.0.0.1:9090"`.
    pub listen: Option<SocketAddr>,
    /// Connections at a time; others wait.
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
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        within("metrics.connections", self.connections, 1..=1024)
    }
}
