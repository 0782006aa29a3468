//! Payloads of RTP packets with ANC packets: RFC 8331.

use onair_net::bytes::array;

use crate::ancillary::unit::{AncPacket, Place, Record, Signalled};
use crate::ancillary::words::{self, packed_bytes};

/// Bytes of a payload before its ANC packets: extended sequence number, length, count, field.
pub const HEADER_BYTES: usize = 8;
/// Bytes of an ANC packet before its words: where it is.
const PLACE_BYTES: usize = 4;
/// Words beside the user data: DID, SDID, count, checksum.
const OTHER_WORDS: usize = 4;
/// Place of the count in a payload.
const COUNT: usize = 4;
/// Place of the length in a payload.
const LENGTH: usize = 2;

/// Why bytes are not such a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadReject {
    /// Shorter than its header.
    #[error("payload is truncated")]
    Truncated,
    /// F is 01.
    #[error("field 01 is invalid (RFC 8331 §2.1)")]
    Field,
    /// The length is more than that of the ANC packets, or is beyond the payload.
    #[error("length {0} does not match the count of ANC packets, or the payload (RFC 8331 §2.1)")]
    Length(u16),
    /// An ANC packet ends beyond the length.
    #[error("{0} ANC packets do not fit the length")]
    Count(u8),
}

/// A payload whose ANC packets are all within its length. What follows the length is ignored: some senders fill up their
/// packets.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a> {
    /// The field that it names.
    pub field: Signalled,
    /// ANC packets; 0: the payload keeps the stream alive.
    pub packets: u8,
    data: &'a [u8],
    /// Bytes behind the length.
    pub(crate) behind: &'a [u8],
}

impl<'a> Payload<'a> {
    /// Checks every length of a payload. The contents of the ANC packets may be wrong: [`WirePacket::record`]
    /// says it.
    ///
    /// # Errors
    /// [`PayloadReject`]: the first reason that applies.
    pub fn parse(payload: &'a [u8]) -> Result<Self, PayloadReject> {
        let (payload, field) = Self::of_any_field(payload)?;
        let field = field.ok_or(PayloadReject::Field)?;
        Ok(Self { field, ..payload })
    }

    /// As [`Self::parse`], also of a payload whose field is invalid: `None`.
    pub(crate) fn of_any_field(
        payload: &'a [u8],
    ) -> Result<(Self, Option<Signalled>), PayloadReject> {
        let (header, rest) = payload
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(PayloadReject::Truncated)?;
        let &[_, _, c, d, packets, field, ..] = header;
        let length = u16::from_be_bytes([c, d]);
        let (data, behind) = rest
            .split_at_checked(length.into())
            .ok_or(PayloadReject::Length(length))?;
        let payload = Self {
            field: Signalled::default(),
            packets,
            data,
            behind,
        };
        let mut all = payload.iter();
        if all.by_ref().count() != usize::from(packets) {
            return Err(PayloadReject::Count(packets));
        }
        match all.data {
            [] => Ok((payload, Signalled::of_bits(field >> 6))),
            _ => Err(PayloadReject::Length(length)),
        }
    }

    /// The field of a payload of `bytes` bytes of which only the start is known, if it may be one: without bytes behind its
    /// length.
    pub(crate) fn field_of_start(start: &[u8], bytes: usize) -> Option<Signalled> {
        let &[_, _, c, d, _, field, reserved @ ..] = start.first_chunk::<HEADER_BYTES>()?;
        let end = usize::from(u16::from_be_bytes([c, d])) + HEADER_BYTES;
        let is_one = end == bytes && field & 0x3f == 0 && reserved == [0; 2];
        Signalled::of_bits(field >> 6).filter(|_| is_one)
    }

    /// The ANC packets, in order.
    #[must_use]
    pub const fn iter(&self) -> WirePackets<'a> {
        WirePackets {
            left: self.packets,
            data: self.data,
            field: self.field,
        }
    }
}

/// Bytes that an ANC packet with so many words of user data takes.
#[must_use]
pub const fn wire_bytes(user_words: usize) -> usize {
    PLACE_BYTES + packed_bytes(OTHER_WORDS + user_words)
}

impl<'a> IntoIterator for &Payload<'a> {
    type Item = WirePacket<'a>;
    type IntoIter = WirePackets<'a>;

    fn into_iter(self) -> WirePackets<'a> {
        self.iter()
    }
}

/// The ANC packets of a payload.
#[derive(Debug, Clone)]
pub struct WirePackets<'a> {
    left: u8,
    data: &'a [u8],
    field: Signalled,
}

impl<'a> Iterator for WirePackets<'a> {
    type Item = WirePacket<'a>;

    fn next(&mut self) -> Option<WirePacket<'a>> {
        self.left = self.left.checked_sub(1)?;
        let place = u32::from_be_bytes(array(self.data, 0)?);
        let packed = self.data.get(PLACE_BYTES..)?;
        let [_, count] = words::word(packed, 2)?.to_be_bytes();
        // Some senders leave the bits that fill up the last one out of the length.
        let bytes = wire_bytes(count.into()).min(self.data.len());
        let packed = self.data.get(PLACE_BYTES..bytes)?;
        words::word(packed, OTHER_WORDS - 1 + usize::from(count))?;
        self.data = &self.data[bytes..];
        Some(WirePacket {
            place: Place::of_bits(place),
            field: self.field,
            packed,
        })
    }
}

