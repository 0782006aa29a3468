//! An ANC packet in a unit, without its user data.

use super::place::{Place, Signalled};
use super::{MOST_WORDS, RECORD_BYTES, record_bytes};

const CHROMA: u8 = 1;
const STREAM: u8 = 1 << 1;
const FIELD: u32 = 2;
const PARITY: u8 = 1 << 4;
const CHECKSUM: u8 = 1 << 5;

/// An ANC packet in a unit, without its user data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Where it is.
    pub place: Place,
    /// The field that its RTP packet names.
    pub field: Signalled,
    /// DID, all 10 bits.
    pub did: u16,
    /// SDID, or DBN if the DID is 0x80 or more; all 10 bits.
    pub sdid: u16,
    /// Data count, all 10 bits: the low 8 are the words of user data.
    pub count: u16,
    /// Checksum, all 10 bits.
    pub checksum: u16,
    /// A word's parity is wrong.
    pub is_parity_wrong: bool,
    /// The checksum is not that of the words.
    pub is_checksum_wrong: bool,
}

impl Record {
    /// Whether parity or checksum is wrong.
    #[must_use]
    pub const fn is_wrong(&self) -> bool {
        self.is_parity_wrong || self.is_checksum_wrong
    }

    /// Writes it with its user data to the start of `out`. Returns its bytes; `None`: they do not fit, or it has more
    /// words than [`MOST_WORDS`].
    pub(crate) fn write(
        self,
        data: impl ExactSizeIterator<Item = u16>,
        out: &mut [u8],
    ) -> Option<usize> {
        let words = data.len();
        let count = u16::try_from(words).ok()?;
        let bytes = record_bytes(words);
        let out = out.get_mut(..bytes).filter(|_| words <= MOST_WORDS)?;
        let (head, user) = out.split_at_mut(RECORD_BYTES);
        head.copy_from_slice(&self.to_bytes(count));
        // The last two bytes may fill up.
        if let Some(last) = user.last_chunk_mut() {
            *last = [0; 2];
        }
        for (two, word) in user.chunks_exact_mut(2).zip(data) {
            two.copy_from_slice(&word.to_le_bytes());
        }
        Some(bytes)
    }

    fn to_bytes(self, words: u16) -> [u8; RECORD_BYTES] {
        let Place { line, offset, .. } = self.place;
        let flags = [
            (self.place.is_chroma, CHROMA),
            (self.place.stream.is_some(), STREAM),
            (self.is_parity_wrong, PARITY),
            (self.is_checksum_wrong, CHECKSUM),
        ];
        let flags = flags.into_iter().filter(|(is_set, _)| *is_set);
        let flags = flags.fold(self.field.bits() << FIELD, |all, (_, flag)| all | flag);
        let mut bytes = [0; RECORD_BYTES];
        bytes[4..6].copy_from_slice(&[self.place.stream.unwrap_or(0), flags]);
        let numbers = [
            (0, line),
            (2, offset),
            (6, self.did),
            (8, self.sdid),
            (10, self.count),
            (12, self.checksum),
            (14, words),
        ];
        for (at, number) in numbers {
            bytes[at..at + 2].copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// The record, and its words of user data.
    pub(super) fn of_bytes(bytes: &[u8; RECORD_BYTES]) -> (Self, u16) {
        let number = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let (stream, flags) = (bytes[4], bytes[5]);
        let has = |flag| flags & flag != 0;
        let record = Self {
            place: Place {
                is_chroma: has(CHROMA),
                line: number(0),
                offset: number(2),
                stream: has(STREAM).then_some(stream),
            },
            field: Signalled::of_bits(flags >> FIELD).unwrap_or_default(),
            did: number(6),
            sdid: number(8),
            count: number(10),
            checksum: number(12),
            is_parity_wrong: has(PARITY),
            is_checksum_wrong: has(CHECKSUM),
        };
        (record, number(14))
    }
}
