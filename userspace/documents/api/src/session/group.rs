//! Membership of a receive session in a multicast group.

use serde::{Deserialize, Serialize};

use crate::text::texts;

/// A multicast group, as the session's port has joined it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupMembership {
    /// The group.
    #[cfg_attr(feature = "openapi", schema(examples("239.1.2.3")))]
    pub group: String,
    /// The sources that the port asks the network for, of all its sessions of the group together;
    /// empty for any source. The session itself accepts only those of `flow`.
    pub sources: Vec<String>,
    /// Sessions of the port that receive from the group. It is joined once for all, and left with the
    /// last.
    pub sessions: u32,
    /// Who joined it.
    pub joined_by: JoinedBy,
    /// It is joined.
    pub joined: bool,
    /// Why it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The version of IGMP, or of MLD for IPv6, in force, that of the oldest present querier, if the port speaks it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub igmp_version: Option<u32>,
    /// The querier of the link; absent if none has asked since the daemon started. Without one,
    /// switches may stop forwarding the group after some minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub querier: Option<Querier>,
}

/// A querier of IGMP: a router or a switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Querier {
    /// Its address; `0.0.0.0` if it has none.
    #[cfg_attr(feature = "openapi", schema(examples("10.77.0.254")))]
    pub address: String,
    /// Version of its last query: 1, 2 or 3.
    pub version: u32,
    /// Time since its last query, in milliseconds.
    pub age_ms: u64,
    /// It has not asked for longer than its interval allows: it is gone.
    #[serde(default)]
    pub is_gone: bool,
}

/// Who joined a multicast group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum JoinedBy {
    /// A socket of the kernel, on a port whose packets the kernel receives, too.
    Kernel,
    /// The port itself, with IGMP.
    Igmp,
}

texts! { JoinedBy: Kernel "kernel", Igmp "igmp" }
