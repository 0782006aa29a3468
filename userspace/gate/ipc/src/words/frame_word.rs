//! The word of one frame in one attachment: serial, slot and state in 64 bits.
//!
//! `serial:32 | slot:16 | state:8` (eight bits unused between slot and serial). Each loan has a new
//! serial, so a word from an earlier loan cannot be mistaken for the present one. A frame changes
//! hands only by a compare-and-exchange on the whole word.

use onair_mutant::mutant;

use crate::sync::{AtomicU64, Ordering};

/// State of a frame, as its word shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameState {
    /// Not on loan.
    Free = 0,
    /// On loan; no caller has taken it yet.
    Ready = 1,
    /// Taken by a caller.
    Held = 2,
    /// Returned by the caller, not yet credited by the daemon.
    Released = 3,
    /// Taken back by the daemon from an evicted attachment.
    Revoked = 4,
}

/// The parts of a frame word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameTag {
    /// Serial of the loan; 0 is never used.
    pub serial: u32,
    /// The slot of the caller that took the frame; 0 while it is ready.
    pub slot: u16,
    /// State byte; [`FrameTag::state`] reads it.
    pub state: u8,
}

impl FrameTag {
    /// A tag.
    #[inline(always)]
    pub fn new(serial: u32, slot: u16, state: FrameState) -> Self {
        Self {
            serial,
            slot,
            state: state as u8,
        }
    }

    /// The word for this tag.
    #[inline(always)]
    pub fn encode(self) -> u64 {
        u64::from(self.serial) << 32 | u64::from(self.slot) << 8 | u64::from(self.state)
    }

    /// The tag in a word. Total: every word has one, hostile words too.
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the shifts leave the field's width"
    )]
    pub fn decode(word: u64) -> Self {
        Self {
            serial: (word >> 32) as u32,
            slot: (word >> 8) as u16,
            state: word as u8,
        }
    }

    /// The state, or `None` for an unknown byte.
    pub fn state(self) -> Option<FrameState> {
        Some(match self.state {
            0 => FrameState::Free,
            1 => FrameState::Ready,
            2 => FrameState::Held,
            3 => FrameState::Released,
            4 => FrameState::Revoked,
            _ => return None,
        })
    }
}

/// The word in shared memory.
#[repr(transparent)]
#[derive(Debug)]
pub struct FrameWord(AtomicU64);

impl FrameWord {
    /// A free frame.
    pub fn free() -> Self {
        Self(AtomicU64::new(0))
    }

    /// The current tag. SYNC: frame-release (with [`FrameWord::release`]).
    #[inline(always)]
    pub fn load(&self) -> FrameTag {
        let order = mutant!(
            "frame: credited relaxed",
            Ordering::Relaxed,
            Ordering::Acquire
        );
        FrameTag::decode(self.0.load(order))
    }

    /// Daemon: the frame's contents are complete and `serial` may be taken. SYNC: frame-publish.
    #[inline(always)]
    pub fn publish(&self, serial: u32) {
        let ready = FrameTag::new(serial, 0, FrameState::Ready).encode();
        let order = mutant!(
            "frame: published relaxed",
            Ordering::Relaxed,
            Ordering::Release
        );
        self.0.store(ready, order);
    }

    /// Caller: whether the frame `serial` is ready. The caller checks this before it notes the
    /// intent. SYNC: frame-publish.
    #[inline(always)]
    pub fn is_ready(&self, serial: u32) -> bool {
        self.0.load(Ordering::Acquire) == FrameTag::new(serial, 0, FrameState::Ready).encode()
    }

