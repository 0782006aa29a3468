//! The one-shot notification from the last caller to the draining daemon.
//!
//! The daemon arms the word, executes the heavy fence, and scans. A caller that leaves lowers its
//! slot, executes the light fence, and reads the word. The caller that takes the request sends one
//! byte on the attach socket. Because the daemon arms before it scans, and a caller lowers before
//! it reads, no notification is lost.

use onair_mutant::mutant;

use crate::sync::{AtomicU32, Ordering};

/// A request for one notification.
#[repr(transparent)]
#[derive(Debug)]
pub struct Kick(AtomicU32);

impl Kick {
    /// An unarmed kick.
    pub fn unarmed() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Requests one notification. SYNC: kick.
    pub fn arm(&self) {
        self.0.store(1, Ordering::SeqCst);
    }

    /// Withdraws the request.
    pub fn disarm(&self) {
        self.0.store(0, Ordering::SeqCst);
    }

    /// Whether the request waits.
    pub fn is_armed(&self) -> bool {
        self.0.load(Ordering::SeqCst) != 0
    }

    /// Takes the request, if there is one: true means that this caller must notify. SYNC: kick.
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
        assert!(kick.is_armed());
        assert!(kick.take());
        assert!(!kick.is_armed());
        assert!(!kick.take(), "one notification for each request");
        kick.arm();
        kick.disarm();
        assert!(!kick.take());
    }
}
