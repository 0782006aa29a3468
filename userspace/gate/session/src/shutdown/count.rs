//! When the remaining users are counted: at the end of the first steps, and each 100 ms.

use std::time::{Duration, Instant};

/// Pause between two counts of the remaining users.
const PAUSE: Duration = Duration::from_millis(100);
/// Time that work may delay a count.
const LATE: Duration = Duration::from_millis(2);

/// When the next count is due.
#[derive(Debug)]
pub(super) struct Count {
    at: Instant,
    /// Since when a count is due and not made; `None`: none is due.
    owed: Option<Instant>,
}

impl Count {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            at: now,
            owed: None,
        }
    }

    /// Time of the next one.
    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// Whether a pause has ended; then a count is due.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        let is_due = now >= self.at;
        if is_due {
            self.at = now + PAUSE;
            self.owed.get_or_insert(now);
        }
        is_due
    }

    /// Whether one is to be made although there is work; it is then made.
    pub(super) fn take_late(&mut self, now: Instant) -> bool {
        self.owed.take_if(|since| now >= *since + LATE).is_some()
    }

    /// Whether one is to be made; it is then made.
    pub(super) fn take(&mut self) -> bool {
        self.owed.take().is_some()
    }
}
