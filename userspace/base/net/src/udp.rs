//! UDP headers (RFC 768).

use crate::bytes::u16_at;

/// Length of the header in bytes.
pub const HEADER_BYTES: usize = 8;

/// Why bytes are not a UDP datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UdpReject {
    /// Fewer bytes than the header or its length field require.
    #[error("UDP datagram is truncated")]
    Truncated,
    /// A length field below the header's length.
    #[error("UDP length is below the header's 8 bytes")]
    Length,
    /// No checksum over IPv6, which requires one (RFC 8200 §8.1).
    #[error("UDP over IPv6 has no checksum")]
    NoChecksum,
}

/// The ports. The checksum is not verified (a kernel sends partial ones over veth, so nearly all
/// would look wrong) and not sent over IPv4 (0, which RFC 768 allows).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpHeader {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
}

impl UdpHeader {
    /// As [`Self::parse`], of an IPv6 packet: it has a checksum.
    ///
    /// # Errors
    /// [`UdpReject`]: as [`Self::parse`], or no checksum.
    #[inline]
    pub fn parse_ipv6(packet: &[u8]) -> Result<(Self, &[u8]), UdpReject> {
        let parsed = Self::parse(packet)?;
        match u16_at(packet, 6) {
            Some(0) => Err(UdpReject::NoChecksum),
            _ => Ok(parsed),
        }
    }

    /// Splits the payload of an IPv4 packet into the header and exactly the payload of its length
    /// field.
    ///
    /// # Errors
    /// [`UdpReject`]: truncated, or an impossible length.
    #[inline]
    pub fn parse(packet: &[u8]) -> Result<(Self, &[u8]), UdpReject> {
        let fields = || {
            Some((
                u16_at(packet, 0)?,
                u16_at(packet, 2)?,
                u16_at(packet, 4)?,
                u16_at(packet, 6)?,
            ))
        };
        let (source, destination, length, _checksum) = fields().ok_or(UdpReject::Truncated)?;
        let length = usize::from(length);
        if length < HEADER_BYTES {
            return Err(UdpReject::Length);
        }
        let payload = packet
            .get(HEADER_BYTES..length)
            .ok_or(UdpReject::Truncated)?;
        Ok((
            Self {
                source,
                destination,
            },
            payload,
        ))
    }

    /// Header for `payload_bytes` bytes of payload. A payload beyond 16 bits is the caller's error
    /// and gives a header with the largest length.
    #[must_use]
    pub fn to_bytes(&self, payload_bytes: usize) -> [u8; HEADER_BYTES] {
        let length = u16::try_from(HEADER_BYTES + payload_bytes).unwrap_or(u16::MAX);
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..2].copy_from_slice(&self.source.to_be_bytes());
        bytes[2..4].copy_from_slice(&self.destination.to_be_bytes());
        bytes[4..6].copy_from_slice(&length.to_be_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_written_then_parses_to_itself_and_cuts_what_follows() {
        let header = UdpHeader {
            source: 5,
            destination: 5004,
        };
        let mut datagram = header.to_bytes(2).to_vec();
        datagram.extend([1, 2, 0, 0]);
        assert_eq!(UdpHeader::parse(&datagram), Ok((header, &[1u8, 2][..])));
        for bytes in 0..10 {
            assert_eq!(
                UdpHeader::parse(&datagram[..bytes]),
                Err(UdpReject::Truncated)
            );
        }
        datagram[5] = 7;
        assert_eq!(UdpHeader::parse(&datagram), Err(UdpReject::Length));
    }
}