/// An ANC packet in a payload, with all of its words.
#[derive(Debug, Clone, Copy)]
pub struct WirePacket<'a> {
    place: Place,
    field: Signalled,
    packed: &'a [u8],
}

impl WirePacket<'_> {
    fn word(&self, index: usize) -> u16 {
        words::word(self.packed, index).expect("the words were counted")
    }

    /// DID and SDID (or DBN).
    #[must_use]
    pub fn kind(&self) -> (u8, u8) {
        let [did, sdid] = [0, 1].map(|index| self.word(index).to_be_bytes()[1]);
        (did, sdid)
    }

    /// The words of user data, as they came.
    pub fn data(&self) -> impl ExactSizeIterator<Item = u16> + '_ {
        let [_, count] = self.word(2).to_be_bytes();
        (0..usize::from(count)).map(|index| self.word(OTHER_WORDS - 1 + index))
    }

    /// The part of it in a unit that precedes the user data, with the verdicts on parity and checksum.
    #[must_use]
    pub fn record(&self) -> Record {
        let data = self.data();
        let [did, sdid, count] = [0, 1, 2].map(|index| self.word(index));
        let checksum = self.word(OTHER_WORDS - 1 + data.len());
        let summed = || [did, sdid, count].into_iter().chain(self.data());
        Record {
            place: self.place,
            field: self.field,
            did,
            sdid,
            count,
            checksum,
            is_parity_wrong: !summed().all(words::has_parity),
            is_checksum_wrong: words::checksum(summed()) != checksum,
        }
    }
}

/// Replaces `out` by one payload with the packets of a frame or field, of at most `most` bytes: as many as fit, in order.
/// Returns how many did not. The extended sequence number is 0. Parity and checksums are computed anew.
pub fn write<'a>(
    packets: impl IntoIterator<Item = AncPacket<'a>>,
    field: Signalled,
    most: usize,
    out: &mut Vec<u8>,
) -> usize {
    out.clear();
    begin(field, out);
    let mut packets = packets.into_iter();
    let mut left = 0;
    for packet in packets.by_ref() {
        if !push(&packet, 0, most, out) {
            left = 1;
            break;
        }
    }
    left + packets.count()
}

/// A payload without ANC packets, behind those that are there.
pub(crate) fn begin(field: Signalled, payloads: &mut Vec<u8>) {
    payloads.extend([0, 0, 0, 0, 0, field.bits() << 6, 0, 0]);
}

/// Appends an ANC packet to the last payload, which begins at `start`. `false`: the payload has no room for it within
/// `most` bytes, and is as before.
pub(crate) fn push(
    packet: &AncPacket<'_>,
    start: usize,
    most: usize,
    payloads: &mut Vec<u8>,
) -> bool {
    let needed = wire_bytes(packet.words().len());
    let all = payloads.len() - start + needed;
    let Ok(length) = u16::try_from(all - HEADER_BYTES) else {
        return false;
    };
    if all > most || payloads[start + COUNT] == u8::MAX {
        return false;
    }
    append(packet, needed, payloads);
    payloads[start + COUNT] += 1;
    payloads[start + LENGTH..start + COUNT].copy_from_slice(&length.to_be_bytes());
    true
}

/// An ANC packet, with parity and checksum of its own.
fn append(packet: &AncPacket<'_>, bytes: usize, payloads: &mut Vec<u8>) {
    payloads.extend(packet.record.place.bits().to_be_bytes());
    let (did, sdid) = packet.kind();
    let count = u8::try_from(packet.data().len()).expect("at most MOST_WORDS");
    let words = [did, sdid, count].into_iter().chain(packet.data());
    let words = words.map(words::with_parity);
    let sum = words::checksum(words.clone());
    let start = payloads.len();
    payloads.resize(start - 4 + bytes, 0);
    words::pack(words.chain([sum]), &mut payloads[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ancillary::rfc8331::Payload;
    use crate::ancillary::unit::{Place, Unit, UnitWriter};

    #[test]
    fn payload_of_three_packets_with_room_for_two_then_one_left() {
        let mut unit = vec![0; 400];
        let mut writer = UnitWriter::new(&mut unit).unwrap();
        for data in [&[1, 2, 3][..], &[4; 6], &[5]] {
            writer.push(Place::default(), (0x61, 2), data).unwrap();
        }
        let unit = Unit::parse(&unit).unwrap();
        let most = HEADER_BYTES + wire_bytes(3) + wire_bytes(6);
        let mut out = vec![7];
        assert_eq!(write(&unit, Signalled::Second, most, &mut out), 1);
        let payload = Payload::parse(&out).unwrap();
        assert_eq!((payload.packets, payload.field), (2, Signalled::Second));
        let records = payload.iter().map(|it| it.record());
        assert!(records.eq(unit.iter().take(2).map(|it| {
            let field = Signalled::Second;
            Record { field, ..it.record }
        })));
    }
}
