//! What a client saw of a frame.

use onair::{Buffer, Field, Status};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// A frame as a client process was shown it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Count of the session's frames.
    pub number: u64,
    /// RTP timestamp, in 1/90000 s.
    pub rtp_timestamp: u32,
    /// Interlaced: 1 for a first field, 2 for a second one.
    #[serde(default)]
    pub field: Option<u8>,
    /// Its time since the SMPTE Epoch, in TAI, ns.
    pub media_time_ns: Option<u64>,
    /// Whether it was shown as complete.
    pub complete: bool,
    /// Bytes that it says did not come.
    pub bytes_missing: u32,
    /// Packets that it says did not come.
    pub packets_lost: u32,
    /// The runs of bytes that it says did not come: offset and length, in order.
    pub missing: Vec<(u32, u32)>,
    /// xxh3 (seed 0) of all bytes.
    pub hash: u64,
    /// Whether the last eight bytes are the xxh3 of all before them, as in the frames of the
    /// pattern and in those that a test_client submits.
    pub checksum_right: bool,
    /// The first 16 bytes, as two numbers (little endian).
    pub head: [u64; 2],
}

impl Seen {
    /// Looks at a buffer.
    #[must_use]
    pub fn of(buffer: &Buffer<'_>) -> Self {
        let mut seen = Self {
            number: buffer.number(),
            rtp_timestamp: buffer.rtp_timestamp(),
            field: buffer.field().map(|field| match field {
                Field::First => 1,
                Field::Second => 2,
            }),
            media_time_ns: buffer.media_time_ns(),
            complete: true,
            bytes_missing: 0,
            packets_lost: 0,
            missing: Vec::new(),
            ..Self::bytes(buffer)
        };
        if let Status::Incomplete(incomplete) = buffer.status() {
            seen.complete = false;
            seen.bytes_missing = incomplete.bytes_missing;
            seen.packets_lost = incomplete.packets_lost;
            seen.missing = incomplete
                .ranges()
                .map(|range| (range.offset, range.len))
                .collect();
        }
        seen
    }

    /// What can be told from a frame's bytes alone; shown as complete.
    #[must_use]
    pub fn bytes(frame: &[u8]) -> Self {
        let word = |at: usize| {
            frame
                .get(at..)
                .and_then(|rest| rest.first_chunk())
                .map_or(0, |bytes| u64::from_le_bytes(*bytes))
        };
        let right = |(picture, sum): (&[u8], &[u8; 8])| xxh3_64(picture).to_le_bytes() == *sum;
        Self {
            number: 0,
            rtp_timestamp: 0,
            field: None,
            media_time_ns: None,
            complete: true,
            bytes_missing: 0,
            packets_lost: 0,
            missing: Vec::new(),
            hash: xxh3_64(frame),
            checksum_right: frame.split_last_chunk().is_some_and(right),
            head: [word(0), word(8)],
        }
    }

    /// The number in a frame of the built-in pattern whose checksum is right.
    #[must_use]
    pub fn pattern_number(&self) -> Option<u64> {
        let is_pattern = self.head[0] == u64::from_le_bytes(*b"ONAIRPAT");
        (is_pattern && self.checksum_right).then_some(self.head[1])
    }
}
