//! A UDP datagram with all its headers, in one step.

use std::net::SocketAddrV4;

use crate::ethernet::{self, ETHERTYPE_IPV4, EthernetHeader, Mac};
use crate::ipv4::{self, Ipv4Header, Ipv4Reject, PROTOCOL_UDP};
use crate::udp::{self, UdpHeader, UdpReject};

/// Bytes of the Ethernet, IPv4 and UDP headers together.
pub const HEADER_BYTES: usize = ethernet::HEADER_BYTES + ipv4::HEADER_BYTES + udp::HEADER_BYTES;

/// Time to live of sent packets, if nothing else is said.
pub const TTL: u8 = 64;
/// Differentiated services code point of sent media, if nothing else is said: AF41 (AES67).
pub const DSCP: u8 = 34;

const ETHERTYPE_AT: usize = 12;
const IPV4_AT: usize = ethernet::HEADER_BYTES;
const UDP_AT: usize = IPV4_AT + ipv4::HEADER_BYTES;

/// Why the payload of an Ethernet frame of type IPv4 is not a UDP datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DatagramReject {
    /// Invalid IPv4 header.
    #[error(transparent)]
    Ipv4(#[from] Ipv4Reject),
    /// Invalid UDP header.
    #[error(transparent)]
    Udp(#[from] UdpReject),
    /// Another protocol than UDP.
    #[error("IP protocol {0} is not UDP (17)")]
    Protocol(u8),
}

/// A received datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Address and port of the sender.
    pub source: SocketAddrV4,
    /// Destination address and port.
    pub destination: SocketAddrV4,
    /// UDP payload.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Fast path: parses an Ethernet frame with a complete, valid UDP datagram over IPv4. `None`
    /// for any other frame; [`Self::parse`] returns the reason.
    #[inline]
    #[must_use]
    pub fn of_frame(frame: &'a [u8]) -> Option<Self> {
        let head: &[u8; HEADER_BYTES] = frame.first_chunk()?;
        let number = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let end = |address_at: usize, port_at: usize| {
            let [a, b, c, d] = [0, 1, 2, 3].map(|more| head[address_at + more]);
            SocketAddrV4::new([a, b, c, d].into(), number(port_at))
        };
        let ip: &[u8; ipv4::HEADER_BYTES] = head[IPV4_AT..UDP_AT].first_chunk()?;
        let ip_bytes = usize::from(number(IPV4_AT + 2));
        let udp_bytes = usize::from(number(UDP_AT + 4));
        let is_plain = number(ETHERTYPE_AT) == ETHERTYPE_IPV4
            && ipv4::is_plain(ip)
            && ip[9] == PROTOCOL_UDP
            && IPV4_AT + ip_bytes <= frame.len()
            && udp::HEADER_BYTES <= udp_bytes
            && ipv4::HEADER_BYTES + udp_bytes <= ip_bytes;
        if !is_plain {
            return None;
        }
        Some(Self {
            source: end(IPV4_AT + 12, UDP_AT),
            destination: end(IPV4_AT + 16, UDP_AT + 2),
            payload: frame.get(HEADER_BYTES..UDP_AT + udp_bytes)?,
        })
    }

    /// Parses an IPv4 packet.
    ///
    /// # Errors
    /// [`DatagramReject`]: the first reason that applies.
    #[inline]
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

/// Common header fields of a flow's datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowHeader {
    /// MAC address of the sending port.
    pub source_mac: Mac,
    /// MAC address of the next hop, or of the group.
    pub destination_mac: Mac,
    /// Source address and port.
    pub source: SocketAddrV4,
    /// Destination address and port.
    pub destination: SocketAddrV4,
    /// Time to live.
    pub ttl: u8,
    /// Differentiated services code point: 0 to 63.
    pub dscp: u8,
}

