//! Frames that a DMA engine fills.

use onair_copier::Copies;
use onair_essence::receive::{Sink, UnitReport};
use onair_mutant::mutant;

use crate::runtime::frame_pool::FramePool;

/// A session's frames, and what copies packets into them beside the core: its writes wait for no cache line, so there
/// is nothing to fetch. A frame with copies under way is passed on when they have ended.
pub(super) struct Filling<'a> {
    pub(super) pool: &'a mut FramePool,
    pub(super) copies: &'a mut Copies,
}

impl Filling<'_> {
    /// Ends the copies early: frames are needed.
    #[cold]
    fn settle(&mut self) {
        self.copies.wait();
        self.pool.publish_copied();
    }
}

impl Sink for Filling<'_> {
    type Slot = u32;

    fn open(&mut self, rtp_timestamp: u32) -> Option<u32> {
        let frame = self.pool.open(rtp_timestamp);
        if frame.is_some() || self.pool.copied.is_empty() {
            return frame;
        }
        self.settle();
        self.pool.open(rtp_timestamp)
    }

    #[inline]
    fn write(&mut self, frame: u32, offset: usize, bytes: &[u8]) {
        if self.copies.copy(self.pool.frames(), frame, offset, bytes) {
            self.pool.has_copies = true;
        } else {
            self.pool.write(frame, offset, bytes);
        }
    }

    fn finish(&mut self, frame: u32, report: &UnitReport) {
        if self.pool.copied.is_full() {
            self.settle();
        }
        let waits = self.pool.has_copies || !self.pool.copied.is_empty();
        if waits && !mutant!("copies: a frame is passed on before they end") {
            self.pool.finish_copied(frame, report);
        } else {
            self.pool.finish(frame, report);
        }
    }

    #[inline]
    fn fetch_word(&self, word: &u64) {
        self.pool.fetch_word(word);
    }
}
