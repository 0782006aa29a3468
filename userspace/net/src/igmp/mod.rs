//! Membership in multicast groups (IGMP): queries of routers and switches, and a host's reports.
//!
//! [`Query`] is what a host receives, [`MembershipReport`] what it sends, [`Host`] decides which and when
//! (RFC 3376; RFC 2236 and RFC 1112 towards older queriers). Sockets, ports and clocks do not belong
//! here: times are passed in.

mod filter;
mod host;
mod query;
mod report;

pub use filter::Filter;
pub use host::{Host, Querier};
pub use query::{IgmpReject, Query, Version};
pub use report::{MembershipReport, is_igmp};

use std::net::Ipv4Addr;

/// All hosts on the link: destination of general queries.
pub const ALL_SYSTEMS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
/// All routers on the link: destination of IGMPv2's leave message.
const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
/// All routers that support IGMPv3: destination of its reports.
pub const IGMPV3_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 22);

/// Whether a session can join `group`: not 224.0.0.0/24, which routers never forward (RFC 5771 §4).
#[must_use]
pub const fn is_joinable(group: Ipv4Addr) -> bool {
    let [a, b, c, _] = group.octets();
    group.is_multicast() && !(a == 224 && b == 0 && c == 0)
}

/// Whether `group` belongs to the source-specific range 232.0.0.0/8 (RFC 4607 §1), in which a
/// receiver names its sources.
#[must_use]
pub const fn is_source_specific(group: Ipv4Addr) -> bool {
    group.octets()[0] == 232
}
