//! The addresses of a port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Address, prefix length and router of a port, of either family or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PortAddresses {
    /// IPv4 address and prefix length, 0 to 32.
    pub ipv4: Option<(Ipv4Addr, u8)>,
    /// Where packets to other networks of IPv4 go: a router in the port's network.
    pub gateway: Option<Ipv4Addr>,
    /// IPv6 address and prefix length, 0 to 128.
    pub ipv6: Option<(Ipv6Addr, u8)>,
    /// The router for other networks of IPv6.
    pub ipv6_gateway: Option<Ipv6Addr>,
}

impl PortAddresses {
    /// An IPv4 address and its prefix length alone.
    #[must_use]
    pub const fn of_ipv4(address: Ipv4Addr, prefix: u8) -> Self {
        Self {
            ipv4: Some((address, prefix)),
            gateway: None,
            ipv6: None,
            ipv6_gateway: None,
        }
    }

    /// The port's addresses.
    pub(crate) fn own(&self) -> impl Iterator<Item = IpAddr> {
        let ipv6 = self.ipv6.map(|it| it.0.into());
        self.ipv4.map(|it| it.0.into()).into_iter().chain(ipv6)
    }

    /// The port's address of the family of `other`, if it has one.
    #[must_use]
    pub fn beside(&self, other: IpAddr) -> Option<IpAddr> {
        match other {
            IpAddr::V4(_) => self.ipv4.map(|it| it.0.into()),
            IpAddr::V6(_) => self.ipv6.map(|it| it.0.into()),
        }
    }

    /// Whether `address` is the port's own.
    #[must_use]
    pub fn is_own(&self, address: IpAddr) -> bool {
        self.beside(address) == Some(address)
    }

    /// The prefix length beside `other`.
    #[must_use]
    pub fn prefix_beside(&self, other: IpAddr) -> Option<u8> {
        match other {
            IpAddr::V4(_) => self.ipv4.map(|it| it.1),
            IpAddr::V6(_) => self.ipv6.map(|it| it.1),
        }
    }

    /// A prefix length that is out of range.
    #[must_use]
    pub fn wrong_prefix(&self) -> Option<u8> {
        let ipv4 = self.ipv4.map(|it| it.1).filter(|it| *it > 32);
        ipv4.or(self.ipv6.map(|it| it.1).filter(|it| *it > 128))
    }

    /// The neighbour that gets unicast packets to `address`: itself, or the gateway. `None` if it is in
    /// another network and there is no gateway, or the port has no address of its family.
    #[must_use]
    pub fn next_hop(&self, address: IpAddr) -> Option<IpAddr> {
        self.beside(address)?;
        if address.is_multicast() || self.is_on_link(address) {
            return Some(address);
        }
        match address {
            IpAddr::V4(_) => self.gateway.map(IpAddr::V4),
            IpAddr::V6(_) => self.ipv6_gateway.map(IpAddr::V6),
        }
    }

    /// Whether `address` is the broadcast address of the port's network, or the limited one.
    #[must_use]
    pub fn is_broadcast(&self, address: IpAddr) -> bool {
        let IpAddr::V4(to) = address else {
            return false;
        };
        let prefix = self.ipv4.map_or(32, |it| it.1);
        let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
        let has_broadcast = prefix < 31 && self.is_on_link(address);
        to.is_broadcast() || (has_broadcast && to.to_bits() & host == host)
    }

    /// Whether `address` is in the port's own network, so that the port can ask for it. A link-local
    /// address of IPv6 always is.
    #[must_use]
    pub fn is_on_link(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.ipv4.is_some_and(|(own, prefix)| {
                let other = own.to_bits() ^ address.to_bits();
                other.leading_zeros() >= prefix.min(32).into()
            }),
            IpAddr::V6(address) => self.ipv6.is_some_and(|(own, prefix)| {
                let other = own.to_bits() ^ address.to_bits();
                let is_near = other.leading_zeros() >= prefix.min(128).into();
                is_near || address.is_unicast_link_local()
            }),
        }
    }
}

