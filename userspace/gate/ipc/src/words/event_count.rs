//! An event count: the word that callers sleep on, and the number of possible sleepers.
//!
//! A sleeper increments `waiters`, reads the word, checks its condition again, and then sleeps on
//! the value that it read. A notifier changes the condition, then the word, then reads `waiters`.
//! Both words are hints: a client that forges them harms its own callers only.

use onair_mutant::mutant;

use crate::sync::{AtomicU32, Ordering, full};

/// A futex word and a hint of its sleepers.
#[repr(C)]
#[derive(Debug)]
pub struct EventCount {
    word: AtomicU32,
    waiters: AtomicU32,
}

impl EventCount {
    /// An event count without sleepers.
    pub fn silent() -> Self {
        Self {
            word: AtomicU32::new(0),
            waiters: AtomicU32::new(0),
        }
    }

    /// Changes the word. Returns whether a caller may be asleep and must be woken with `FUTEX_WAKE`
    /// on [`EventCount::word`]. SYNC: event-count.
    #[inline]
    pub fn notify(&self) -> bool {
        self.word.fetch_add(1, Ordering::SeqCst);
        if !mutant!("event count: no fence after it moves") {
            full();
        }
        self.is_awaited()
    }

    /// Whether a caller may be asleep. After a notification it covers only callers that may have
    /// missed it: a caller that joins later finds the changed condition. SYNC: event-count.
    #[inline]
    pub fn is_awaited(&self) -> bool {
        self.waiters() != 0
    }

    /// Number of possible sleepers. SYNC: event-count.
    #[inline]
    pub fn waiters(&self) -> u32 {
        self.waiters.load(Ordering::SeqCst)
    }

    /// Announces that a caller is about to sleep. SYNC: event-count.
    pub fn join(&self) {
        self.waiters.fetch_add(1, Ordering::SeqCst);
        if !mutant!("event count: no fence after a caller joins") {
            full();
        }
    }

    /// Withdraws the announcement.
    pub fn part(&self) {
        self.waiters.fetch_sub(1, Ordering::SeqCst);
    }

    /// The value to sleep on; read it before the last check of the condition. SYNC: event-count.
    pub fn listen(&self) -> u32 {
        self.word.load(Ordering::SeqCst)
    }

    /// The word itself, for the futex calls.
    pub fn word(&self) -> &AtomicU32 {
        &self.word
    }
}
