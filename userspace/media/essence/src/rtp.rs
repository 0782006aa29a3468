//! RTP fixed headers (RFC 3550 §5.1).

use onair_net::bytes::u16_at;

/// Bytes of a header without contributing sources and extension.
pub const HEADER_BYTES: usize = 12;

const VERSION: u8 = 2;

/// First byte of a header without padding, extension and contributing sources.
pub(crate) const PLAIN: u8 = VERSION << 6;

/// Why bytes are not an RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RtpReject {
    /// Fewer bytes than the header, its contributing sources or its extension need.
    #[error("RTP packet is truncated")]
    Truncated,
    /// Not version 2.
    #[error("RTP version {0} is not 2")]
    Version(u8),
    /// Padding that is empty or longer than the payload.
    #[error("RTP padding of {0} bytes does not fit the packet")]
    Padding(u8),
}

/// The RTP payload types of a stream's packets, 0 to 127: of two legs (ST 2022-7) one each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadTypes {
    /// Of the stream, or of its first leg.
    pub first: u8,
    /// Of the second leg; the first's, if there is none.
    pub second: u8,
}

impl PayloadTypes {
    /// Whether a packet of either leg has it.
    #[inline]
    #[must_use]
    pub const fn has(self, payload_type: u8) -> bool {
        payload_type == self.first || payload_type == self.second
    }
}

impl From<u8> for PayloadTypes {
    fn from(first: u8) -> Self {
        Self {
            first,
            second: first,
        }
    }
}

/// The fixed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpHeader {
    /// Last packet of a frame (RFC 4175 §4.1).
    pub marker: bool,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number; wraps.
    pub sequence: u16,
    /// Timestamp in ticks of the media clock; wraps.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

impl RtpHeader {
    /// Splits a packet into header and payload, without contributing sources, extension and
    /// padding.
    ///
    /// # Errors
    /// [`RtpReject`]: the first reason that applies.
    #[inline]
    pub fn parse(packet: &[u8]) -> Result<(Self, &[u8]), RtpReject> {
        let (header, payload) = Self::parse_start(packet)?;
        if packet[0] & 0x20 == 0 {
            return Ok((header, payload));
        }
        // The last byte counts the padding, itself included.
        let padding = *payload.last().ok_or(RtpReject::Truncated)?;
        match payload.len().checked_sub(usize::from(padding)) {
            Some(kept) if padding > 0 => Ok((header, &payload[..kept])),
            _ => Err(RtpReject::Padding(padding)),
        }
    }

    /// Splits a packet of which maybe only the start was captured: padding stays in the payload.
    ///
    /// # Errors
    /// [`RtpReject`]: the first reason that applies.
    #[inline]
    pub fn parse_start(packet: &[u8]) -> Result<(Self, &[u8]), RtpReject> {
        let first = *packet.first().ok_or(RtpReject::Truncated)?;
        if first >> 6 != VERSION {
            return Err(RtpReject::Version(first >> 6));
        }
        let (bytes, rest) = packet
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(RtpReject::Truncated)?;
        let header = Self::fixed(bytes);
        if first & 0x1f == 0 {
            // The usual case: no contributing sources and no extension.
            return Ok((header, rest));
        }
        let contributing = usize::from(first & 0x0f);
        let mut start = HEADER_BYTES + contributing * 4;
        if first & 0x10 != 0 {
            // RFC 3550 §5.3.1: 16 bits of profile, then a length in 32-bit words.
            let words = u16_at(packet, start + 2).ok_or(RtpReject::Truncated)?;
            start += 4 + usize::from(words) * 4;
        }
        let payload = packet.get(start..).ok_or(RtpReject::Truncated)?;
        Ok((header, payload))
    }

    #[inline]
    fn fixed(bytes: &[u8; HEADER_BYTES]) -> Self {
        let &[_, second, a, b, c, d, e, f, g, h, i, j] = bytes;
        Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([a, b]),
            timestamp: u32::from_be_bytes([c, d, e, f]),
            ssrc: u32::from_be_bytes([g, h, i, j]),
        }
    }

    /// The header as bytes: no contributing sources, no extension, no padding.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = PLAIN;
        bytes[1] = u8::from(self.marker) << 7 | self.payload_type & 0x7f;
        bytes[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes
    }
}

/// Whether timestamp `a` is after `b`: ahead of it by less than half of the 32-bit range.
#[inline]
#[must_use]
pub const fn timestamp_after(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header() -> RtpHeader {
        RtpHeader {
            marker: true,
            payload_type: 96,
            sequence: 65535,
            timestamp: 1 << 31,
            ssrc: 7,
        }
    }

    fn packet(payload: &[u8]) -> Vec<u8> {
        [&header().to_bytes()[..], payload].concat()
    }

    #[test]
    fn header_written_then_parses_to_itself() {
        assert_eq!(
            RtpHeader::parse(&packet(&[1, 2])),
            Ok((header(), &[1u8, 2][..]))
        );
    }

    #[test]
    fn packet_sources_extension_and_padding_then_payload_is_left() {
        let mut packet = packet(&[]);
        packet[0] = 0xb2; // two sources, extension, padding
        packet.extend([0; 8]);
        packet.extend([0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
        packet.extend([1, 2, 3]);
        packet.extend([0, 0, 3]);
        assert_eq!(RtpHeader::parse(&packet).unwrap().1, [1, 2, 3]);
    }

    #[test]
    fn packet_damaged_then_rejected_by_reason() {
        for bytes in 0..HEADER_BYTES {
            assert_eq!(
                RtpHeader::parse(&packet(&[])[..bytes]),
                Err(RtpReject::Truncated)
            );
        }
        let cases = [
            (0x40, &[1u8][..], RtpReject::Version(1)),
            (0x8f, &[1; 59], RtpReject::Truncated),
            (0x90, &[0, 0, 0], RtpReject::Truncated),
            (0x90, &[0, 0, 0, 2, 1, 1, 1, 1], RtpReject::Truncated),
            (0xa0, &[], RtpReject::Truncated),
            (0xa0, &[1, 0], RtpReject::Padding(0)),
            (0xa0, &[1, 3], RtpReject::Padding(3)),
        ];
        for (first, payload, reason) in cases {
            let mut packet = packet(payload);
            packet[0] = first;
            assert_eq!(RtpHeader::parse(&packet), Err(reason));
        }
    }

    #[test]
    fn timestamps_across_the_wrap_then_the_later_is_after() {
        assert!(timestamp_after(5, u32::MAX - 5));
        assert!(!timestamp_after(u32::MAX - 5, 5));
        assert!(!timestamp_after(5, 5));
    }

    proptest! {
        #[test]
        fn packet_any_bytes_then_no_panic_and_payload_is_inside(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            if let Ok((_, payload)) = RtpHeader::parse(&bytes) {
                prop_assert!(payload.len() + HEADER_BYTES <= bytes.len());
            }
        }
    }
}
