//! Why a session's frames do not flow as they should, or are dropped.

use serde::{Deserialize, Serialize};

use crate::text::texts;

/// A problem of a session's traffic, while it lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionProblem {
    /// Its kind.
    pub problem: SessionProblemKind,
    /// One sentence for people: what is wrong, and what to do.
    pub detail: String,
    /// For `two_sources`: the synchronisation source that the session follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssrc: Option<u32>,
    /// For `two_sources`: the other one, whose packets the session drops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_ssrc: Option<u32>,
}

/// Kind of a [`SessionProblem`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionProblemKind {
    /// The port's link is down: nothing is received or sent.
    LinkDown,
    /// Send: the receiver, or the gateway towards it, answers no ARP request, so nothing is sent; to
    /// one that answered before, only for a time.
    PeerUnresolved,
    /// Send: the destination is the broadcast address of the port's network, which no ARP request
    /// resolves, so nothing is sent.
    PeerBroadcast,
    /// Receive: two synchronisation sources send into the flow. The session follows the first.
    TwoSources,
    /// Receive: another sender than before.
    SenderChanged,
    /// Receive: another raster, rate, packing or payload type arrives than the session has.
    WrongFormat,
    /// Receive: no packet arrives. Send: no frame is sent. Local: the filler submits no frame.
    NoSignal,
    /// Receive: whole frames are missing, or packets are lost or late. Send: frame times pass without a frame.
    Impaired,
    /// Receive: the RTP timestamps stand, jump, have another rate, drift against this host's clock, or do not follow TAI.
    Timestamps,
    /// Receive: the multicast group is not joined.
    GroupNotJoined,
    /// Receive: the querier of the group's link asks no more, so switches may stop forwarding the group.
    QuerierGone,
    /// Of two legs one brings or sends nothing, or its packets are refused, lost, late or of another stream. The other
    /// carries the session.
    LegFault,
    /// Converted: its source does not run, so no frames come.
    SourceStopped,
    /// Converted: it has no source, so no frames come.
    SourceGone,
    /// Local: no client fills it, so no frames come.
    NoFiller,
    /// Receive: a client has used its quota, so its frames are dropped.
    SlowClient,
    /// Receive: the process of a client is stopped (SIGSTOP, a debugger), so its frames are dropped.
    ClientStopped,
    /// The session's poller makes no turn: nothing is received or sent.
    PollerStalled,
    /// A destroy waits for users that do not leave.
    DrainBlocked,
    /// A running recording of the session does not keep all packets.
    RecordingLoses,
}

texts! {
    SessionProblemKind:
    LinkDown "link_down", PeerUnresolved "peer_unresolved", PeerBroadcast "peer_broadcast",
    TwoSources "two_sources", SenderChanged "sender_changed", WrongFormat "wrong_format",
    NoSignal "no_signal", Impaired "impaired", Timestamps "timestamps", GroupNotJoined "group_not_joined", QuerierGone "querier_gone",
    LegFault "leg_fault", SourceStopped "source_stopped", SourceGone "source_gone", NoFiller "no_filler", SlowClient "slow_client",
    ClientStopped "client_stopped", DrainBlocked "drain_blocked", PollerStalled "poller_stalled",
    RecordingLoses "recording_loses"
}

impl SessionProblemKind {
    /// Every kind.
    pub const ALL: [Self; 20] = [
        Self::LinkDown,
        Self::PeerUnresolved,
        Self::PeerBroadcast,
        Self::TwoSources,
        Self::SenderChanged,
        Self::WrongFormat,
        Self::NoSignal,
        Self::Impaired,
        Self::Timestamps,
        Self::GroupNotJoined,
        Self::QuerierGone,
        Self::LegFault,
        Self::SourceStopped,
        Self::SourceGone,
        Self::NoFiller,
        Self::SlowClient,
        Self::ClientStopped,
        Self::PollerStalled,
        Self::DrainBlocked,
        Self::RecordingLoses,
    ];
}

/// Receiver of a send session, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PeerState {
    /// Its hardware address is known.
    Resolved,
    /// It leaves ARP requests unanswered: nothing is sent, or to its last hardware address for a time.
    Unresolved,
    /// A multicast group: no hardware address is needed.
    Multicast,
    /// The broadcast address of the port's network: nothing is sent.
    Broadcast,
}

texts! {
    PeerState:
    Resolved "resolved", Unresolved "unresolved", Multicast "multicast", Broadcast "broadcast"
}
