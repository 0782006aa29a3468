//! The payload of an RTP packet (RFC 8331 §2.1), checked once.

use onair_net::bytes::array;

use crate::ancillary::unit::{Place, Record, Signalled};
use crate::ancillary::words::{self, packed_bytes};

/// Bytes of a payload before its ANC packets: extended sequence number, length, count, field.
pub const HEADER_BYTES: usize = 8;
/// Bytes of an ANC packet before its words: where it is.
const PLACE_BYTES: usize = 4;
/// Words beside the user data: DID, SDID, count, checksum.
const OTHER_WORDS: usize = 4;

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

/// Bytes that an ANC packet with so many words of user data takes.
#[must_use]
pub const fn wire_bytes(user_words: usize) -> usize {
    PLACE_BYTES + packed_bytes(OTHER_WORDS + user_words)
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
