//! IPv4 headers without options (RFC 791).

use std::net::Ipv4Addr;

use crate::bytes::{array, u16_at};

/// Bytes of a header without options.
pub const HEADER_BYTES: usize = 20;

/// Protocol number of ICMP.
pub const PROTOCOL_ICMP: u8 = 1;

/// Protocol number of UDP.
pub const PROTOCOL_UDP: u8 = 17;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;

/// Why bytes are not a supported IPv4 packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ipv4Reject {
    /// Fewer bytes than the header or its total length require.
    #[error("IPv4 packet is truncated")]
    Truncated,
    /// Not version 4.
    #[error("IP version {0} is not 4")]
    Version(u8),
    /// Impossible header or total length.
    #[error("IPv4 lengths contradict each other")]
    Length,
    /// Options are rejected: no media sender uses them.
    #[error("IPv4 options are not supported: send without options")]
    Options,
    /// A fragment: media datagrams fit the MTU.
    #[error("IPv4 fragments are not supported: make the sender keep to the MTU")]
    Fragment,
    /// The header checksum is wrong.
    #[error("IPv4 header checksum is wrong")]
    Checksum,
}

/// Header fields in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv4Header {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Protocol of the payload, such as [`PROTOCOL_UDP`].
    pub protocol: u8,
    /// Time to live.
    pub ttl: u8,
    /// Differentiated services code point (RFC 2474 §3): 0 to 63.
    pub dscp: u8,
}

impl Ipv4Header {
    /// Splits a packet into its header and exactly the payload of its total length, without
    /// Ethernet's padding. Verifies the header checksum: ten additions, and unlike UDP's it is
    /// complete even in packets that a kernel sends over veth.
    ///
    /// # Errors
    /// [`Ipv4Reject`]: the first reason that applies.
    #[inline]
    pub fn parse(packet: &[u8]) -> Result<(Self, &[u8]), Ipv4Reject> {
        let first = *packet.first().ok_or(Ipv4Reject::Truncated)?;
        if first >> 4 != 4 {
            return Err(Ipv4Reject::Version(first >> 4));
        }
        let bytes: [u8; HEADER_BYTES] = array(packet, 0).ok_or(Ipv4Reject::Truncated)?;
        let header_bytes = usize::from(first & 0x0f) * 4;
        let total = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        if header_bytes < HEADER_BYTES || total < header_bytes {
            return Err(Ipv4Reject::Length);
        }
        if total > packet.len() {
            return Err(Ipv4Reject::Truncated);
        }
        if header_bytes > HEADER_BYTES {
            return Err(Ipv4Reject::Options);
        }
        if checksum(&bytes) != 0 {
            return Err(Ipv4Reject::Checksum);
        }
        let fragment = u16::from_be_bytes([bytes[6], bytes[7]]);
        if fragment & (MORE_FRAGMENTS | FRAGMENT_OFFSET) != 0 {
            return Err(Ipv4Reject::Fragment);
        }
        let header = Self {
            source: Ipv4Addr::new(bytes[12], bytes[13], bytes[14], bytes[15]),
            destination: Ipv4Addr::new(bytes[16], bytes[17], bytes[18], bytes[19]),
            protocol: bytes[9],
            ttl: bytes[8],
            dscp: bytes[1] >> 2,
        };
        Ok((header, &packet[HEADER_BYTES..total]))
    }

    /// Header for `payload_bytes` bytes of payload, with checksum and "don't fragment". A payload
    /// beyond 16 bits is the caller's error and gives a header with the largest length.
    #[must_use]
    pub fn to_bytes(&self, identification: u16, payload_bytes: usize) -> [u8; HEADER_BYTES] {
        let total = u16::try_from(HEADER_BYTES + payload_bytes).unwrap_or(u16::MAX);
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = 0x45;
        bytes[1] = self.dscp << 2;
        bytes[2..4].copy_from_slice(&total.to_be_bytes());
        bytes[4..6].copy_from_slice(&identification.to_be_bytes());
        bytes[6..8].copy_from_slice(&DONT_FRAGMENT.to_be_bytes());
        bytes[8] = self.ttl;
        bytes[9] = self.protocol;
        bytes[12..16].copy_from_slice(&self.source.octets());
        bytes[16..20].copy_from_slice(&self.destination.octets());
        let sum = checksum(&bytes);
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        bytes
    }
}

/// Whether a header has version 4, no options, no fragmentation and a correct checksum: the checks
/// of [`Ipv4Header::parse`] except the lengths.
#[inline]
pub(crate) fn is_plain(header: &[u8; HEADER_BYTES]) -> bool {
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    // In any byte order and word width the sum has the same remainder by 2^16 - 1 (RFC 1071 §2),
    // and it is not 0, because the first byte is not 0.
    let sum: u64 = (0..HEADER_BYTES)
        .step_by(4)
        .map(|at| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]))
        .map(u64::from)
        .sum();
    header[0] == 0x45
        && fragment & (MORE_FRAGMENTS | FRAGMENT_OFFSET) == 0
        && sum.is_multiple_of(0xffff)
}

/// The Internet checksum (RFC 1071) of `bytes`; 0 if they include their own correct checksum.
#[inline]
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u64 = 0;
    for at in (0..bytes.len()).step_by(2) {
        let word = u16_at(bytes, at).unwrap_or_else(|| u16::from(bytes[at]) << 8);
        sum += u64::from(word);
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet() -> Vec<u8> {
        let header = header();
        let mut packet = header.to_bytes(7, 4).to_vec();
        packet.extend([1, 2, 3, 4]);
        packet
    }

    fn header() -> Ipv4Header {
        Ipv4Header {
            source: Ipv4Addr::new(10, 0, 0, 1),
            destination: Ipv4Addr::new(10, 0, 0, 2),
            protocol: PROTOCOL_UDP,
            ttl: 64,
            dscp: 34,
        }
    }

    /// Changes bytes and corrects the checksum, so that only the intended reason applies.
    fn with(changes: &[(usize, u8)]) -> Vec<u8> {
        let mut packet = packet();
        for (at, value) in changes {
            packet[*at] = *value;
        }
        packet[10..12].fill(0);
        let sum = checksum(&packet[..HEADER_BYTES]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    #[test]
    fn header_written_then_parses_to_itself_without_padding() {
        let mut packet = packet();
        packet.extend([0; 20]);
        assert_eq!(
            Ipv4Header::parse(&packet),
            Ok((header(), &[1u8, 2, 3, 4][..]))
        );
    }

    #[test]
    fn packet_damaged_then_rejected_by_reason() {
        let cases = [
            (with(&[(0, 0x65)]), Ipv4Reject::Version(6)),
            (with(&[(0, 0x44)]), Ipv4Reject::Length),
            (with(&[(3, 19)]), Ipv4Reject::Length),
            (with(&[(3, 25)]), Ipv4Reject::Truncated),
            (with(&[(0, 0x46)]), Ipv4Reject::Options),
            (with(&[(6, 0x20)]), Ipv4Reject::Fragment),
            (with(&[(7, 1)]), Ipv4Reject::Fragment),
        ];
        for (packet, reason) in cases {
            assert_eq!(Ipv4Header::parse(&packet), Err(reason));
        }
        let mut wrong = packet();
        wrong[8] ^= 1;
        assert_eq!(Ipv4Header::parse(&wrong), Err(Ipv4Reject::Checksum));
        for bytes in 0..24 {
            assert_eq!(
                Ipv4Header::parse(&packet()[..bytes]),
                Err(Ipv4Reject::Truncated)
            );
        }
    }
}
