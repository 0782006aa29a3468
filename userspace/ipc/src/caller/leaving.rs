//! How a process leaves an attachment: the way in closes at once, and the memory goes when no guard
//! borrows it any more. The rules are in `docs/gate.md`, under *detach*.

use core::sync::atomic::{Ordering, fence};

use onair_mutant::mutant;

use super::{Attachment, fork};
use crate::label;
use crate::pins::End;
use crate::sys;

impl Attachment {
    /// Leaves for good, after a detach, a destroy, or another end. Each sleeper is woken, and every
    /// call from now on returns [`Refusal::Stale`](super::Refusal::Stale), also in threads that come
    /// late. Closed and zeroed pages take the place of the shared ones: of `ctl` at once, of the
    /// others when no guard borrows a frame and no caller is inside. Until then the daemon sees the
    /// words mapped, and writes to no frame that was held.
    pub fn leave(&self, end: End) {
        self.close();
        // No caller passes the gates any more: the session's is on a page of zeros.
        self.pins.defer(end);
        label!("leave.deferred");
        self.end_look();
    }

    fn close(&self) {
        self.left.store(true, Ordering::SeqCst);
        label!("leave.marked");
        self.words.local_gate().stop();
        // A sleeper in wait_started sleeps on the closed gate's value: it has to move.
        self.words
            .local_gate()
            .word()
            .fetch_add(2, Ordering::SeqCst);
        self.words.ctl().tombstone();
        label!("leave.ctl_gone");
        // Rung after it: until then a start of another thread could open the way in again, and whoever
        // came in would sleep on.
        sys::futex_wake(self.words.local_gate().word(), sys::ALL);
        self.ring_all();
        label!("leave.rung");
    }

    /// After a slot was left, or a pin or a frame word was cleared: whether this was the last one
    /// that the memory was kept for. SYNC: deferred.
    #[inline(always)]
    pub(super) fn end_look(&self) {
        if let Some(end) = self.pins.deferred() {
            self.let_go_if_last(end);
        }
    }

    #[cold]
    fn let_go_if_last(&self, end: End) {
        if !self.pins.may_let_go(|| self.callers()) {
            return;
        }
        let asks = match end {
            End::FoundOut => !mutant!("leave: found out, held handles keep nothing"),
            End::ByHand => mutant!("leave: by hand, held handles keep the memory"),
        };
        if asks && self.held() > 0 {
            return;
        }
        if self.pins.let_go(end) {
            // The frames first: the daemon writes to a frame that was held as soon as it sees that
            // the words are not mapped.
            self.frames.tombstone();
            label!("leave.frames_gone");
            self.words.seg().tombstone();
            label!("leave.seg_gone");
        }
    }

    /// Threads of this process that are inside a call now. After [`Attachment::stop`] the number
    /// only falls, and once it was 0 no call of this process can take a frame any more.
    /// SYNC: light-heavy.
    pub fn callers(&self) -> u32 {
        if self.plain {
            crate::sync::heavy();
        } else {
            fence(Ordering::SeqCst);
        }
        let counted = self.words.slots().iter().map(|slot| slot.read(0).count);
        counted.fold(0, u32::saturating_add)
    }

    /// Whether this process inherited the attachment by a fork: its memory and its threads stayed with
    /// the parent, and the connection is the parent's.
    pub fn is_inherited(&self) -> bool {
        self.generation != fork::generation()
    }
}
