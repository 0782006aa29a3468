//! RTP in a captured frame.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::rtp::{self, RtpHeader};
use onair_net::bytes::u16_at;
use onair_net::ethernet::{ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use onair_net::ipv4::PROTOCOL_UDP;
use onair_net::ipv6::{self, Ipv6Header};

/// Customer and service tags, and the older number of the latter.
const VLAN_TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// Tags in front of each other.
const MAX_TAGS: usize = 4;
/// Fragment header of IPv6.
const NEXT_FRAGMENT: u8 = 44;
const UDP_HEADER_BYTES: usize = 8;

const IP: [u16; 2] = [ETHERTYPE_IPV4, ETHERTYPE_IPV6];

/// The layer with which captured frames start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Link {
    /// Ethernet.
    Ethernet,
    /// An IP packet.
    Ip,
    /// The kernel's cooked header: this many bytes, with the ethertype at this offset.
    Cooked {
        /// Bytes of the header.
        bytes: usize,
        /// Offset of the ethertype.
        ethertype: usize,
    },
}

impl Link {
    /// The layer of a link type of pcap (LINKTYPE_…), if it is supported.
    #[must_use]
    pub const fn of_number(number: i32) -> Option<Self> {
        Some(match number {
            1 => Self::Ethernet,
            // RAW by its number on disk and by that of two systems, IPV4 and IPV6.
            12 | 14 | 101 | 228 | 229 => Self::Ip,
            113 => Self::Cooked {
                bytes: 16,
                ethertype: 14,
            },
            276 => Self::Cooked {
                bytes: 20,
                ethertype: 0,
            },
            _ => return None,
        })
    }
}

/// Why a captured frame is not counted to a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotRtp {
    /// Another protocol than UDP over IPv4 or IPv6.
    OtherProtocol,
    /// A fragment of a datagram.
    Fragment,
    /// Cut or damaged before the end of its headers, or with padding that does not fit.
    Damaged,
    /// UDP, but not RTP.
    OtherUdp,
}

/// A captured RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapturedPacket<'a> {
    /// VLAN of the outermost tag.
    pub vlan: Option<u16>,
    /// Address and port of the sender.
    pub source: SocketAddr,
    /// Destination address and port.
    pub destination: SocketAddr,
    /// Differentiated services code point.
    pub dscp: u8,
    /// The payload of the datagram, as far as it was captured: RTP header and payload.
    pub datagram: &'a [u8],
    /// The RTP header.
    pub rtp: RtpHeader,
    /// The payload, as far as it was captured; one that was cut, with any padding.
    pub payload: &'a [u8],
    /// Bytes of the payload on the wire; of one that was cut, with any padding.
    pub payload_bytes: usize,
}

impl<'a> CapturedPacket<'a> {
    /// Parses a frame of which maybe only the start was captured.
    ///
    /// # Errors
    /// [`NotRtp`]: what it is instead.
    pub fn parse(link: Link, frame: &'a [u8]) -> Result<Self, NotRtp> {
        let (vlan, packet) = match link {
            Link::Ip => (None, frame),
            Link::Ethernet => untag(frame, 12)?,
            Link::Cooked { bytes, ethertype } => {
                let kind = u16_at(frame, ethertype).ok_or(NotRtp::Damaged)?;
                if !IP.contains(&kind) {
                    return Err(NotRtp::OtherProtocol);
                }
                (None, frame.get(bytes..).ok_or(NotRtp::Damaged)?)
            }
        };
        Self::of(Udp::parse(packet)?, vlan)
    }

    /// Parses the payload of a whole datagram.
    ///
    /// # Errors
    /// [`NotRtp`]: what it is instead.
    pub fn of_datagram(
        source: SocketAddr,
        destination: SocketAddr,
        payload: &'a [u8],
    ) -> Result<Self, NotRtp> {
        let udp = Udp {
            source,
            destination,
            dscp: 0,
            payload,
            payload_bytes: payload.len(),
        };
        Self::of(udp, None)
    }

