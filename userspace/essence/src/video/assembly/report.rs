//! Report of a finished frame, and its receiver.

use super::coverage::MissingRange;

/// Most ranges in a report; there may be more.
pub const LISTED_RANGES: usize = 4;

/// A finished frame, or of interlaced video a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameReport {
    /// Its RTP timestamp, 90 kHz.
    pub rtp_timestamp: u32,
    /// Whether every byte arrived, and the source's picture is not larger than the session's.
    pub complete: bool,
    /// Bytes that did not arrive; 0 if complete, or if only the format is wrong.
    pub bytes_missing: usize,
    /// First ranges that did not arrive; see [`Self::missing`].
    pub listed: [MissingRange; LISTED_RANGES],
    /// Number of entries of [`Self::listed`] in use.
    pub listed_count: usize,
    /// Different packets of it that arrived.
    pub packets_received: u32,
    /// Missing sequence numbers between the first and the last packet that may belong to it; 0 if
    /// complete. If packets at an edge were lost, their frame is a guess.
    pub packets_lost: u32,
    /// Packets that arrived again during assembly.
    pub duplicates: u32,
    /// When its first packet was pushed, in nanoseconds of the caller's clock.
    pub first_packet_ns: u64,
    /// When its last packet was pushed, in nanoseconds of the caller's clock.
    pub last_packet_ns: u64,
    /// Whether the packet with the marker arrived.
    pub marker_seen: bool,
    /// Whether packets of it, or of the time before it, do not fit the raster: the source sends
    /// another format.
    pub wrong_format: bool,
    /// Interlaced: it is the second field of its frame.
    pub second_field: bool,
}

impl FrameReport {
    /// First ranges that did not arrive.
    #[must_use]
    pub fn missing(&self) -> &[MissingRange] {
        &self.listed[..self.listed_count]
    }
}

/// Destination of the frames' bytes: owns the memory.
pub trait Sink {
    /// Handle of one frame's memory between `open` and `finish`.
    type Slot: Copy;

    /// Memory for a new frame. With `None` the frame's packets are counted and skipped.
    fn open(&mut self, rtp_timestamp: u32) -> Option<Self::Slot>;

    /// Writes bytes at `offset` of the frame; `offset + bytes.len()` is at most the format's frame
    /// size.
    fn write(&mut self, slot: Self::Slot, offset: usize, bytes: &[u8]);

    /// Nothing more is written to `slot`. Frames finish in the order of their timestamps.
    fn finish(&mut self, slot: Self::Slot, report: &FrameReport);
}
