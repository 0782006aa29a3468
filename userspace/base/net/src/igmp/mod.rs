//! Membership in multicast groups (IGMP, and MLD for IPv6): queries of routers and switches, and a host's
//! reports.
//!
//! [`Query`] is what a host receives, [`MembershipReport`] what it sends, [`Host`] decides which and when
//! (RFC 3376; RFC 2236 and RFC 1112 towards older queriers; RFC 3810 and RFC 2710 for IPv6). Sockets,
//! ports and clocks do not belong here: times are passed in.

mod host;
mod mld;
mod query;
mod report;

pub use host::{Host, Querier};
pub use mld::MLDV2_ROUTERS;
pub use query::{IgmpReject, Query, Version};
pub use report::{MembershipReport, is_igmp};

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// All hosts on the link: destination of general queries.
pub const ALL_SYSTEMS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
/// All routers on the link: destination of IGMPv2's leave message.
const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
/// All routers that support IGMPv3: destination of its reports.
pub const IGMPV3_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 22);

/// Lowest scope of a group that routers forward: the two below it stay on a host and on a link
/// (RFC 4291 §2.7).
const LEAST_SCOPE: u8 = 3;

/// Whether a session can join `group`: not 224.0.0.0/24, which routers never forward (RFC 5771 §4), nor
/// one of IPv6 with the scope of an interface or a link.
#[must_use]
pub const fn is_joinable(group: IpAddr) -> bool {
    match group {
        IpAddr::V4(group) => {
            let [a, b, c, _] = group.octets();
            group.is_multicast() && !(a == 224 && b == 0 && c == 0)
        }
        IpAddr::V6(group) => group.is_multicast() && group.octets()[1] & 0x0f >= LEAST_SCOPE,
    }
}

/// Whether `group` belongs to the source-specific range 232.0.0.0/8 or ff3x::/32 (RFC 4607 §1), in which
/// a receiver names its sources.
#[must_use]
pub const fn is_source_specific(group: IpAddr) -> bool {
    match group {
        IpAddr::V4(group) => group.octets()[0] == 232,
        IpAddr::V6(group) => {
            let [first, second, ..] = group.segments();
            first & 0xfff0 == 0xff30 && second == 0
        }
    }
}

/// The protocol that speaks of groups of this family, as people write it: `IGMPv3`, `MLDv2`.
#[must_use]
pub const fn protocol_of(group: IpAddr, version: Version) -> &'static str {
    match (group, version) {
        (IpAddr::V4(_), Version::V1) => "IGMPv1",
        (IpAddr::V4(_), Version::V2) => "IGMPv2",
        (IpAddr::V4(_), Version::V3) => "IGMPv3",
        (IpAddr::V6(_), Version::V1 | Version::V2) => "MLDv1",
        (IpAddr::V6(_), Version::V3) => "MLDv2",
    }
}

/// All nodes on the link, of IPv6.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The sources that a host wants of one group (RFC 3376 §3, RFC 3810 §4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// These: mode INCLUDE. None of them means that the host is no member.
    Include(BTreeSet<IpAddr>),
    /// Any source: mode EXCLUDE without sources.
    Any,
}

impl Filter {
    /// The filter of a host that is no member.
    pub const NONE: Self = Self::Include(BTreeSet::new());

    /// The filter that lets through the packets of both (RFC 3376 §3.2).
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Include(mut sources), Self::Include(more)) => {
                sources.extend(more);
                Self::Include(sources)
            }
            _ => Self::Any,
        }
    }

    /// Whether a host with this filter is a member.
    #[must_use]
    pub fn is_member(&self) -> bool {
        *self != Self::NONE
    }
}
