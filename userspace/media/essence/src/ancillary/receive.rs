//! Units of ANC packets from RTP packets.

use crate::ancillary::rfc8331::{HEADER_BYTES, Payload, PayloadReject};
use crate::ancillary::unit::{HEAD_BYTES, UNIT_BYTES, head};
use crate::reasons::reasons;
use crate::receive::{Sink, UnitReport};
use crate::units::{Assembly, Reason, UnitReceiver};
use crate::video::{Field, FrameRate};

/// Packets of a unit: nearly all units have one.
pub(super) const PACKETS: u64 = 4;
/// Most RTP packets of a unit.
const MOST_PACKETS: usize = 1024;
/// Sequence numbers that may be missing between two units of one source.
const GAP: u64 = 1 << 10;

/// Makes the units of one flow. Allocates only in its constructor.
pub type AncillaryReceiver<S> = UnitReceiver<S, AncillaryAssembly>;

impl<S: Copy> AncillaryReceiver<S> {
    /// For so many units a second, in packets of this payload type, 0 to 127. A unit is closed after `timeout_ns` nanoseconds without a packet.
    #[must_use]
    pub fn new(rate: FrameRate, payload_type: u8, timeout_ns: u64) -> Self {
        let rate = (rate.numerator(), rate.denominator());
        Self::of(
            (rate, PACKETS),
            (payload_type, timeout_ns),
            AncillaryAssembly::default,
        )
    }
}

reasons! {
    /// Why an RTP packet is malformed. ANC packets with wrong parity or checksum are
    /// no reason: they go into the unit, and are flagged there.
    Malformed {
        /// F is 01.
        BadField "bad_field",
        /// The length does not match the payload.
        BadLength "bad_length",
        /// More ANC packets than the length has.
        BadCount "bad_count",
        /// The unit has no room for it.
        TooLarge "too_large",
    }
}

impl Reason for Malformed {
    const PAYLOAD_TYPE: Self = Self::BadPayloadType;

    fn is_of_other_format(self) -> bool {
        false
    }

    /// RFC 8331 §2.1: receivers ignore an invalid field.
    fn is_ignored(self) -> bool {
        matches!(self, Self::BadField)
    }
}

impl From<PayloadReject> for Malformed {
    fn from(reject: PayloadReject) -> Self {
        match reject {
            PayloadReject::Truncated => Self::Truncated,
            PayloadReject::Field => Self::BadField,
            PayloadReject::Length(_) => Self::BadLength,
            PayloadReject::Count(_) => Self::BadCount,
        }
    }
}

/// The records of one RTP packet.
#[derive(Debug, Clone, Copy)]
struct Records {
    /// Unwrapped sequence number.
    number: u64,
    start: usize,
    end: usize,
}

/// The ANC packets of a unit.
#[derive(Debug)]
pub struct AncillaryAssembly {
    tag: u32,
    packets: u32,
    wrong: u32,
    /// Records in the order of arrival, and where each RTP packet's are.
    records: Box<[u8]>,
    used: usize,
    parts: Vec<Records>,
}

impl AncillaryAssembly {
    /// Takes the ANC packets of a payload. Returns whether there was room.
    fn add(&mut self, payload: &Payload<'_>, number: u64) -> bool {
        let start = self.used;
        let (mut end, mut wrong) = (start, 0);
        for packet in payload {
            let record = packet.record();
            let Some(bytes) = record.write(packet.data(), &mut self.records[end..]) else {
                return false;
            };
            end += bytes;
            wrong += u32::from(record.is_wrong());
        }
        if self.parts.len() == MOST_PACKETS {
            return false;
        }
        self.parts.push(Records { number, start, end });
        self.used = end;
        self.packets += u32::from(payload.packets);
        self.wrong += wrong;
        true
    }
}

impl Default for AncillaryAssembly {
    fn default() -> Self {
        Self {
            tag: 0,
            packets: 0,
            wrong: 0,
            records: vec![0; UNIT_BYTES - HEAD_BYTES].into_boxed_slice(),
            used: 0,
            parts: Vec::with_capacity(MOST_PACKETS),
        }
    }
}

impl Assembly for AncillaryAssembly {
    type Part<'a> = Payload<'a>;
    type Malformed = Malformed;

    fn gap(&self) -> u64 {
        GAP
    }

    fn parse<'a>(&self, payload: &'a [u8], _marker: bool) -> Result<Payload<'a>, Malformed> {
        Ok(Payload::parse(payload)?)
    }

    fn begin(&mut self, first: Payload<'_>) {
        self.tag = Field::tag(first.field.field());
        (self.packets, self.wrong, self.used) = (0, 0, 0);
        self.parts.clear();
    }

    fn take<S: Copy>(
        &mut self,
        part: Payload<'_>,
        (number, _marker): (u64, bool),
        _slot: S,
        _sink: &mut impl Sink<Slot = S>,
    ) -> Result<(), Malformed> {
        let has_room = self.add(&part, number);
        has_room.then_some(()).ok_or(Malformed::TooLarge)
    }

    fn tag(&self) -> u32 {
        self.tag
    }

    /// Writes the unit in the order in which it was sent.
    fn finish<S: Copy>(
        &mut self,
        report: &mut UnitReport,
        _is_whole: bool,
        slot: S,
        sink: &mut impl Sink<Slot = S>,
    ) {
        let mut at = HEAD_BYTES;
        let head = head(HEAD_BYTES + self.used, self.packets, self.wrong);
        sink.write(slot, 0, &head);
        self.parts.sort_unstable_by_key(|part| part.number);
        for part in &self.parts {
            let records = &self.records[part.start..part.end];
            sink.write(slot, at, records);
            at += records.len();
        }
        report.tag = self.tag;
        if !report.complete {
            // At least: it is unknown what they had.
            let lost = usize::try_from(report.packets_lost.max(1)).unwrap_or(1);
            report.bytes_missing = HEADER_BYTES * lost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_all_then_each_in_its_own_place() {
        for (place, reason) in Malformed::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(reason), place);
        }
    }
}
