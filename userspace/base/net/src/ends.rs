//! Both ends of a datagram.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Addresses and ports of a datagram, as its headers have them: made and compared with a few instructions, where a
/// [`SocketAddr`] takes many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends(Family);

/// The source is in the upper half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Ipv4 { addresses: u64, ports: u32 },
    Ipv6 { addresses: [u128; 2], ports: u32 },
}

impl Ends {
    /// As a socket has them. Both are of one family, or the one of IPv4 is mapped.
    #[must_use]
    pub fn new(source: SocketAddr, destination: SocketAddr) -> Self {
        let [from, to] = [source, destination].map(|it| it.port());
        let ports = u32::from(from) << 16 | u32::from(to);
        let mapped = |ip| match ip {
            IpAddr::V4(ip) => Ipv4Addr::to_ipv6_mapped(&ip).to_bits(),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        Self(match (source.ip(), destination.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => Family::Ipv4 {
                addresses: u64::from(from.to_bits()) << 32 | u64::from(to.to_bits()),
                ports,
            },
            (from, to) => Family::Ipv6 {
                addresses: [mapped(from), mapped(to)],
                ports,
            },
        })
    }

    /// From the end of an IPv4 header without options and the beginning of the UDP header: both addresses, both
    /// ports.
    #[inline]
    #[must_use]
    pub(crate) fn of_ipv4(bytes: &[u8; 12]) -> Self {
        let [a, b, c, d, e, f, g, h, ports @ ..] = *bytes;
        Self(Family::Ipv4 {
            addresses: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            ports: u32::from_be_bytes(ports),
        })
    }

    /// Address and port of the sender.
    #[inline]
    #[must_use]
    pub fn source(self) -> SocketAddr {
        match self.0 {
            Family::Ipv4 { addresses, ports } => ipv4(addresses >> 32, ports >> 16),
            Family::Ipv6 { addresses, ports } => ipv6(addresses[0], ports >> 16),
        }
    }

    /// Destination address and port.
    #[inline]
    #[must_use]
    pub fn destination(self) -> SocketAddr {
        match self.0 {
            Family::Ipv4 { addresses, ports } => ipv4(addresses, ports),
            Family::Ipv6 { addresses, ports } => ipv6(addresses[1], ports),
        }
    }
}

/// Of the lower 32 and 16 bits.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn ipv4(address: u64, port: u32) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::from_bits(address as u32).into(), port as u16)
}

/// Of the lower 16 bits of the ports.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn ipv6(address: u128, port: u32) -> SocketAddr {
    SocketAddr::new(Ipv6Addr::from_bits(address).into(), port as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_any_family_then_those_of_the_sockets() {
        for [source, destination] in [
            ["10.1.2.3:5000", "239.255.0.254:65535"],
            ["255.255.255.255:65535", "0.0.0.0:0"],
            ["[fd00::1]:5000", "[ff3e::8000:1]:5004"],
            ["[::ffff:10.1.2.3]:1", "[fd00::1]:2"],
        ] {
            let [source, destination] = [source, destination].map(|it| it.parse().unwrap());
            let ends = Ends::new(source, destination);
            assert_eq!((ends.source(), ends.destination()), (source, destination));
            assert_eq!(ends, Ends::new(source, destination));
            for other in [Ends::new(destination, source), Ends::new(source, source)] {
                assert_ne!(ends, other);
            }
        }
        let mixed = Ends::new(
            "10.1.2.3:1".parse().unwrap(),
            "[fd00::1]:2".parse().unwrap(),
        );
        assert_eq!(mixed.source().to_string(), "[::ffff:10.1.2.3]:1");
    }
}
