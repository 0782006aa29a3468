//! Layout of a buffer of ancillary data: the ANC packets of a frame or field, one record behind the other.
//!
//! All numbers are little endian. A unit begins with [`HEAD_BYTES`] bytes:
//!
//! | bytes | content |
//! |---|---|
//! | 0–3 | bytes of the unit, these included: at most [`UNIT_BYTES`] |
//! | 4–7 | ANC packets |
//! | 8–11 | of these, packets whose parity or checksum is wrong |
//! | 12–15 | 0 |
//!
//! Each ANC packet is a record of [`RECORD_BYTES`] bytes, then its user data, a 16-bit number a word, filled up to 4
//! bytes:
//!
//! | bytes | content |
//! |---|---|
//! | 0–1 | line |
//! | 2–3 | horizontal offset |
//! | 4 | stream |
//! | 5 | bit 0: in the colour difference (C) channel; bit 1: the stream is valid; bits 2–3: F of RFC 8331; bit 4: a word's parity is wrong; bit 5: the checksum is wrong |
//! | 6–7, 8–9, 10–11 | DID, SDID (or DBN), data count: all 10 bits |
//! | 12–13 | checksum, all 10 bits |
//! | 14–15 | words of user data: 0 to 255 |
//!
//! A sender reads bytes 0–1, 2–3, 4, bits 0 and 1 of byte 5, the low 8 bits of DID, SDID and each word, and bytes 14–15.
//! Parity, count, checksum and field are its own.

mod place;
mod reader;
mod record;
mod writer;

pub use place::{Place, Signalled};
pub use reader::{AncPacket, AncPackets, Unit, UnitError};
pub use record::Record;
pub(crate) use writer::head;
pub use writer::{UnitFull, UnitWriter};

/// Bytes of every unit's memory.
pub const UNIT_BYTES: usize = 1 << 16;
/// Bytes before the first record.
pub const HEAD_BYTES: usize = 16;
/// Bytes of a record before the user data.
pub const RECORD_BYTES: usize = 16;
/// Most words of user data in an ANC packet (ST 291-1 §6).
pub const MOST_WORDS: usize = 255;

/// Bytes of a record with so many words of user data.
#[must_use]
pub const fn record_bytes(words: usize) -> usize {
    RECORD_BYTES + words.div_ceil(2) * 4
}