/// One membership: a group on a port, for one source or for any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelMembership {
    /// The port's name.
    pub port: String,
    /// The group.
    pub group: IpAddr,
    /// The source; `None` for any.
    pub source: Option<IpAddr>,
}

/// Whether the kernel joined, or why not.
pub type Joined = Result<(), NotJoined>;

/// Why the kernel did not join a group.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotJoined {
    /// It refused.
    #[error(transparent)]
    Refused(Arc<onair_dpdk::Error>),
    /// No thread can be started.
    #[error("no thread to join it: {0}")]
    NoThread(Arc<std::io::Error>),
    /// The thread panicked.
    #[error("the thread that joins groups has ended")]
    NoMoreThread,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(prefix: u8) -> PortAddresses {
        PortAddresses::of_ipv4(Ipv4Addr::new(10, 1, 2, 3), prefix)
    }

    fn ipv6() -> PortAddresses {
        PortAddresses {
            ipv6: Some(("fd01::1".parse().unwrap(), 64)),
            ..PortAddresses::default()
        }
    }

    #[test]
    fn port_address_of_all_then_broadcast() {
        let address = |last| IpAddr::from([10, 1, 2, last]);
        assert!(port(24).is_broadcast(address(255)) && !port(24).is_broadcast(address(3)));
        assert!(!port(31).is_broadcast(address(3)) && !port(32).is_broadcast(address(255)));
        assert!(port(24).is_broadcast(Ipv4Addr::BROADCAST.into()));
        assert!(!port(24).is_broadcast(IpAddr::from([10, 9, 9, 255])));
        assert!(!ipv6().is_broadcast("fd01::ffff".parse().unwrap()));
    }

    #[test]
    fn next_hop_is_the_neighbour_itself_or_the_gateway() {
        let near = IpAddr::from([10, 1, 2, 200]);
        let far = IpAddr::from([10, 1, 3, 3]);
        let gateway = Ipv4Addr::new(10, 1, 2, 254);
        let routed = PortAddresses {
            gateway: Some(gateway),
            ..port(24)
        };
        let group = IpAddr::from([239, 1, 2, 3]);
        for port in [&port(24), &routed] {
            assert_eq!(port.next_hop(near), Some(near));
            assert_eq!(port.next_hop(group), Some(group));
        }
        let hops = (port(24).next_hop(far), routed.next_hop(far));
        assert_eq!(hops, (None, Some(gateway.into())));
    }

    #[test]
    fn next_hop_of_ipv6_needs_an_address_of_that_family() {
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        let gateway = "fd01::ff".parse().unwrap();
        let routed = PortAddresses {
            ipv6_gateway: Some(gateway),
            ..ipv6()
        };
        for (to, expected) in [
            ("fd01::2", Some(parse("fd01::2"))),
            ("fe80::2", Some(parse("fe80::2"))),
            ("ff3e::1", Some(parse("ff3e::1"))),
            ("fd02::2", Some(gateway.into())),
            ("10.1.2.3", None),
        ] {
            assert_eq!(routed.next_hop(parse(to)), expected, "{to}");
        }
        assert_eq!(ipv6().next_hop(parse("fd02::2")), None);
        assert_eq!(port(24).next_hop(parse("fd01::2")), None);
        assert!(ipv6().is_own(parse("fd01::1")) && !ipv6().is_own(parse("fd01::2")));
    }

    #[test]
    fn port_address_on_link_then_by_prefix() {
        let near = IpAddr::from([10, 1, 2, 200]);
        let far = IpAddr::from([10, 1, 3, 3]);
        assert!(port(24).is_on_link(near) && !port(24).is_on_link(far));
        assert!(port(0).is_on_link(IpAddr::from([192, 0, 2, 1])));
        assert!(!port(32).is_on_link(near) && port(32).is_on_link(IpAddr::from([10, 1, 2, 3])));
    }
}
