//! The word of a frame that its client submits *open*: how far it has filled it.
//!
//! Layout: `serial:32 | progress:32`. The progress counts the essence's steps, from the frame's beginning. A frame
//! is open while the word has the serial of its loan, so that nothing has to be cleared between two loans.

use onair_mutant::mutant;

use crate::sync::{AtomicU64, Ordering};

/// The word in shared memory, which the client writes and the daemon reads.
#[repr(transparent)]
#[derive(Debug)]
pub struct FillWord(AtomicU64);

impl FillWord {
    /// No frame is open.
    pub fn closed() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Caller: so much of the loan `serial` is filled, and will not change. 0 opens it. SYNC: fill.
    #[inline(always)]
    pub fn reach(&self, serial: u32, progress: u32) {
        let order = mutant!("fill: told relaxed", Ordering::Relaxed, Ordering::Release);
        self.0
            .store(u64::from(serial) << 32 | u64::from(progress), order);
    }

    /// Daemon: how much of the loan `serial` is filled, as the client says; `None` if it is not open. SYNC: fill.
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "each half of the word is a field"
    )]
    pub fn reached(&self, serial: u32) -> Option<u32> {
        let order = mutant!("fill: read relaxed", Ordering::Relaxed, Ordering::Acquire);
        let word = self.0.load(order);
        let is_its = (word >> 32) as u32 == serial
            || mutant!("fill: the progress of an earlier loan counts");
        is_its.then_some(word as u32)
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn fill_word_of_another_loan_then_not_open() {
        let word = FillWord::closed();
        assert_eq!(word.reached(1), None);
        word.reach(1, 0);
        assert_eq!(word.reached(1), Some(0));
        word.reach(1, u32::MAX);
        assert_eq!((word.reached(1), word.reached(2)), (Some(u32::MAX), None));
    }
}
