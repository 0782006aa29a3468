//! A UDP datagram with all the headers above and below it, in one go.

use std::net::SocketAddrV4;

use crate::ethernet::{self, ETHERTYPE_IPV4, EthernetHeader, Mac};
use crate::ipv4::{self, Ipv4Header, Ipv4Reject, PROTOCOL_UDP};
use crate::udp::{self, UdpHeader, UdpReject};

/// Octets of Ethernet, IPv4 and UDP headers together.
pub const HEADER_OCTETS: usize = ethernet::HEADER_OCTETS + ipv4::HEADER_OCTETS + udp::HEADER_OCTETS;

/// Time to live of what we send.
pub const TTL: u8 = 64;

const IPV4_AT: usize = ethernet::HEADER_OCTETS;
const UDP_AT: usize = IPV4_AT + ipv4::HEADER_OCTETS;

/// Why the payload of an Ethernet frame of type IPv4 is no UDP datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DatagramReject {
    /// Its IPv4 header.
    #[error(transparent)]
    Ipv4(#[from] Ipv4Reject),
    /// Its UDP header.
    #[error(transparent)]
    Udp(#[from] UdpReject),
    /// It carries another protocol.
    #[error("IP protocol {0} is not UDP (17)")]
    Protocol(u8),
}

/// A datagram that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub source: SocketAddrV4,
    /// Whom it is for.
    pub destination: SocketAddrV4,
    /// What it carries.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Reads an IPv4 packet.
    ///
    /// # Errors
    /// [`DatagramReject`], the first reason that applies.
    pub fn parse(packet: &'a [u8]) -> Result<Self, DatagramReject> {
        let (ip, rest) = Ipv4Header::parse(packet)?;
        if ip.protocol != PROTOCOL_UDP {
            return Err(DatagramReject::Protocol(ip.protocol));
        }
        let (udp, payload) = UdpHeader::parse(rest)?;
        Ok(Self {
            source: SocketAddrV4::new(ip.source, udp.source),
            destination: SocketAddrV4::new(ip.destination, udp.destination),
            payload,
        })
    }
}

/// What the headers of a flow's datagrams have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowHeader {
    /// MAC address of the port that sends.
    pub source_mac: Mac,
    /// MAC address of the next hop, or of the group.
    pub destination_mac: Mac,
    /// Who sends.
    pub source: SocketAddrV4,
    /// Whom it is for.
    pub destination: SocketAddrV4,
}

impl FlowHeader {
    /// The headers in front of `payload_octets` octets of payload. `identification` should differ
    /// from datagram to datagram (RFC 791 §3.2).
    #[must_use]
    pub fn to_octets(&self, identification: u16, payload_octets: usize) -> [u8; HEADER_OCTETS] {
        let ethernet = EthernetHeader {
            destination: self.destination_mac,
            source: self.source_mac,
            ethertype: ETHERTYPE_IPV4,
        };
        let ip = Ipv4Header {
            source: *self.source.ip(),
            destination: *self.destination.ip(),
            protocol: PROTOCOL_UDP,
            ttl: TTL,
        };
        let udp = UdpHeader {
            source: self.source.port(),
            destination: self.destination.port(),
        };
        let mut octets = [0; HEADER_OCTETS];
        octets[..IPV4_AT].copy_from_slice(&ethernet.to_octets());
        octets[IPV4_AT..UDP_AT]
            .copy_from_slice(&ip.to_octets(identification, udp::HEADER_OCTETS + payload_octets));
        octets[UDP_AT..].copy_from_slice(&udp.to_octets(payload_octets));
        octets
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use proptest::prelude::*;

    fn flow() -> FlowHeader {
        FlowHeader {
            source_mac: Mac([2, 0, 0, 0, 0, 1]),
            destination_mac: Mac([2, 0, 0, 0, 0, 2]),
            source: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 5000),
            destination: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 5004),
        }
    }

    #[test]
    fn flow__written__then_parses_to_the_same_ends() {
        let mut frame = flow().to_octets(1, 3).to_vec();
        frame.extend([1, 2, 3]);
        let (ethernet, packet) = EthernetHeader::parse(&frame).unwrap();
        assert_eq!(
            (ethernet.destination, ethernet.ethertype),
            (flow().destination_mac, ETHERTYPE_IPV4)
        );
        let datagram = Datagram::parse(packet).unwrap();
        assert_eq!(
            (datagram.source, datagram.destination),
            (flow().source, flow().destination)
        );
        assert_eq!(datagram.payload, [1, 2, 3]);
    }

    proptest! {
        #[test]
        fn datagram__any_bytes__then_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = Datagram::parse(&bytes);
            let _ = crate::arp::ArpMessage::parse(&bytes);
            let _ = crate::icmp::echo_reply(&bytes, &mut [0; 100]);
        }

        #[test]
        fn datagram__one_octet_changed_and_cut__then_payload_never_exceeds_what_came(
            at in 0usize..60, value: u8, cut in 0usize..=60,
        ) {
            let mut packet = flow().to_octets(1, 32)[IPV4_AT..].to_vec();
            packet.extend([0x55; 32]);
            packet[at % 60] = value;
            if let Ok(datagram) = Datagram::parse(&packet[..cut]) {
                prop_assert!(datagram.payload.len() + 28 <= cut);
            }
        }
    }
}