    fn of(udp: Udp<'a>, vlan: Option<u16>) -> Result<Self, NotRtp> {
        let bytes = udp.payload_bytes;
        if bytes < rtp::HEADER_BYTES {
            return Err(NotRtp::OtherUdp);
        }
        let (rtp, mut payload) =
            RtpHeader::parse_start(udp.payload).map_err(|reject| match reject {
                rtp::RtpReject::Truncated => NotRtp::Damaged,
                _ => NotRtp::OtherUdp,
            })?;
        // RTCP on the same port (RFC 5761 §4).
        if (64..96).contains(&rtp.payload_type) {
            return Err(NotRtp::OtherUdp);
        }
        let header_bytes = udp.payload.len() - payload.len();
        let mut payload_bytes = bytes.saturating_sub(header_bytes);
        if payload.len() == payload_bytes {
            (_, payload) = RtpHeader::parse(udp.payload).map_err(|_| NotRtp::Damaged)?;
            payload_bytes = payload.len();
        }
        Ok(Self {
            vlan,
            source: udp.source,
            destination: udp.destination,
            dscp: udp.dscp,
            datagram: udp.payload,
            rtp,
            payload,
            payload_bytes,
        })
    }
}

/// The network layer behind an ethertype at `at`, and the VLAN.
fn untag(frame: &[u8], at: usize) -> Result<(Option<u16>, &[u8]), NotRtp> {
    let (mut at, mut vlan) = (at, None);
    for _ in 0..=MAX_TAGS {
        let kind = u16_at(frame, at).ok_or(NotRtp::Damaged)?;
        if IP.contains(&kind) {
            return Ok((vlan, frame.get(at + 2..).ok_or(NotRtp::Damaged)?));
        }
        if !VLAN_TAGS.contains(&kind) {
            return Err(NotRtp::OtherProtocol);
        }
        let tag = u16_at(frame, at + 2).ok_or(NotRtp::Damaged)?;
        vlan = vlan.or(Some(tag & 0x0fff));
        at += 4;
    }
    Err(NotRtp::OtherProtocol)
}

struct Udp<'a> {
    source: SocketAddr,
    destination: SocketAddr,
    dscp: u8,
    payload: &'a [u8],
    payload_bytes: usize,
}

impl<'a> Udp<'a> {
    fn parse(packet: &'a [u8]) -> Result<Self, NotRtp> {
        match packet.first().ok_or(NotRtp::Damaged)? >> 4 {
            4 => Self::parse_ipv4(packet),
            6 => Self::parse_ipv6(packet),
            _ => Err(NotRtp::OtherProtocol),
        }
    }

    fn parse_ipv4(packet: &'a [u8]) -> Result<Self, NotRtp> {
        let ip: &[u8; 20] = packet.first_chunk().ok_or(NotRtp::Damaged)?;
        let ip_bytes = usize::from(ip[0] & 0x0f) * 4;
        if ip_bytes < ip.len() {
            return Err(NotRtp::Damaged);
        }
        if ip[9] != PROTOCOL_UDP {
            return Err(NotRtp::OtherProtocol);
        }
        // More fragments, or not the first one.
        if u16::from_be_bytes([ip[6], ip[7]]) & 0x3fff != 0 {
            return Err(NotRtp::Fragment);
        }
        let udp = packet.get(ip_bytes..).ok_or(NotRtp::Damaged)?;
        let address = |at: usize| {
            let [a, b, c, d] = [0, 1, 2, 3].map(|more| ip[at + more]);
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        };
        Self::behind([address(12), address(16)], ip[1] >> 2, udp)
    }

