//! Health of the pollers.

use serde::{Deserialize, Serialize};

use super::PortHealth;
use crate::text::texts;
use crate::time::Timestamp;

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
    /// It works: it has not died, and makes turns.
    pub alive: bool,
    /// Whether it works.
    #[serde(default)]
    pub state: PollerState,
    /// Since when it does not work; absent while it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Turns of its loop so far.
    #[serde(default)]
    pub turns: u64,
    /// Sessions that it serves now.
    pub sessions: u64,
}

/// Whether a poller works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PollerState {
    /// It makes turns.
    #[default]
    Works,
    /// It makes no turn: its sessions neither receive nor send, and cannot be destroyed.
    Stalled,
    /// It panicked: its sessions are stopped.
    Died,
}

texts! { PollerState: Works "works", Stalled "stalled", Died "died" }

/// Answer of `GET /v1/pollers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PollerList {
    /// In the order of the configuration.
    pub pollers: Vec<PollerHealth>,
}

/// Packets of one destination and payload type that no running session receives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ArrivingFlow {
    /// The port.
    pub port: String,
    /// Destination address and UDP port.
    #[cfg_attr(feature = "openapi", schema(examples("239.10.20.1:5004")))]
    pub destination: String,
    /// RTP payload type; absent if the packets are not RTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_type: Option<u8>,
    /// When the first came; after a pause of 10 s or longer, the first after it.
    pub first_seen: Timestamp,
    /// When the last came.
    pub last_seen: Timestamp,
    /// Packets from the first to the last.
    pub packets: u64,
}

/// Flows that arrive and belong to no session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ArrivingList {
    /// Of each port the busiest flows first: at most 64 a poller.
    pub arriving: Vec<ArrivingFlow>,
}
