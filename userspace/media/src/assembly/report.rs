//! What is said about a frame when it is finished, and to whom.

use super::coverage::MissingRange;

/// Ranges that a report lists; there may be more.
pub const LISTED_RANGES: usize = 4;

/// A finished frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameReport {
    /// Its RTP timestamp, 90 kHz.
    pub rtp_timestamp: u32,
    /// Every byte of it came.
    pub complete: bool,
    /// Bytes that did not come; 0 when complete.
    pub bytes_missing: usize,
    /// The first ranges that did not come; see [`Self::missing`].
    pub listed: [MissingRange; LISTED_RANGES],
    /// How many of [`Self::listed`] are in use.
    pub listed_count: usize,
    /// Different packets of it that came.
    pub packets_received: u32,
    /// Sequence numbers that are missing between the first and the last packet that may be its own;
    /// 0 when complete. Where the packets at an edge were lost, whose they were is a guess.
    pub packets_lost: u32,
    /// Packets of it that came again while it was under way.
    pub duplicates: u32,
    /// When its first packet was pushed, in nanoseconds of the caller's clock.
    pub first_packet_ns: u64,
    /// When its last packet was pushed.
    pub last_packet_ns: u64,
    /// The packet with the marker came.
    pub marker_seen: bool,
}

impl FrameReport {
    /// The first ranges that did not come.
    #[must_use]
    pub fn missing(&self) -> &[MissingRange] {
        &self.listed[..self.listed_count]
    }

    /// Packets that the frame would have had: those that came and those that were lost.
    #[must_use]
    pub const fn packets_expected(&self) -> u32 {
        self.packets_received.saturating_add(self.packets_lost)
    }
}

/// Where the bytes of frames go: whoever owns the memory.
pub trait Sink {
    /// Names the memory of one frame between `open` and `finish`.
    type Slot: Copy;

    /// Memory for a new frame, or `None` when there is none; then the frame's packets are counted
    /// and skipped.
    fn open(&mut self, rtp_timestamp: u32) -> Option<Self::Slot>;

    /// Bytes at `offset` of the frame; `offset + bytes.len()` is at most the format's frame bytes.
    fn write(&mut self, slot: Self::Slot, offset: usize, bytes: &[u8]);

    /// No more will be written to `slot`. Frames are finished in the order of their timestamps.
    fn finish(&mut self, slot: Self::Slot, report: &FrameReport);
}
