//! Reads a unit.

use super::record::Record;
use super::{HEAD_BYTES, MOST_WORDS, RECORD_BYTES, UNIT_BYTES, record_bytes};

/// Why bytes are no unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// The unit's length is not between that of its head and that of the memory.
    #[error(
        "a unit of {0} bytes: it has {HEAD_BYTES} to {UNIT_BYTES}, and not more than the buffer"
    )]
    Length(u32),
    /// A record ends beyond the unit, or bytes are left.
    #[error("{0} ANC packets do not fit the unit's length")]
    Count(u32),
    /// More user data than an ANC packet has.
    #[error("an ANC packet of {0} words: it has at most {MOST_WORDS}")]
    Words(u16),
}

/// The ANC packets of a frame or field.
#[derive(Debug, Clone, Copy)]
pub struct Unit<'a> {
    packets: u32,
    wrong: u32,
    records: &'a [u8],
}

impl<'a> Unit<'a> {
    /// Bytes of the unit by the first [`HEAD_BYTES`] of it.
    ///
    /// # Errors
    /// [`UnitError::Length`].
    pub fn length(head: &[u8; HEAD_BYTES]) -> Result<usize, UnitError> {
        let length = number(head, 0);
        let bytes = usize::try_from(length).unwrap_or(usize::MAX);
        if (HEAD_BYTES..=UNIT_BYTES).contains(&bytes) {
            Ok(bytes)
        } else {
            Err(UnitError::Length(length))
        }
    }

    /// Checks the unit at the start of a buffer. Any bytes may come in.
    ///
    /// # Errors
    /// [`UnitError`].
    pub fn parse(buffer: &'a [u8]) -> Result<Self, UnitError> {
        let head = buffer.first_chunk().ok_or(UnitError::Length(0))?;
        let end = Self::length(head)?;
        let records = buffer
            .get(HEAD_BYTES..end)
            .ok_or(UnitError::Length(number(head, 0)))?;
        let unit = Self {
            packets: number(head, 4),
            wrong: number(head, 8),
            records,
        };
        let (mut all, mut packets) = (unit.iter(), 0);
        for packet in all.by_ref() {
            if packet.words.len() > 2 * MOST_WORDS {
                let words = u16::try_from(packet.words.len() / 2);
                return Err(UnitError::Words(words.unwrap_or(u16::MAX)));
            }
            packets += 1;
        }
        if packets == unit.packets && all.records.is_empty() {
            Ok(unit)
        } else {
            Err(UnitError::Count(unit.packets))
        }
    }

    /// ANC packets.
    #[must_use]
    pub const fn packets(&self) -> u32 {
        self.packets
    }

    /// How many of them have wrong parity or checksum.
    #[must_use]
    pub const fn wrong(&self) -> u32 {
        self.wrong
    }

    /// The ANC packets in the order of their RTP packets.
    #[must_use]
    pub const fn iter(&self) -> AncPackets<'a> {
        AncPackets {
            records: self.records,
        }
    }
}

impl<'a> IntoIterator for &Unit<'a> {
    type Item = AncPacket<'a>;
    type IntoIter = AncPackets<'a>;

    fn into_iter(self) -> AncPackets<'a> {
        self.iter()
    }
}

fn number(head: &[u8; HEAD_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
}

/// The ANC packets of a unit.
#[derive(Debug, Clone)]
pub struct AncPackets<'a> {
    records: &'a [u8],
}

impl<'a> Iterator for AncPackets<'a> {
    type Item = AncPacket<'a>;

    fn next(&mut self) -> Option<AncPacket<'a>> {
        let (record, rest) = self.records.split_first_chunk::<RECORD_BYTES>()?;
        let (record, words) = Record::of_bytes(record);
        let words = usize::from(words);
        let packet = AncPacket {
            record,
            words: rest.get(..2 * words)?,
        };
        self.records = self.records.get(record_bytes(words)..)?;
        Some(packet)
    }
}

/// An ANC packet (ST 291-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AncPacket<'a> {
    /// All of it but the user data.
    pub record: Record,
    words: &'a [u8],
}

impl<'a> AncPacket<'a> {
    /// DID and SDID, or DBN if the DID is 0x80 or more.
    #[must_use]
    pub const fn kind(&self) -> (u8, u8) {
        let [_, did] = self.record.did.to_be_bytes();
        let [_, sdid] = self.record.sdid.to_be_bytes();
        (did, sdid)
    }

    /// The words of user data, as they came.
    pub fn words(&self) -> impl ExactSizeIterator<Item = u16> + Clone + use<'a> {
        let two = self.words.chunks_exact(2);
        two.map(|two| u16::from_le_bytes([two[0], two[1]]))
    }

    /// The user data: the low 8 bits of each word.
    pub fn data(&self) -> impl ExactSizeIterator<Item = u8> + Clone + use<'a> {
        self.words().map(|word| word.to_le_bytes()[0])
    }
}
