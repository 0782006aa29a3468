//! The two legs of a receive session (ST 2022-7), as the API shows them.

use serde::{Deserialize, Serialize};

use super::GroupMembership;

/// Both legs of a receive session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Legs {
    /// The leg of the session's own port.
    pub first: LegState,
    /// The second leg.
    pub second: LegState,
    /// Packets that came on neither leg, so far.
    pub packets_lost: u64,
    /// Packets that one leg lost and the other brought.
    pub packets_recovered: u64,
    /// Packets that waited for an earlier one.
    pub packets_held: u64,
    /// Times that the stream began anew on both legs.
    pub restarts: u64,
    /// How much later the second leg brought the last packet, in nanoseconds; negative: earlier. Absent if none came on
    /// both legs in the last 3 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew_ns: Option<i64>,
    /// 99 of 100 packets of the last second came on both legs within this time, in nanoseconds. Absent as the former.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew_p99_ns: Option<u64>,
    /// The longest such time of the last second, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew_max_ns: Option<u64>,
}

/// One leg.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LegState {
    /// Name of its port.
    pub port: String,
    /// The link of its port is up. Absent while the port has no device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_up: Option<bool>,
    /// Its multicast group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupMembership>,
    /// The synchronisation source of the last packet of another stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_ssrc: Option<u32>,
    /// RTP packets received.
    pub packets: u64,
    /// Packets that came before their copy on the other leg.
    pub packets_used: u64,
    /// Packets of which a copy had come.
    pub packets_duplicate: u64,
    /// Packets that came when the stream no longer waited for them.
    pub packets_late: u64,
    /// Packets of another stream, by SSRC, sequence number or timestamp. Never used.
    pub packets_other_stream: u64,
    /// Packets of a stream that was followed soon after: its sender restarted, or the leg began. Not used.
    #[serde(default)]
    pub packets_before_restart: u64,
    /// Packets larger than either port's MTU: they cannot wait for earlier ones (also counted elsewhere).
    #[serde(default)]
    pub packets_oversized: u64,
    /// Packets that are not RTP, or of another payload type.
    pub packets_malformed: u64,
    /// Packets after one of the leg with a higher sequence number.
    pub packets_reordered: u64,
    /// Packets that did not come on this leg, so far.
    pub packets_lost: u64,
    /// Changes of the synchronisation source from packet to packet.
    pub ssrc_changes: u64,
}