impl FlowHeader {
    /// Headers for `payload_bytes` bytes of payload. `identification` should differ between
    /// datagrams (RFC 791 §3.2).
    #[must_use]
    pub fn to_bytes(&self, identification: u16, payload_bytes: usize) -> [u8; HEADER_BYTES] {
        let ethernet = EthernetHeader {
            destination: self.destination_mac,
            source: self.source_mac,
            ethertype: ETHERTYPE_IPV4,
        };
        let ip = Ipv4Header {
            source: *self.source.ip(),
            destination: *self.destination.ip(),
            protocol: PROTOCOL_UDP,
            ttl: self.ttl,
            dscp: self.dscp,
        };
        let udp = UdpHeader {
            source: self.source.port(),
            destination: self.destination.port(),
        };
        let mut bytes = [0; HEADER_BYTES];
        bytes[..IPV4_AT].copy_from_slice(&ethernet.to_bytes());
        bytes[IPV4_AT..UDP_AT]
            .copy_from_slice(&ip.to_bytes(identification, udp::HEADER_BYTES + payload_bytes));
        bytes[UDP_AT..].copy_from_slice(&udp.to_bytes(payload_bytes));
        bytes
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
            ttl: TTL,
            dscp: DSCP,
        }
    }

    #[test]
    fn flow_written_then_parses_to_the_same_ends() {
        let mut frame = flow().to_bytes(1, 3).to_vec();
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
        assert_eq!(Datagram::of_frame(&frame), Some(datagram));
    }

    /// The result of the parsers of each layer, one after the other.
    fn layer_by_layer(frame: &[u8]) -> Option<Datagram<'_>> {
        let (ethernet, packet) = EthernetHeader::parse(frame).ok()?;
        (ethernet.ethertype == ETHERTYPE_IPV4)
            .then(|| Datagram::parse(packet).ok())
            .flatten()
    }

    #[test]
    fn of_frame_each_header_byte_at_each_value_then_as_the_layers() {
        let mut plain = flow().to_bytes(1, 32).to_vec();
        plain.extend([0x55; 32]);
        let lengths = [0, 13, 14, 33, 34, 41, 42, 43, 73, 74, 75, 94];
        for (at, value) in (0..HEADER_BYTES).flat_map(|at| (0..=u8::MAX).map(move |it| (at, it))) {
            for (bytes, mended) in lengths.iter().flat_map(|it| [(*it, false), (*it, true)]) {
                let mut frame = plain.clone();
                frame[at] = value;
                if mended {
                    frame[IPV4_AT + 10..IPV4_AT + 12].fill(0);
                    let sum = ipv4::checksum(&frame[IPV4_AT..UDP_AT]);
                    frame[IPV4_AT + 10..IPV4_AT + 12].copy_from_slice(&sum.to_be_bytes());
                }
                frame.resize(bytes, 0);
                let found = Datagram::of_frame(&frame);
                assert_eq!(
                    found,
                    layer_by_layer(&frame),
                    "byte {at} is {value}, of {bytes}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn of_frame_any_headers_then_what_the_layers_say(
            changes in prop::collection::vec((0usize..HEADER_BYTES, any::<u8>()), 0..4),
        ) {
            let mut frame = flow().to_bytes(1, 32).to_vec();
            frame.extend([0x55; 52]);
            for (at, value) in changes {
                frame[at] = value;
            }
            frame[IPV4_AT + 10..IPV4_AT + 12].fill(0);
            let sum = ipv4::checksum(&frame[IPV4_AT..UDP_AT]);
            frame[IPV4_AT + 10..IPV4_AT + 12].copy_from_slice(&sum.to_be_bytes());
            prop_assert_eq!(Datagram::of_frame(&frame), layer_by_layer(&frame));
        }

        #[test]
        fn datagram_any_bytes_then_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = Datagram::parse(&bytes);
            let _ = crate::arp::ArpMessage::parse(&bytes);
            let _ = crate::icmp::echo_reply(&bytes, &mut [0; 100]);
        }

        #[test]
        fn datagram_changed_and_cut_then_payload_within_what_came(
            at in 0usize..60, value: u8, cut in 0usize..=60,
        ) {
            let mut packet = flow().to_bytes(1, 32)[IPV4_AT..].to_vec();
            packet.extend([0x55; 32]);
            packet[at % 60] = value;
            if let Ok(datagram) = Datagram::parse(&packet[..cut]) {
                prop_assert!(datagram.payload.len() + 28 <= cut);
            }
        }
    }
}
