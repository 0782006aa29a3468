//! A UDP datagram with all its headers, in one step.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::ends::Ends;
use crate::ethernet::{self, ETHERTYPE_IPV4, ETHERTYPE_IPV6, EthernetHeader, Mac};
use crate::ipv4::{self, Ipv4Header, Ipv4Reject, PROTOCOL_UDP};
use crate::ipv6::{self, Ipv6Header, Ipv6Reject};
use crate::udp::{self, UdpHeader, UdpReject};

/// Bytes of the Ethernet, IPv4 and UDP headers together.
pub const HEADER_BYTES: usize = ethernet::HEADER_BYTES + ipv4::HEADER_BYTES + udp::HEADER_BYTES;

/// Time to live of sent packets, if nothing else is said.
pub const TTL: u8 = 64;
/// Differentiated services code point of sent media, if nothing else is said: AF41 (AES67).
pub const DSCP: u8 = 34;

const ETHERTYPE_AT: usize = 12;
const IP_AT: usize = ethernet::HEADER_BYTES;
const UDP_AT: usize = IP_AT + ipv4::HEADER_BYTES;

/// Why the payload of an Ethernet frame of type IPv4 or IPv6 is not a UDP datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DatagramReject {
    /// Invalid IPv4 header.
    #[error(transparent)]
    Ipv4(#[from] Ipv4Reject),
    /// Invalid IPv6 header.
    #[error(transparent)]
    Ipv6(#[from] Ipv6Reject),
    /// Invalid UDP header.
    #[error(transparent)]
    Udp(#[from] UdpReject),
    /// Another protocol than UDP, or an extension header.
    #[error("IP protocol {0} is not UDP (17)")]
    Protocol(u8),
}

/// Bytes of the IP and UDP headers of packets to `destination`.
#[must_use]
pub const fn ip_header_bytes(destination: IpAddr) -> usize {
    let ip = match destination {
        IpAddr::V4(_) => ipv4::HEADER_BYTES,
        IpAddr::V6(_) => ipv6::HEADER_BYTES,
    };
    ip + udp::HEADER_BYTES
}

/// A received datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Both addresses and ports.
    pub ends: Ends,
    /// UDP payload.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Fast path: parses an Ethernet frame with a complete, valid UDP datagram. `None` for any other
    /// frame; [`Self::parse`] returns the reason.
    #[inline]
    #[must_use]
    pub fn of_frame(frame: &'a [u8]) -> Option<Self> {
        let head: &[u8; HEADER_BYTES] = frame.first_chunk()?;
        let number = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let ip: &[u8; ipv4::HEADER_BYTES] = head[IP_AT..UDP_AT].first_chunk()?;
        let ip_bytes = usize::from(number(IP_AT + 2));
        let udp_bytes = usize::from(number(UDP_AT + 4));
        let is_plain = number(ETHERTYPE_AT) == ETHERTYPE_IPV4
            && ipv4::is_plain(ip)
            && ip[9] == PROTOCOL_UDP
            && IP_AT + ip_bytes <= frame.len()
            && udp::HEADER_BYTES <= udp_bytes
            && ipv4::HEADER_BYTES + udp_bytes <= ip_bytes;
        if !is_plain {
            // The branch of IPv6 is behind IPv4's, which costs as much as without it.
            let is_ipv6 = number(ETHERTYPE_AT) == ETHERTYPE_IPV6 && ip[0] >> 4 == 6;
            return is_ipv6.then(|| Self::parse(&frame[IP_AT..]).ok())?;
        }
        Some(Self {
            ends: Ends::of_ipv4(head[IP_AT + 12..].first_chunk()?),
            payload: frame.get(HEADER_BYTES..UDP_AT + udp_bytes)?,
        })
    }

    /// Parses an IPv4 or IPv6 packet.
    ///
    /// # Errors
    /// [`DatagramReject`]: the first reason that applies.
    #[inline]
    pub fn parse(packet: &'a [u8]) -> Result<Self, DatagramReject> {
        let (protocol, [source, destination], rest) = match packet.first() {
            Some(first) if first >> 4 == 6 => {
                let (ip, rest) = Ipv6Header::parse(packet)?;
                let ends = [ip.source, ip.destination].map(IpAddr::V6);
                (ip.next_header, ends, rest)
            }
            _ => {
                let (ip, rest) = Ipv4Header::parse(packet)?;
                let ends = [ip.source, ip.destination].map(IpAddr::V4);
                (ip.protocol, ends, rest)
            }
        };
        if protocol != PROTOCOL_UDP {
            return Err(DatagramReject::Protocol(protocol));
        }
        let (udp, payload) = match destination {
            IpAddr::V4(_) => UdpHeader::parse(rest)?,
            IpAddr::V6(_) => UdpHeader::parse_ipv6(rest)?,
        };
        let source = SocketAddr::new(source, udp.source);
        let destination = SocketAddr::new(destination, udp.destination);
        Ok(Self {
            ends: Ends::new(source, destination),
            payload,
        })
    }
}

/// Whether an IP packet is longer than what came of it, which is more than `mtu` bytes or as many: the port cut it,
/// not its sender.
#[must_use]
pub fn is_cut_at(packet: &[u8], mtu: usize) -> bool {
    let number = |at: usize| {
        let bytes = packet.get(at..at + 2)?.first_chunk()?;
        Some(usize::from(u16::from_be_bytes(*bytes)))
    };
    let length = match packet.first().map(|first| first >> 4) {
        Some(4) => number(2),
        Some(6) => number(4).map(|payload| ipv6::HEADER_BYTES + payload),
        _ => None,
    };
    packet.len() >= mtu && length.is_some_and(|length| length > packet.len())
}

/// Common header fields of a flow's datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowHeader {
    /// MAC address of the sending port.
    pub source_mac: Mac,
    /// MAC address of the next hop, or of the group.
    pub destination_mac: Mac,
    /// Source address and port. An address of another family than the destination's counts as
    /// unspecified.
    pub source: SocketAddr,
    /// Destination address and port.
    pub destination: SocketAddr,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Differentiated services code point: 0 to 63.
    pub dscp: u8,
}