    /// Caller: takes the ready frame `serial` for `slot`. SYNC: frame-publish.
    #[inline(always)]
    pub fn take(&self, serial: u32, slot: u16) -> bool {
        let ready = FrameTag::new(serial, 0, FrameState::Ready).encode();
        let held = FrameTag::new(serial, slot, FrameState::Held).encode();
        let order = mutant!("frame: taken relaxed", Ordering::Relaxed, Ordering::AcqRel);
        // Relaxed if it fails: then the caller reads nothing of the frame.
        self.0
            .compare_exchange(ready, held, order, Ordering::Relaxed)
            .is_ok()
    }

    /// Caller: returns the held frame. On failure it yields the tag that it found.
    /// SYNC: frame-release.
    #[inline(always)]
    pub fn release(&self, serial: u32, slot: u16) -> Result<(), FrameTag> {
        let loan = mutant!(
            "frame: a put of an earlier loan releases the present one",
            self.load().serial,
            serial
        );
        let held = FrameTag::new(loan, slot, FrameState::Held).encode();
        let released = FrameTag::new(loan, slot, FrameState::Released).encode();
        // SeqCst: the caller then reads the kick, another word, and that load must not go ahead of this store.
        let order = mutant!("frame: put relaxed", Ordering::Relaxed, Ordering::SeqCst);
        let result = self
            .0
            .compare_exchange(held, released, order, Ordering::Relaxed);
        if !mutant!("put: no fence before the kick") {
            crate::sync::full();
        }
        result.map(|_| ()).map_err(FrameTag::decode)
    }

    /// Daemon: takes back a ready frame that no caller has taken.
    pub fn withdraw(&self, serial: u32) -> bool {
        if mutant!("frame: taken back without a compare-exchange") && self.load().serial == serial {
            self.clear();
            return true;
        }
        // A caller may take it now: one of the two exchanges fails.
        self.0
            .compare_exchange(
                FrameTag::new(serial, 0, FrameState::Ready).encode(),
                0,
                Ordering::AcqRel,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// Daemon: marks the credited frame as free.
    pub fn clear(&self) {
        self.0.store(0, Ordering::Release);
    }

    /// Daemon: takes the frame from an evicted attachment, whatever the word says. Returns the
    /// previous tag. SYNC: frame-release (if the frame had been returned).
    pub fn revoke(&self, serial: u32) -> FrameTag {
        let revoked = FrameTag::new(serial, 0, FrameState::Revoked).encode();
        if mutant!("evict: the frame word is read, then stored") {
            let found = self.load();
            // Some time, so that what comes between does not depend on luck.
            for _ in 0..100 {
                let _ = self.load();
            }
            self.0.store(revoked, Ordering::Release);
            return found;
        }
        let order = mutant!(
            "evict: swapped relaxed",
            Ordering::Relaxed,
            Ordering::AcqRel
        );
        FrameTag::decode(self.0.swap(revoked, order))
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frame_tag_encode_decode_then_same(serial: u32, slot: u16, state in 0u8..5) {
            let tag = FrameTag { serial, slot, state };
            prop_assert_eq!(FrameTag::decode(tag.encode()), tag);
        }

        #[test]
        fn frame_tag_any_word_then_decodes(word: u64) {
            let tag = FrameTag::decode(word);
            prop_assert_eq!(tag.state().is_some(), tag.state < 5);
        }
    }

    #[test]
    fn frame_word_released_twice_then_refused_with_the_tag_found() {
        let word = FrameWord::free();
        word.publish(7);
        assert!(word.take(7, 3));
        assert!(!word.take(7, 4));
        assert!(word.release(7, 3).is_ok());
        assert_eq!(
            word.release(7, 3),
            Err(FrameTag::new(7, 3, FrameState::Released))
        );
    }

    #[test]
    fn frame_word_stale_serial_then_the_new_loan_is_untouched() {
        let word = FrameWord::free();
        word.publish(1);
        assert!(word.take(1, 0));
        word.clear();
        word.publish(2);
        assert!(word.take(2, 0));
        assert!(word.release(1, 0).is_err());
        assert_eq!(word.load(), FrameTag::new(2, 0, FrameState::Held));
    }
}
