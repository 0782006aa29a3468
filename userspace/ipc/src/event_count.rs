//! An event count: the word that callers sleep on, and the number of them that may be asleep.
//!
//! A sleeper raises `waiters`, reads the word, looks once more for what it waits for, and only then
//! sleeps on the value that it read; a ringer changes what they wait for, then the word, then looks
//! at `waiters`. Both words are hints: a client that forges them harms its own callers only.

use crate::sync::{AtomicU32, Ordering, full};

/// A futex word and a hint of who sleeps on it.
#[repr(C)]
#[derive(Debug)]
pub struct EventCount {
    word: AtomicU32,
    waiters: AtomicU32,
}

impl EventCount {
    /// An event count that nobody sleeps on.
    pub fn silent() -> Self {
        Self {
            word: AtomicU32::new(0),
            waiters: AtomicU32::new(0),
        }
    }

    /// Moves the word on. Returns whether somebody may be asleep, and has to be woken with
    /// `FUTEX_WAKE` on [`EventCount::word`]. SYNC: bell.
    #[inline]
    pub fn strike(&self) -> bool {
        self.word.fetch_add(1, Ordering::SeqCst);
        full();
        self.is_awaited()
    }

    /// Whether somebody may be asleep. After a strike it only tells of those who may have missed it:
    /// whoever joins later finds what it was struck for. SYNC: bell.
    #[inline]
    pub fn is_awaited(&self) -> bool {
        self.waiters() != 0
    }

    /// How many may be asleep. SYNC: bell.
    #[inline]
    pub fn waiters(&self) -> u32 {
        self.waiters.load(Ordering::SeqCst)
    }

    /// Says that a caller is about to sleep. SYNC: bell.
    pub fn join(&self) {
        self.waiters.fetch_add(1, Ordering::SeqCst);
        full();
    }

    /// Says that it no longer is.
    pub fn part(&self) {
        self.waiters.fetch_sub(1, Ordering::SeqCst);
    }

    /// The value to sleep on; read before the last look at what is waited for. SYNC: bell.
    pub fn listen(&self) -> u32 {
        self.word.load(Ordering::SeqCst)
    }

    /// The word itself, for the futex calls.
    pub fn word(&self) -> &AtomicU32 {
        &self.word
    }
}
