//! Payloads of RTP packets with JPEG XS: RFC 9134.

use crate::ancillary::unit::Signalled;
use crate::document::words::words;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 4;
/// SEP of the header segment in slice mode.
const HEADER_SEGMENT: u16 = 0x7ff;
/// Bits of P, and of SEP.
const COUNTER_BITS: u32 = 11;
const COUNTER: u32 = (1 << COUNTER_BITS) - 1;

/// Why bytes are no such payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadReject {
    /// Shorter than its header, or nothing behind it.
    #[error("payload is truncated")]
    Truncated,
    /// I is 01.
    #[error("field 01 is invalid (RFC 9134 §4.3)")]
    Field,
}

/// The header of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadHeader {
    /// T: packets are sent in order.
    pub in_order: bool,
    /// K.
    pub mode: PacketMode,
    /// L: the last packet of a packetization unit.
    pub last: bool,
    /// I: frame, first or second field.
    pub field: Signalled,
    /// F: number of the frame, modulo 32.
    pub frame: u8,
    /// SEP: slice, or how often P has wrapped. 0 to 2047.
    pub separator: u16,
    /// P: number of the packet, modulo 2048.
    pub packet: u16,
}

impl PayloadHeader {
    /// Splits a payload into its header and its part of the codestream, which is not empty.
    ///
    /// # Errors
    /// [`PayloadReject`]: the first reason that applies.
    pub fn parse(payload: &[u8]) -> Result<(Self, &[u8]), PayloadReject> {
        let (header, data) = payload
            .split_first_chunk::<HEADER_BYTES>()
            .filter(|(_, data)| !data.is_empty())
            .ok_or(PayloadReject::Truncated)?;
        let bits = u32::from_be_bytes(*header);
        let &[first, second, _, _] = header;
        let counter = |shift: u32| {
            let [.., a, b] = (bits >> shift & COUNTER).to_be_bytes();
            u16::from_be_bytes([a, b])
        };
        let header = Self {
            in_order: first & 0x80 != 0,
            mode: match first & 0x40 {
                0 => PacketMode::Codestream,
                _ => PacketMode::Slice,
            },
            last: first & 0x20 != 0,
            field: Signalled::of_bits(first >> 3).ok_or(PayloadReject::Field)?,
            frame: (first & 0x07) << 2 | second >> 6,
            separator: counter(COUNTER_BITS),
            packet: counter(0),
        };
        Ok((header, data))
    }

    /// The header as bytes. Higher bits of its fields do not go in.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let flags = [
            (self.in_order, 31),
            (self.mode == PacketMode::Slice, 30),
            (self.last, 29),
        ];
        let flags = flags
            .into_iter()
            .fold(0, |all, (is_set, bit)| all | u32::from(is_set) << bit);
        let bits = flags
            | u32::from(self.field.bits()) << 27
            | u32::from(self.frame & 31) << 22
            | (u32::from(self.separator) & COUNTER) << COUNTER_BITS
            | u32::from(self.packet) & COUNTER;
        bits.to_be_bytes()
    }

    /// Whether a packet ends its unit, as far as it says: it has the marker, or is the last one of a packetization unit that
    /// is the whole codestream. Some senders have the marker at the end of a frame of two fields only, and some have no L.
    #[must_use]
    pub fn ends(&self, marker: bool) -> bool {
        marker || self.last && self.mode == PacketMode::Codestream
    }

    /// Whether it begins the slice after that of a place amid one, or the first one after a header segment.
    pub(crate) fn begins_after(&self, place: u32) -> bool {
        self.mode == PacketMode::Slice
            && place & COUNTER != 0
            && self.place() == ((place >> COUNTER_BITS) + 1) << COUNTER_BITS
    }

    /// The place of the packet in its unit: it grows from packet to packet of the codestream. The header segment comes before
    /// the first slice.
    #[must_use]
    pub fn place(&self) -> u32 {
        let separator = match self.mode {
            PacketMode::Codestream => self.separator,
            PacketMode::Slice => self.separator.wrapping_sub(HEADER_SEGMENT),
        };
        (u32::from(separator) & COUNTER) << COUNTER_BITS | u32::from(self.packet) & COUNTER
    }

    /// Whether packets from a place to this one have numbers in a row: those of one packetization unit.
    pub(crate) fn counts_from(&self, place: u32) -> bool {
        self.mode == PacketMode::Codestream || self.place() >> COUNTER_BITS == place >> COUNTER_BITS
    }

    /// The place of the packet after it.
    #[must_use]
    pub fn next_place(&self) -> u32 {
        match (self.mode, self.last) {
            (PacketMode::Slice, true) => ((self.place() >> COUNTER_BITS) + 1) << COUNTER_BITS,
            _ => self.place() + 1,
        }
    }

    /// SEP and P of packet `index` of a packetization unit: `slice` of slice mode, `None` of its header segment.
    #[must_use]
    pub fn counters(mode: PacketMode, slice: Option<u16>, index: u32) -> (u16, u16) {
        let low = |number: u32| {
            let [.., a, b] = (number & COUNTER).to_be_bytes();
            u16::from_be_bytes([a, b])
        };
        let separator = match mode {
            PacketMode::Codestream => low(index >> COUNTER_BITS),
            PacketMode::Slice => slice.unwrap_or(HEADER_SEGMENT),
        };
        (separator, low(index))
    }
}

