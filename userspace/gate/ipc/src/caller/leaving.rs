//! Ends a process's use of an attachment: the gates close at once, and the memory is released when
//! no guard borrows it. `docs/gate.md` has the rules, under *detach*.

use core::sync::atomic::Ordering;

use onair_mutant::mutant;

use super::{Attachment, fork};
use crate::label;
use crate::pins::End;
use crate::sys;

impl Attachment {
    /// Leaves for good, after a detach, a destroy, or another end. It wakes each sleeper. From now
    /// on every call returns [`Refusal::Stale`](super::Refusal::Stale), also in threads that call
    /// later. Closed and zeroed pages replace the shared ones: `ctl` at once, the others when no
    /// guard borrows a frame and no caller is inside. Until then the daemon sees the words mapped,
    /// and writes to no frame that was held.
    pub fn leave(&self, end: End) {
        self.close();
        // No caller can pass the gates now: the session's is on a page of zeros.
        let early = mutant!("leave: the check comes before the end is noted");
        let kept = early && !self.pins.may_let_go(|| self.callers());
        self.pins.defer(end);
        label!("leave.deferred");
        if !kept {
            self.end_look();
        }
    }

    fn close(&self) {
        self.left.store(true, Ordering::SeqCst);
        label!("leave.marked");
        self.words.local_gate().stop();
        // A sleeper in wait_started sleeps on the closed gate's value: the value has to change.
        self.words
            .local_gate()
            .word()
            .fetch_add(2, Ordering::SeqCst);
        let early = mutant!("leave: wakes before the session's gate is replaced");
        if early {
            sys::futex_wake(self.words.local_gate().word(), sys::ALL);
            self.words.ring_all();
        }
        self.words.ctl().tombstone();
        label!("leave.ctl_gone");
        // Wake again after it: until then a start by another thread could open the gate again, and
        // a caller that entered would sleep on.
        if !early {
            sys::futex_wake(self.words.local_gate().word(), sys::ALL);
            self.words.ring_all();
        }
        label!("leave.rung");
    }

    /// After a slot was left, or a pin or a frame word was cleared: checks whether it was the last
    /// one that kept the memory. SYNC: deferred.
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
            // The frames first: the daemon writes to a frame that was held as soon as it sees the
            // words unmapped.
            if mutant!("leave: the words go before the frames") {
                self.words.seg().tombstone();
            }
            self.frames.tombstone();
            label!("leave.frames_gone");
            self.words.seg().tombstone();
            label!("leave.seg_gone");
        }
    }

    /// Threads of this process inside a call. After [`Attachment::stop`] the number only decreases,
    /// and after it was 0 no call of this process can take a frame. SYNC: light-heavy.
    pub fn callers(&self) -> u32 {
        if self.plain {
            crate::sync::heavy();
        } else {
            crate::sync::fence();
        }
        let counted = self.words.slots().iter().map(|slot| slot.read(0).count);
        counted.fold(0, u32::saturating_add)
    }

    /// Whether this process inherited the attachment by a fork: its memory, its threads and its
    /// connection belong to the parent.
    pub fn is_inherited(&self) -> bool {
        self.generation != fork::generation()
    }
}
