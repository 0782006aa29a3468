//! Flows that arrive at the ports and belong to no session.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

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
