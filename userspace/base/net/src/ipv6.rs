//! IPv6 headers without extension headers (RFC 8200).

use std::net::Ipv6Addr;

use crate::bytes::array;
use crate::ethernet::Mac;

/// Bytes of a header without extension headers.
pub const HEADER_BYTES: usize = 40;

/// Next header of ICMPv6.
pub const NEXT_ICMP: u8 = 58;

/// Next header of hop-by-hop options, which MLD messages have.
pub const NEXT_HOP_BY_HOP: u8 = 0;

/// Why bytes are not a supported IPv6 packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ipv6Reject {
    /// Fewer bytes than the header or its payload length require.
    #[error("IPv6 packet is truncated")]
    Truncated,
    /// Not version 6.
    #[error("IP version {0} is not 6")]
    Version(u8),
}

/// The header fields in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv6Header {
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
    /// Type of what follows the header, such as [`NEXT_ICMP`].
    pub next_header: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Differentiated services code point (RFC 2474 §3): 0 to 63.
    pub dscp: u8,
}

impl Ipv6Header {
    /// Splits a packet into its header and exactly the payload of its length field, without
    /// Ethernet's padding. Extension headers are the payload of an unknown type.
    ///
    /// # Errors
    /// [`Ipv6Reject`]: the first reason that applies.
    #[inline]
    pub fn parse(packet: &[u8]) -> Result<(Self, &[u8]), Ipv6Reject> {
        let first = *packet.first().ok_or(Ipv6Reject::Truncated)?;
        if first >> 4 != 6 {
            return Err(Ipv6Reject::Version(first >> 4));
        }
        let fixed: [u8; HEADER_BYTES] = array(packet, 0).ok_or(Ipv6Reject::Truncated)?;
        let payload_bytes = usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
        let payload = packet.get(HEADER_BYTES..HEADER_BYTES + payload_bytes);
        let address = |at| array::<16>(&fixed, at).map(Ipv6Addr::from);
        let parts = address(8).zip(address(24)).zip(payload);
        let ((source, destination), payload) = parts.ok_or(Ipv6Reject::Truncated)?;
        let header = Self {
            source,
            destination,
            next_header: fixed[6],
            hop_limit: fixed[7],
            dscp: (first << 4 | fixed[1] >> 4) >> 2,
        };
        Ok((header, payload))
    }

    /// Header for `payload_bytes` bytes of payload. A payload beyond 16 bits is the caller's error
    /// and gives a header with the largest length.
    #[must_use]
    pub fn to_bytes(&self, payload_bytes: usize) -> [u8; HEADER_BYTES] {
        let length = u16::try_from(payload_bytes).unwrap_or(u16::MAX);
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = 0x60 | self.dscp >> 2;
        bytes[1] = self.dscp << 6;
        bytes[4..6].copy_from_slice(&length.to_be_bytes());
        bytes[6] = self.next_header;
        bytes[7] = self.hop_limit;
        bytes[8..24].copy_from_slice(&self.source.octets());
        bytes[24..40].copy_from_slice(&self.destination.octets());
        bytes
    }

    /// The checksum of `message` in a packet with this header (RFC 8200 §8.1); 0 if the message includes
    /// its own correct checksum.
    #[must_use]
    pub fn checksum(&self, message: &[u8]) -> u16 {
        self.checksum_of_parts(&[], message)
    }

    /// As [`Self::checksum`], of a message in two parts: the first has a multiple of four bytes.
    pub(crate) fn checksum_of_parts(&self, first: &[u8], rest: &[u8]) -> u16 {
        let bytes = u32::try_from(first.len() + rest.len()).unwrap_or(u32::MAX);
        let mut pseudo = [0; HEADER_BYTES];
        pseudo[..16].copy_from_slice(&self.source.octets());
        pseudo[16..32].copy_from_slice(&self.destination.octets());
        pseudo[32..36].copy_from_slice(&bytes.to_be_bytes());
        pseudo[39] = self.next_header;
        // In any byte order and word width the sum is the same (RFC 1071 §2).
        let mut sum = sum(&pseudo) + sum(first) + sum(rest);
        while sum >> 16 != 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        let folded = u16::try_from(sum).unwrap_or(u16::MAX);
        !u16::from_be_bytes(folded.to_ne_bytes())
    }
}

/// The sum of 32-bit words in the machine's order: the compiler adds several at once.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let sum: u64 = words
        .iter()
        .map(|it| u64::from(u32::from_ne_bytes(*it)))
        .sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    sum + u64::from(u32::from_ne_bytes(last))
}

/// The link-local address that an interface with this MAC address gives itself (RFC 4291 appendix A).
#[must_use]
pub const fn link_local(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    let id = [a ^ 2, b, c, 0xff, 0xfe, d, e, f];
    let [a, b, c, d, e, f, g, h] = id;
    let bytes = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, a, b, c, d, e, f, g, h];
    Ipv6Addr::from_octets(bytes)
}

/// The group to which solicitations for `address` go (RFC 4291 §2.7.1).
#[must_use]
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., high, low] = address.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | high & 0xff, low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Ipv6Header {
        Ipv6Header {
            source: "fd00::1".parse().unwrap(),
            destination: "ff3e::8000:1".parse().unwrap(),
            next_header: 17,
            hop_limit: 64,
            dscp: 34,
        }
    }

    #[test]
    fn header_written_then_parses_to_itself_without_padding() {
        let mut packet = header().to_bytes(4).to_vec();
        packet.extend([1, 2, 3, 4, 0, 0]);
        assert_eq!(packet[..2], [0x68, 0x80], "AF41 is traffic class 0x88");
        let parsed = Ipv6Header::parse(&packet);
        assert_eq!(parsed, Ok((header(), &[1u8, 2, 3, 4][..])));
        for bytes in 0..44 {
            let cut = Ipv6Header::parse(&packet[..bytes]);
            assert_eq!(cut, Err(Ipv6Reject::Truncated), "{bytes}");
        }
        packet[0] = 0x48;
        assert_eq!(Ipv6Header::parse(&packet), Err(Ipv6Reject::Version(4)));
    }

    #[test]
    fn checksum_is_that_of_the_words_one_by_one() {
        for bytes in 0..23u8 {
            let message: Vec<u8> = (0..bytes).map(|it| it.wrapping_mul(89)).collect();
            let header = header();
            let pseudo = [
                &header.source.octets()[..],
                &header.destination.octets(),
                &[0, 0, 0, bytes, 0, 0, 0, header.next_header],
                &message,
            ];
            let expected = crate::ipv4::checksum(&pseudo.concat());
            assert_eq!(header.checksum(&message), expected, "{bytes}");
        }
    }

    #[test]
    fn addresses_that_follow_from_others() {
        let mac = Mac([2, 0, 0x5e, 0x10, 0x20, 0x30]);
        assert_eq!(link_local(mac).to_string(), "fe80::5eff:fe10:2030");
        let address = "fd00::12:3456:789a".parse().unwrap();
        assert_eq!(solicited_node(address).to_string(), "ff02::1:ff56:789a");
    }
}
