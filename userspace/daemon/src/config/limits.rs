//! `[limits]`.

use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::error::within;

/// `[limits]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Sessions at a time, 1 to 1024.
    pub sessions: u32,
    /// Connections on the attach socket at a time, 1 to 65,536.
    pub connections: u32,
    /// Clients of one user that are being armed and proven at a time, 1 to 1024; others wait.
    pub proving_per_uid: u32,
    /// Frame memory of all sessions together, MiB.
    pub frame_memory_mb: u64,
    /// Connections on the control socket at a time, 1 to 4096.
    pub http_connections: usize,
    /// Longest head of a request on the control socket, octets.
    pub http_head_bytes: usize,
    /// Longest body of a request on the control socket, octets.
    pub http_body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 256,
            connections: 1024,
            proving_per_uid: 16,
            frame_memory_mb: 4096,
            http_connections: 128,
            http_head_bytes: 8 * 1024,
            http_body_bytes: 64 * 1024,
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        within("limits.sessions", self.sessions, 1..=1024)?;
        within("limits.connections", self.connections, 1..=65_536)?;
        within("limits.proving_per_uid", self.proving_per_uid, 1..=1024)?;
        within("limits.frame_memory_mb", self.frame_memory_mb, 1..=1 << 24)?;
        within("limits.http_connections", self.http_connections, 1..=4096)?;
        within(
            "limits.http_head_bytes",
            self.http_head_bytes,
            1024..=64 * 1024,
        )?;
        within(
            "limits.http_body_bytes",
            self.http_body_bytes,
            1024..=16 << 20,
        )
    }
}