    fn parse_ipv6(packet: &'a [u8]) -> Result<Self, NotRtp> {
        let header = packet.first_chunk::<{ ipv6::HEADER_BYTES }>();
        let mut fixed = *header.ok_or(NotRtp::Damaged)?;
        // The payload may be cut.
        fixed[4..6].fill(0);
        let (ip, _) = Ipv6Header::parse(&fixed).map_err(|_| NotRtp::Damaged)?;
        match ip.next_header {
            PROTOCOL_UDP => {}
            NEXT_FRAGMENT => return Err(NotRtp::Fragment),
            _ => return Err(NotRtp::OtherProtocol),
        }
        let udp = &packet[ipv6::HEADER_BYTES..];
        Self::behind([ip.source, ip.destination].map(IpAddr::V6), ip.dscp, udp)
    }

    /// The datagram behind an IP header.
    fn behind([source, destination]: [IpAddr; 2], dscp: u8, udp: &'a [u8]) -> Result<Self, NotRtp> {
        let number = |at| u16_at(udp, at).ok_or(NotRtp::Damaged);
        let bytes = usize::from(number(4)?);
        let captured = udp.get(UDP_HEADER_BYTES..).ok_or(NotRtp::Damaged)?;
        let payload_bytes = bytes.checked_sub(UDP_HEADER_BYTES).ok_or(NotRtp::Damaged)?;
        Ok(Self {
            source: SocketAddr::new(source, number(0)?),
            destination: SocketAddr::new(destination, number(2)?),
            dscp,
            payload: &captured[..captured.len().min(payload_bytes)],
            payload_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_net::datagram::FlowHeader;
    use onair_net::ethernet::Mac;
    use proptest::prelude::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        flow().to_frame(1, payload)
    }

    fn flow() -> FlowHeader {
        FlowHeader {
            source_mac: Mac([2; 6]),
            destination_mac: Mac([4; 6]),
            source: "10.0.0.1:5000".parse().unwrap(),
            destination: "239.1.2.3:5004".parse().unwrap(),
            ttl: 64,
            dscp: 34,
        }
    }

    fn frame_ipv6(payload: &[u8]) -> Vec<u8> {
        let flow = FlowHeader {
            source: "[fd00::1]:5000".parse().unwrap(),
            destination: "[ff3e::8000:1]:5004".parse().unwrap(),
            ..flow()
        };
        flow.to_frame(1, payload)
    }

    #[test]
    fn packet_of_ipv6_is_found_also_cut_and_behind_a_tag() {
        let plain = frame_ipv6(&rtp());
        let found = CapturedPacket::parse(Link::Ethernet, &plain).unwrap();
        assert_eq!(found.destination, "[ff3e::8000:1]:5004".parse().unwrap());
        assert_eq!((found.dscp, found.rtp.sequence), (34, 7));
        assert_eq!(found.payload, [1, 2, 3, 4, 5, 6]);
        let tagged = [&plain[..12], &[0x81, 0, 0, 7], &plain[12..]].concat();
        let behind = CapturedPacket::parse(Link::Ethernet, &tagged).unwrap();
        assert_eq!((behind.vlan, behind.payload), (Some(7), found.payload));
        let raw = Link::of_number(229).unwrap();
        assert_eq!(CapturedPacket::parse(raw, &plain[14..]), Ok(found));
        let cut = CapturedPacket::parse(raw, &plain[14..plain.len() - 4]).unwrap();
        assert_eq!((cut.payload, cut.payload_bytes), (&[1, 2][..], 6));
        for (next, expected) in [(44, NotRtp::Fragment), (6, NotRtp::OtherProtocol)] {
            let mut other = plain.clone();
            other[20] = next;
            assert_eq!(CapturedPacket::parse(Link::Ethernet, &other), Err(expected));
        }
        for bytes in 0..plain.len() - 6 {
            let cut = CapturedPacket::parse(Link::Ethernet, &plain[..bytes]);
            assert_eq!(cut, Err(NotRtp::Damaged), "{bytes}");
        }
    }

    fn rtp() -> Vec<u8> {
        let header = RtpHeader {
            marker: true,
            payload_type: 96,
            sequence: 7,
            timestamp: 8,
            ssrc: 9,
        };
        [&header.to_bytes()[..], &[1, 2, 3, 4, 5, 6]].concat()
    }

    #[test]
    fn packet_behind_tags_and_options_is_found() {
        let plain = frame(&rtp());
        let found = CapturedPacket::parse(Link::Ethernet, &plain).unwrap();
        assert_eq!(found.destination, "239.1.2.3:5004".parse().unwrap());
        assert_eq!((found.vlan, found.dscp, found.rtp.sequence), (None, 34, 7));
        assert_eq!(found.payload, [1, 2, 3, 4, 5, 6]);
        assert_eq!(found.datagram, rtp());
        let rest = |found: CapturedPacket<'_>| (found.rtp, found.payload_bytes);

        let tags: &[u8] = &[0x88, 0xa8, 0, 100, 0x81, 0, 0x60, 7];
        let tagged = [&plain[..12], tags, &plain[12..]].concat();
        let behind = CapturedPacket::parse(Link::Ethernet, &tagged).unwrap();
        assert_eq!((behind.vlan, rest(behind)), (Some(100), rest(found)));

        let mut options = [&plain[..34], &[0x94, 4, 0, 0], &plain[34..]].concat();
        options[14] = 0x46;
        let behind = CapturedPacket::parse(Link::Ethernet, &options).unwrap();
        assert_eq!(rest(behind), rest(found));

        let ip = CapturedPacket::parse(Link::Ip, &plain[14..]).unwrap();
        assert_eq!(rest(ip), rest(found));
        let mut cooked = vec![0; 16];
        cooked[14] = 8;
        cooked.extend(&plain[14..]);
        let cooked = CapturedPacket::parse(Link::of_number(113).unwrap(), &cooked).unwrap();
        assert_eq!(rest(cooked), rest(found));
    }

    #[test]
    fn cut_packet_keeps_its_length() {
        let whole = frame(&rtp());
        let found = CapturedPacket::parse(Link::Ethernet, &whole[..whole.len() - 4]).unwrap();
        assert_eq!((found.payload, found.payload_bytes), (&[1, 2][..], 6));
        for bytes in 0..whole.len() - 6 {
            let cut = CapturedPacket::parse(Link::Ethernet, &whole[..bytes]);
            assert_eq!(cut, Err(NotRtp::Damaged));
        }
    }

    #[test]
    fn other_packets_are_told_apart() {
        let parse = |frame: &[u8]| CapturedPacket::parse(Link::Ethernet, frame).unwrap_err();
        let good = frame(&rtp());
        let with = |at: usize, byte| {
            let mut frame = good.clone();
            frame[at] = byte;
            frame
        };
        assert_eq!(parse(&with(12, 0x86)), NotRtp::OtherProtocol);
        assert_eq!(parse(&with(23, 6)), NotRtp::OtherProtocol);
        assert_eq!(parse(&with(20, 0x20)), NotRtp::Fragment);
        assert_eq!(parse(&with(42, 0x40)), NotRtp::OtherUdp);
        assert_eq!(parse(&with(43, 200)), NotRtp::OtherUdp, "RTCP");
        assert_eq!(parse(&frame(&[0x80; 11])), NotRtp::OtherUdp);
        assert_eq!(parse(&with(14, 0x44)), NotRtp::Damaged);
        assert_eq!(parse(&with(14, 0x55)), NotRtp::OtherProtocol);
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(
            number in 0..300i32,
            at in 0usize..60,
            bytes in prop::collection::vec(any::<u8>(), 0..120),
        ) {
            let mut changed = frame(&rtp());
            for (place, byte) in changed.iter_mut().skip(at).zip(&bytes) {
                *place = *byte;
            }
            if let Some(link) = Link::of_number(number) {
                let _ = CapturedPacket::parse(link, &bytes);
            }
            let _ = CapturedPacket::parse(Link::Ethernet, &changed);
        }
    }
}