words! {
    /// Content of a run of packets: `packetmode` of RFC 9134 §4.1.
    #[derive(Default)]
    PacketMode {
        /// A frame or field: K is 0.
        #[default]
        Codestream "codestream",
        /// The header, and each slice: K is 1.
        Slice "slice",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn header_of_each_bit_then_in_its_place() {
        let bytes = |header: u32| {
            let [a, b, c, d] = header.to_be_bytes();
            [a, b, c, d, 9]
        };
        let parsed = |header: u32| PayloadHeader::parse(&bytes(header)).map(|it| it.0);
        let none = parsed(0).unwrap();
        assert_eq!(
            parsed(1 << 31).unwrap(),
            PayloadHeader {
                in_order: true,
                ..none
            }
        );
        assert_eq!(parsed(1 << 30).unwrap().mode, PacketMode::Slice);
        assert_eq!(
            parsed(1 << 29).unwrap(),
            PayloadHeader { last: true, ..none }
        );
        assert_eq!(parsed(2 << 27).unwrap().field, Signalled::First);
        assert_eq!(parsed(3 << 27).unwrap().field, Signalled::Second);
        assert_eq!(parsed(1 << 27), Err(PayloadReject::Field));
        assert_eq!(
            parsed(21 << 22).unwrap(),
            PayloadHeader { frame: 21, ..none }
        );
        let counted = parsed(1234 << 11 | 2047).unwrap();
        assert_eq!((counted.separator, counted.packet), (1234, 2047));
        assert_eq!(PayloadHeader::parse(&[0; 4]), Err(PayloadReject::Truncated));
    }

    #[test]
    fn places_of_a_unit_then_one_behind_the_other() {
        let of = |mode, slice, index, last| {
            let (separator, packet) = PayloadHeader::counters(mode, slice, index);
            PayloadHeader {
                in_order: true,
                mode,
                last,
                field: Signalled::Frame,
                frame: 0,
                separator,
                packet,
            }
        };
        for index in [0, 1, 2046, 2047, 2048, 5000] {
            let packet = of(PacketMode::Codestream, None, index, false);
            assert_eq!(packet.place(), index);
            assert_eq!(packet.next_place(), index + 1);
        }
        let slice = PacketMode::Slice;
        let unit = [
            of(slice, None, 0, false),
            of(slice, None, 1, true),
            of(slice, Some(0), 0, true),
            of(slice, Some(1), 0, false),
        ];
        assert_eq!(unit[0].place(), 0);
        assert!(
            unit.windows(2)
                .all(|it| it[0].next_place() == it[1].place())
        );
    }

    proptest! {
        #[test]
        fn payload_of_any_bytes_then_written_as_it_was(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            if let Ok((header, data)) = PayloadHeader::parse(&bytes) {
                prop_assert_eq!(&[&header.to_bytes()[..], data].concat(), &bytes);
                prop_assert!(header.place() < 1 << 22 && header.next_place() <= 1 << 22);
            }
        }
    }
}
