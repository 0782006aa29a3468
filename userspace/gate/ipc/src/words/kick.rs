//! The one-shot notification from the last caller to the draining daemon.
//!
//! The daemon arms the word, executes the heavy fence, and scans. A caller that leaves lowers its
//! slot, executes the light fence, and reads the word. If the word is armed and no slot counts a user
//! any more, it takes the request, and sends one byte on the attach socket. Because the daemon arms
//! before it scans, and a caller lowers before it reads, no notification is lost: of several callers
//! that leave, the one whose lower count is visible last sees no other.

use onair_mutant::mutant;

use crate::sync::{AtomicU32, Ordering, fence};

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

    /// Takes the request, if there is one and no user is inside: true means that this caller must
    /// notify. SYNC: kick, last-to-leave.
    #[inline(always)]
    pub fn take(&self, is_user_inside: impl FnOnce() -> bool) -> bool {
        // No drain waits in most calls: they pay for one load, not for the fence nor the look at other slots.
        self.0.load(Ordering::Acquire) != 0 && self.take_as_last(is_user_inside)
    }

    #[cold]
    fn take_as_last(&self, is_user_inside: impl FnOnce() -> bool) -> bool {
        if mutant!("kick: taken, then kept for another one") {
            return self.0.swap(0, Ordering::SeqCst) != 0 && !is_user_inside();
        }
        // Of two that leave at the same time, one sees that the other has left.
        if !mutant!("kick: no fence before the look at the others") {
            fence();
        }
        !is_user_inside()
            && mutant!(
                "kick: taken by two",
                self.0.load(Ordering::SeqCst),
                self.0.swap(0, Ordering::SeqCst)
            ) != 0
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn kick_armed_then_taken_by_one() {
        let kick = Kick::unarmed();
        assert!(!kick.take(|| false));
        kick.arm();
        assert!(kick.is_armed());
        assert!(kick.take(|| false));
        assert!(!kick.is_armed());
        assert!(!kick.take(|| false), "one notification for each request");
        kick.arm();
        assert!(!kick.take(|| true), "another one will notify");
        assert!(kick.is_armed());
        kick.disarm();
        assert!(!kick.take(|| false));
    }
}
