//! What copies.

use onair_dpdk::DmaChannel;

/// A channel of an engine: takes copies, and ends them in their order.
///
/// # Safety
/// It reads and writes only what it was given, and nothing of a copy that [`Self::completed`] has told of, or after
/// [`Self::stop`] has returned true.
pub unsafe trait Channel {
    /// Its engine's name.
    fn name(&self) -> &str;

    /// Takes a copy of `length` bytes, which begins with [`Self::submit`]. False: too many are under way.
    ///
    /// # Safety
    /// Until the copy has ended, the bytes at `from` are readable and those at `to` writable.
    unsafe fn copy(&mut self, from: *const u8, to: *mut u8, length: u32) -> bool;

    /// Lets the engine begin.
    fn submit(&mut self);

    /// How many further copies have ended; of each, whether it failed.
    fn completed(&mut self, failed: &mut [bool; DmaChannel::TOLD]) -> usize;

    /// Ends the copies under way. Whether the engine touches no memory any more.
    fn stop(&mut self) -> bool;
}

// SAFETY: rte_dmadev.h promises both of an engine with one user; DmaChannel is the only one.
unsafe impl Channel for DmaChannel {
    fn name(&self) -> &str {
        Self::name(self)
    }

    #[inline]
    unsafe fn copy(&mut self, from: *const u8, to: *mut u8, length: u32) -> bool {
        // SAFETY: the caller's promise.
        unsafe { Self::copy(self, from, to, length) }
    }

    #[inline]
    fn submit(&mut self) {
        Self::submit(self);
    }

    #[inline]
    fn completed(&mut self, failed: &mut [bool; Self::TOLD]) -> usize {
        Self::completed(self, failed)
    }

    fn stop(&mut self) -> bool {
        Self::stop(self)
    }
}
