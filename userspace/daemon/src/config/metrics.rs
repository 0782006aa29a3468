//! `[metrics]`.

use std::net::SocketAddr;

use serde::Deserialize;

/// `[metrics]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Where `GET /metrics` is served over TCP, without credentials; absent: nowhere.
    pub listen: Option<SocketAddr>,
}
