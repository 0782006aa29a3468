//! The one-shot notification from the last caller to the draining daemon.
//!
//! The daemon arms the word, executes the heavy fence, and scans; a caller that leaves lowers its
//! slot, executes the light fence, and looks at the word. Whoever takes it sends one byte on the
//! attach socket. Arming before scanning, and lowering before looking, make losing it impossible.

use onair_mutant::mutant;

use crate::sync::{AtomicU32, Ordering};

/// The word.
#[repr(transparent)]
#[derive(Debug)]
pub struct Kick(AtomicU32);

impl Kick {
    /// An unarmed kick.
    pub fn unarmed() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Asks for one notification. SYNC: kick.
    pub fn arm(&self) {
        self.0.store(1, Ordering::SeqCst);
    }

    /// Withdraws the request.
    pub fn disarm(&self) {
        self.0.store(0, Ordering::SeqCst);
    }

    /// Takes the request, if there is one: true means that this caller has to notify. SYNC: kick.
    #[inline(always)]
    pub fn take(&self) -> bool {
        self.0.load(Ordering::Acquire) != 0
            && mutant!(
                "kick: taken by two",
                self.0.load(Ordering::SeqCst),
                self.0.swap(0, Ordering::SeqCst)
            ) != 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn kick_armed_then_taken_by_one() {
        let kick = Kick::unarmed();
        assert!(!kick.take());
        kick.arm();
        assert!(kick.take());
        assert!(!kick.take(), "one notification for each request");
        kick.arm();
        kick.disarm();
        assert!(!kick.take());
    }
}
