//! Health of the pollers.

use serde::{Deserialize, Serialize};

use super::PortHealth;

/// Ports and pollers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Dataplane {
    /// Driver behind the ports, `mixed` when they differ, `none` without ports.
    #[cfg_attr(feature = "openapi", schema(examples("af_xdp")))]
    pub backend: String,
    /// Version of DPDK.
    pub dpdk: String,
    /// Hugepages are in use.
    pub hugepages: bool,
    /// Ports, in the order of the configuration.
    pub ports: Vec<PortHealth>,
    /// Polling threads, in the order of the configuration.
    pub pollers: Vec<PollerHealth>,
}

/// A polling thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PollerHealth {
    /// Its name in the configuration.
    pub name: String,
    /// CPU that it is pinned to.
    pub core: u32,
    /// Behaviour without packets: `adaptive` or `busy`.
    pub idle: String,
    /// It answered the last command in time.
    pub alive: bool,
    /// Sessions that it serves now.
    pub sessions: u64,
}
