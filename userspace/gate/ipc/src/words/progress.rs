//! How far a frame stands that a client may hold while it is received.
//!
//! The poller writes a [`ProgressWord`]: so many bytes from the first on stand in memory, and do not change any more. Until
//! the word says that the frame has ended, more may come. The word of another serial is of an earlier loan: the present
//! one had ended when it was loaned. What so many bytes are, lines or samples, only an essence and its clients know.
//!
//! A caller that sleeps for more writes a [`WantedWord`]: the fewest bytes that a sleeper of the client waits for. Each
//! side writes its own word and then reads the other's, so that one of the two sees what the other did.

use onair_mutant::mutant;

use crate::sync::{self, AtomicU64, Ordering};

/// Most bytes that a word can say.
pub const MOST_BYTES: u32 = (1 << 31) - 1;
/// More bytes than any frame has: it has to have ended.
pub const WHOLE: u32 = MOST_BYTES + 1;

/// The contents of a [`ProgressWord`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgressTag {
    /// Serial of the loan.
    pub serial: u32,
    /// Nothing more is written to the frame, and its description is the final one.
    pub ended: bool,
    /// Bytes that stand, at most [`MOST_BYTES`].
    pub bytes: u32,
}

impl ProgressTag {
    /// The word for this tag.
    #[inline]
    pub fn encode(self) -> u64 {
        u64::from(self.serial) << 32
            | u64::from(self.ended) << 31
            | u64::from(self.bytes.min(MOST_BYTES))
    }

    /// The tag in a word.
    #[inline]
    pub fn decode(word: u64) -> Self {
        Self {
            serial: u32::try_from(word >> 32).expect("32 bits"),
            ended: word >> 31 & 1 == 1,
            bytes: u32::try_from(word & u64::from(MOST_BYTES)).expect("31 bits"),
        }
    }

    /// Bytes of the loan `serial` that stand while it is received; `None`: it has ended.
    #[inline]
    pub fn of(self, serial: u32) -> Option<u32> {
        (self.serial == serial && !self.ended).then_some(self.bytes)
    }

    /// Whether of the loan `serial` so many bytes stand, or it has ended.
    #[inline]
    pub fn has(self, serial: u32, bytes: u32) -> bool {
        self.of(serial).is_none_or(|stand| stand >= bytes)
    }
}

/// The word in `ctl`.
#[repr(transparent)]
#[derive(Debug)]
pub struct ProgressWord(AtomicU64);

impl ProgressWord {
    /// The word of a frame that was never open.
    pub fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Poller: so many bytes are in memory; if it has ended, the description is, too. Read the [`WantedWord`] next. SYNC: progress, wanted.
    #[inline]
    pub fn advance(&self, to: ProgressTag) {
        let order = mutant!(
            "progress: stored relaxed",
            Ordering::Relaxed,
            Ordering::SeqCst
        );
        // A swap, not a store: it is the fence before the poller reads the wanted word.
        self.0.swap(to.encode(), order);
        if !mutant!("progress: no fence after it is stored") {
            sync::full();
        }
    }

    /// Caller: the bytes that it may read. SYNC: progress.
    #[inline]
    pub fn load(&self) -> ProgressTag {
        let order = mutant!(
            "progress: read relaxed",
            Ordering::Relaxed,
            Ordering::Acquire
        );
        ProgressTag::decode(self.0.load(order))
    }
}

impl Default for ProgressWord {
    fn default() -> Self {
        Self::new()
    }
}

/// The word in `seg`: serial and bytes. The client can write anything.
#[repr(transparent)]
#[derive(Debug)]
pub struct WantedWord(AtomicU64);

impl WantedWord {
    /// No caller waits.
    pub fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Caller: is to be woken when so many `bytes` stand of the loan `serial`, of which `stand` do. Another that waits for
    /// fewer is woken first, and wakes the others. Look at the [`ProgressWord`] again next. Returns whether it wrote over what
    /// another may still sleep for, although it stands: wake that one. SYNC: wanted.
    #[must_use]
    pub fn ask(&self, serial: u32, bytes: u32, stand: u32) -> bool {
        let mut found = self.0.load(Ordering::SeqCst);
        // Each turn loses against another caller of this process.
        let replaces_reached = loop {
            let (of, wanted) = split(found);
            if of == serial && wanted > stand && wanted <= bytes {
                break false;
            }
            let asked = u64::from(serial) << 32 | u64::from(bytes);
            let swapped = self
                .0
                .compare_exchange(found, asked, Ordering::SeqCst, Ordering::SeqCst);
            match swapped {
                // The poller may not have seen it any more.
                Ok(_) => break of == serial && wanted <= stand,
                Err(now) => found = now,
            }
        };
        if !mutant!("wanted: no fence after it is written") {
            sync::fence();
        }
        replaces_reached
    }

    /// Poller: the bytes that a sleeper waits for in the loan `serial`, as the client says. SYNC: wanted.
    #[inline]
    pub fn of(&self, serial: u32) -> Option<u32> {
        let (of, bytes) = split(self.0.load(Ordering::SeqCst));
        (of == serial).then_some(bytes)
    }
}

impl Default for WantedWord {
    fn default() -> Self {
        Self::new()
    }
}

fn split(word: u64) -> (u32, u32) {
    let half = |it: u64| u32::try_from(it & 0xffff_ffff).expect("32 bits");
    (half(word >> 32), half(word))
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn progress_encode_decode_then_same(serial: u32, ended: bool, bytes in 0..=MOST_BYTES) {
            let tag = ProgressTag { serial, ended, bytes };
            prop_assert_eq!(ProgressTag::decode(tag.encode()), tag);
        }

        #[test]
        fn progress_any_word_then_decodes(word: u64) {
            prop_assert_eq!(ProgressTag::decode(word).encode(), word);
        }
    }

    #[test]
    fn progress_of_another_loan_or_ended_then_nothing_is_open() {
        let tag = |ended| ProgressTag {
            serial: 7,
            ended,
            bytes: 40,
        };
        assert_eq!([7, 8].map(|it| tag(false).of(it)), [Some(40), None]);
        assert_eq!(tag(true).of(7), None);
        assert_eq!([40, 41].map(|it| tag(false).has(7, it)), [true, false]);
        assert!(tag(true).has(7, 41) && tag(false).has(8, 41));
    }

    #[test]
    fn wanted_by_two_then_the_fewer_until_they_are_reached() {
        let word = WantedWord::new();
        assert!(!word.ask(7, 200, 0));
        assert_eq!((word.of(7), word.of(8)), (Some(200), None));
        assert!(!word.ask(7, 150, 100) && !word.ask(7, 180, 100));
        assert_eq!(word.of(7), Some(150));
        assert!(word.ask(7, 180, 150), "another may sleep for it");
        assert_eq!(word.of(7), Some(180));
        assert!(!word.ask(8, 300, 0));
        assert_eq!((word.of(7), word.of(8)), (None, Some(300)));
    }
}