impl FlowHeader {
    /// Bytes of the Ethernet, IP and UDP headers.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        ethernet::HEADER_BYTES + ip_header_bytes(self.destination.ip())
    }

    /// Writes the headers into `frame`, which has room for [`Self::bytes`] before its payload; over IPv6
    /// with the checksum of the payload, which must be there already. `identification` should differ
    /// between datagrams of IPv4 (RFC 791 §3.2). A frame without that room stays as it is.
    pub fn write(&self, identification: u16, frame: &mut [u8]) {
        let Some((header, payload)) = frame.split_at_mut_checked(self.bytes()) else {
            return;
        };
        let udp_bytes = udp::HEADER_BYTES + payload.len();
        let udp = UdpHeader {
            source: self.source.port(),
            destination: self.destination.port(),
        };
        let mut udp = udp.to_bytes(payload.len());
        let ethertype = match self.destination.ip() {
            IpAddr::V4(destination) => {
                let ip = Ipv4Header {
                    source: match self.source.ip() {
                        IpAddr::V4(source) => source,
                        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
                    },
                    destination,
                    protocol: PROTOCOL_UDP,
                    ttl: self.ttl,
                    dscp: self.dscp,
                };
                let ip = ip.to_bytes(identification, udp_bytes);
                header[IP_AT..UDP_AT].copy_from_slice(&ip);
                ETHERTYPE_IPV4
            }
            IpAddr::V6(destination) => {
                let ip = Ipv6Header {
                    source: match self.source.ip() {
                        IpAddr::V6(source) => source,
                        IpAddr::V4(_) => Ipv6Addr::UNSPECIFIED,
                    },
                    destination,
                    next_header: PROTOCOL_UDP,
                    hop_limit: self.ttl,
                    dscp: self.dscp,
                };
                let sum = ip.checksum_of_parts(&udp, payload);
                // 0 says that there is none (RFC 8200 §8.1).
                let sum = if sum == 0 { u16::MAX } else { sum };
                udp[6..8].copy_from_slice(&sum.to_be_bytes());
                let end = IP_AT + ipv6::HEADER_BYTES;
                header[IP_AT..end].copy_from_slice(&ip.to_bytes(udp_bytes));
                ETHERTYPE_IPV6
            }
        };
        let ethernet = EthernetHeader {
            destination: self.destination_mac,
            source: self.source_mac,
            ethertype,
        };
        header[..IP_AT].copy_from_slice(&ethernet.to_bytes());
        let udp_at = header.len() - udp::HEADER_BYTES;
        header[udp_at..].copy_from_slice(&udp);
    }

    /// A whole frame.
    #[must_use]
    pub fn to_frame(&self, identification: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; self.bytes()];
        frame.extend(payload);
        self.write(identification, &mut frame);
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flow() -> FlowHeader {
        FlowHeader {
            source_mac: Mac([2, 0, 0, 0, 0, 1]),
            destination_mac: Mac([2, 0, 0, 0, 0, 2]),
            source: SocketAddr::from(([10, 0, 0, 1], 5000)),
            destination: SocketAddr::from(([10, 0, 0, 2], 5004)),
            ttl: TTL,
            dscp: DSCP,
        }
    }

    #[test]
    fn flow_written_then_parses_to_the_same_ends() {
        let frame = flow().to_frame(1, &[1, 2, 3]);
        let (ethernet, packet) = EthernetHeader::parse(&frame).unwrap();
        assert_eq!(
            (ethernet.destination, ethernet.ethertype),
            (flow().destination_mac, ETHERTYPE_IPV4)
        );
        let datagram = Datagram::parse(packet).unwrap();
        assert_eq!(
            (datagram.ends.source(), datagram.ends.destination()),
            (flow().source, flow().destination)
        );
        assert_eq!(datagram.payload, [1, 2, 3]);
        assert_eq!(Datagram::of_frame(&frame), Some(datagram));
    }

    /// The result of the parsers of each layer, one after the other.
    fn layer_by_layer(frame: &[u8]) -> Option<Datagram<'_>> {
        let (ethernet, packet) = EthernetHeader::parse(frame).ok()?;
        let version = match ethernet.ethertype {
            ETHERTYPE_IPV4 => 4,
            ETHERTYPE_IPV6 => 6,
            _ => return None,
        };
        let is_it = packet.first().is_some_and(|it| it >> 4 == version);
        is_it.then(|| Datagram::parse(packet).ok()).flatten()
    }

    fn flow6() -> FlowHeader {
        FlowHeader {
            source: "[fd00::1]:5000".parse().unwrap(),
            destination: "[ff3e::8000:1]:5004".parse().unwrap(),
            ..flow()
        }
    }

    #[test]
    fn ipv6_flow_written_then_parses_with_its_checksum() {
        for payload in [&[][..], &[1], &[1, 2, 3], &[0x55; 1_001]] {
            let frame = flow6().to_frame(1, payload);
            assert_eq!((frame.len(), flow6().bytes()), (62 + payload.len(), 62));
            let datagram = Datagram::of_frame(&frame).unwrap();
            assert_eq!(layer_by_layer(&frame), Some(datagram));
            let ends = (datagram.ends.source(), datagram.ends.destination());
            assert_eq!(ends, (flow6().source, flow6().destination));
            assert_eq!(datagram.payload, payload);
            let (ip, message) = Ipv6Header::parse(&frame[IP_AT..]).unwrap();
            assert_eq!(
                (ip.checksum(message), ip.hop_limit, ip.dscp),
                (0, TTL, DSCP)
            );
            for bytes in 0..frame.len() {
                assert_eq!(Datagram::of_frame(&frame[..bytes]), None, "{bytes}");
            }
        }
        let mut frame = flow6().to_frame(1, &[1, 2, 3]);
        frame[60..62].fill(0);
        let reject = Datagram::parse(&frame[IP_AT..]).unwrap_err();
        assert_eq!(reject, DatagramReject::Udp(UdpReject::NoChecksum));
        assert_eq!(Datagram::of_frame(&frame), None);
    }

    #[test]
    fn of_frame_each_header_byte_at_each_value_then_as_the_layers() {
        let plain = flow().to_frame(1, &[0x55; 32]);
        let lengths = [0, 13, 14, 33, 34, 41, 42, 43, 73, 74, 75, 94];
        for (at, value) in (0..HEADER_BYTES).flat_map(|at| (0..=u8::MAX).map(move |it| (at, it))) {
            for (bytes, mended) in lengths.iter().flat_map(|it| [(*it, false), (*it, true)]) {
                let mut frame = plain.clone();
                frame[at] = value;
                if mended {
                    frame[IP_AT + 10..IP_AT + 12].fill(0);
                    let sum = ipv4::checksum(&frame[IP_AT..UDP_AT]);
                    frame[IP_AT + 10..IP_AT + 12].copy_from_slice(&sum.to_be_bytes());
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

    #[test]
    fn packet_longer_than_the_mtu_is_cut_by_the_port() {
        for flow in [flow(), flow6()] {
            let frame = flow.to_frame(1, &[0x55; 3000]);
            let packet = &frame[IP_AT..];
            for (came, is_cut) in [
                (1499, false),
                (1500, true),
                (1600, true),
                (packet.len(), false),
            ] {
                assert_eq!(is_cut_at(&packet[..came], 1500), is_cut, "{came}");
            }
        }
        for short in [&[][..], &[0x45; 3], &[0x65; 5], &[0x15; 8]] {
            assert!(!is_cut_at(short, 0), "{short:?}");
        }
    }

    proptest! {
        #[test]
        fn of_frame_any_headers_then_what_the_layers_say(
            is_ipv6: bool,
            changes in prop::collection::vec((0usize..HEADER_BYTES + 20, any::<u8>()), 0..4),
        ) {
            let mut frame = if is_ipv6 { flow6() } else { flow() }.to_frame(1, &[0x55; 32]);
            frame.extend([0x55; 20]);
            for (at, value) in changes {
                frame[at] = value;
            }
            if is_ipv6 {
                prop_assert_eq!(Datagram::of_frame(&frame), layer_by_layer(&frame));
                return Ok(());
            }
            frame[IP_AT + 10..IP_AT + 12].fill(0);
            let sum = ipv4::checksum(&frame[IP_AT..UDP_AT]);
            frame[IP_AT + 10..IP_AT + 12].copy_from_slice(&sum.to_be_bytes());
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
            let mut packet = flow().to_frame(1, &[0x55; 32])[IP_AT..].to_vec();
            packet[at % 60] = value;
            if let Ok(datagram) = Datagram::parse(&packet[..cut]) {
                prop_assert!(datagram.payload.len() + 28 <= cut);
            }
        }
    }
}
