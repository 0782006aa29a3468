//! Frames that guards of this process borrow, and the release of an ended attachment's memory.
//!
//! The shared words cannot tell: a revoked frame looks the same whether a guard borrows it or an
//! application forgot its handle. So the process keeps pins in private memory. The taking call sets
//! a pin before it leaves its slot, and the guard clears it before it returns the frame.
//! [`Pins::may_let_go`] checks pins and callers after the end. Each later call that returns and
//! each later guard that is dropped checks again, and the last one releases the memory.

use onair_mutant::mutant;

use crate::sync::{AtomicU32, Ordering, full, light};

/// How the attachment ended for this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum End {
    /// The application ended it: memory that no guard borrows is released, even if a raw handle
    /// names it.
    ByHand = 1,
    /// An answer or a hang-up reported it: frames that the frame words show as held stay, too.
    FoundOut = 2,
}

/// Value of `deferred` before an end.
const ATTACHED: u32 = 0;
/// Value of `deferred` once one thread has taken it on itself to release the memory.
const LET_GO: u32 = 3;

/// The pins of one attachment, and its end.
#[derive(Debug)]
pub struct Pins {
    frames: Box<[AtomicU32]>,
    /// [`ATTACHED`], an [`End`] whose memory is not yet released, or [`LET_GO`].
    deferred: AtomicU32,
}

impl Pins {
    /// No pin on any of `frames` frames.
    #[must_use]
    pub fn new(frames: u32) -> Self {
        Self {
            frames: (0..frames).map(|_| AtomicU32::new(0)).collect(),
            deferred: AtomicU32::new(ATTACHED),
        }
    }

    /// Caller: a guard will borrow `frame`. Call it after the frame is taken and before the slot is
    /// left: a thread that sees the slot left sees the pin. SYNC: pin.
    ///
    /// # Panics
    /// If the frame does not exist.
    #[inline(always)]
    pub fn pin(&self, frame: u32) {
        self.frames[frame as usize].store(1, Ordering::Relaxed);
    }

    /// Guard: `frame` is no longer borrowed. Call it before the frame is returned: after the
    /// return, another thread may have pinned the frame's next loan. `plain` as in
    /// [`Slot::enter`](crate::slot::Slot::enter). Check [`Pins::deferred`] after it.
    /// SYNC: pin, light-heavy.
    ///
    /// # Panics
    /// If the frame does not exist.
    #[inline(always)]
    pub fn unpin(&self, frame: u32, plain: bool) {
        let pin = &self.frames[frame as usize];
        if plain {
            let order = mutant!("pin: cleared relaxed", Ordering::Relaxed, Ordering::Release);
            pin.store(0, order);
            if !mutant!("pin: no light fence after it is cleared") {
                light();
            }
        } else {
            pin.swap(0, Ordering::SeqCst);
            full();
        }
    }

    /// The end, if a pin or a caller still keeps the memory. Check it after each [`Pins::unpin`]
    /// and after each slot that is left. SYNC: deferred.
    #[inline(always)]
    pub fn deferred(&self) -> Option<End> {
        match self.deferred.load(Ordering::Acquire) {
            1 => Some(End::ByHand),
            2 => Some(End::FoundOut),
            _ => None,
        }
    }

    /// The attachment has ended: from now on each thread that unpins a frame or leaves a slot
    /// checks whether it was the last. Call it when no caller can pass the gates, and before the
    /// ending thread's own check. An end by hand replaces an end that was found out.
    /// SYNC: deferred.
    pub fn defer(&self, end: End) {
        let before: &[u32] = match end {
            End::ByHand => &[ATTACHED, End::FoundOut as u32],
            End::FoundOut => &[ATTACHED],
        };
        for &before in before {
            let _ = self.deferred.compare_exchange(
                before,
                end as u32,
                Ordering::SeqCst,
                Ordering::Relaxed,
            );
        }
        full();
    }

    /// Whether no guard borrows a frame and no caller can still take one, after [`Pins::defer`].
    /// `callers` counts them, after a heavy fence. Once true, it stays true. SYNC: pin, deferred.
    pub fn may_let_go(&self, callers: impl FnOnce() -> u32) -> bool {
        // If two threads unpin at the same time, one of them sees that it is the last.
        crate::sync::fence();
        // Check the pins again: a caller that was inside at the first check may have left with a
        // frame.
        let blind = mutant!("leave: although a frame is pinned");
        let once = mutant!("leave: the pins only before the callers");
        (blind || !self.is_any())
            && (mutant!("leave: although a caller is inside") || callers() == 0)
            && (blind || once || !self.is_any())
    }

    /// Chooses the calling thread to release the memory. Exactly one thread is chosen, and none if
    /// the end has changed. SYNC: deferred.
    #[must_use]
    pub fn let_go(&self, end: End) -> bool {
        let won = self
            .deferred
            .compare_exchange(end as u32, LET_GO, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok();
        won || mutant!("leave: each thread that checks releases the memory")
    }

    /// Whether a guard borrows a frame.
    fn is_any(&self) -> bool {
        let order = mutant!("pin: read relaxed", Ordering::Relaxed, Ordering::Acquire);
        self.frames.iter().any(|pin| pin.load(order) != 0)
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn pins_ended_twice_then_by_hand_wins_and_one_releases_them() {
        let pins = Pins::new(2);
        assert_eq!(pins.deferred(), None);
        pins.defer(End::FoundOut);
        pins.defer(End::ByHand);
        pins.defer(End::FoundOut);
        assert_eq!(pins.deferred(), Some(End::ByHand));
        assert!(!pins.let_go(End::FoundOut), "another end by now");
        assert!(pins.let_go(End::ByHand));
        assert!(!pins.let_go(End::ByHand), "once");
        pins.defer(End::ByHand);
        assert_eq!(pins.deferred(), None, "let go already");
    }

    #[test]
    fn pins_one_set_or_a_caller_inside_then_kept() {
        for plain in [true, false] {
            let pins = Pins::new(2);
            pins.pin(1);
            pins.defer(End::ByHand);
            assert!(!pins.may_let_go(|| 0));
            pins.unpin(1, plain);
            assert!(!pins.may_let_go(|| 1));
            // The caller leaves with a frame.
            assert!(!pins.may_let_go(|| {
                pins.pin(0);
                0
            }));
            pins.unpin(0, plain);
            assert!(pins.may_let_go(|| 0));
        }
    }
}
