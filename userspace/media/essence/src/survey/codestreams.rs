//! State of packets that may be of JPEG XS.

use crate::ancillary::unit::Signalled;
use crate::jpeg_xs::PacketMode;
use crate::jpeg_xs::codestream::UnitHeader;
use crate::jpeg_xs::rfc9134::{HEADER_BYTES, PayloadHeader};

/// State of a stream's packets, in case it is JPEG XS.
#[derive(Debug, Clone, Default)]
pub(super) struct Codestreams {
    /// The headers of the first unit that shows some.
    pub(super) first: Option<(PayloadHeader, UnitHeader)>,
    /// A field came.
    pub(super) interlaced: bool,
    /// Packets whose counters agree with those of the packets before them.
    pub(super) agreeing: u64,
    /// Of these, packets that count on in a unit.
    pub(super) counting: u64,
    /// The packet before, and its timestamp.
    last: Option<(u32, PayloadHeader)>,
    /// The newest unit: what its packets have in common, and their bytes.
    unit: Option<(u32, Signalled)>,
    bytes: u64,
    /// Most bytes of a unit.
    pub(super) most: u64,
}

impl Codestreams {
    /// Adds a payload that came so many sequence numbers after the one before; `None`: it is a copy. `payload_bytes` are its
    /// bytes on the wire.
    pub(super) fn add(
        &mut self,
        (payload, payload_bytes): (&[u8], usize),
        timestamp: u32,
        after: Option<i16>,
    ) {
        let Ok((header, data)) = PayloadHeader::parse(payload) else {
            return;
        };
        let Some(after) = after else {
            self.agreeing += 1;
            return;
        };
        self.interlaced |= header.field != Signalled::Frame;
        self.count((timestamp, header), after);
        let unit = (timestamp, header.field);
        if self.unit != Some(unit) {
            let is_older = |it: (u32, _)| timestamp.wrapping_sub(it.0).cast_signed() < 0;
            if self.unit.is_some_and(is_older) {
                return;
            }
            (self.unit, self.bytes) = (Some(unit), 0);
        }
        self.bytes += payload_bytes.saturating_sub(HEADER_BYTES) as u64;
        self.most = self.most.max(self.bytes);
        if self.first.is_none() && header.place() == 0 {
            let unit = UnitHeader::parse(data).ok();
            self.first = unit.map(|unit| (header, unit));
        }
    }

    /// P goes on as sequence numbers do, also where packets are missing (RFC 9134 §4.3). Of the packets of another unit or
    /// slice as many at most can have come before.
    fn count(&mut self, (timestamp, header): (u32, PayloadHeader), after: i16) {
        let Some((before, last)) = self.last.replace((timestamp, header)) else {
            self.agreeing += 1;
            return;
        };
        let is_of_unit = (before, last.field) == (timestamp, header.field)
            && (header.mode == PacketMode::Codestream || last.separator == header.separator);
        let next = last.packet.wrapping_add_signed(after) & 0x7ff;
        let agrees = match is_of_unit {
            true => next == header.packet,
            false => u16::try_from(after).map_or(true, |after| header.packet < after),
        };
        self.agreeing += u64::from(agrees);
        self.counting += u64::from(agrees && is_of_unit);
    }
}
