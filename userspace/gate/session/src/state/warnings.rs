//! When to warn that a stopped session still has users: 1, 2, 4, 8, … s after the stop.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Longest pause between two warnings.
const LONGEST: Duration = Duration::from_secs(3600);

/// Schedule of the warnings.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Warnings {
    #[serde(with = "crate::clock::maybe_at")]
    stopped_at: Option<Instant>,
    #[serde(with = "crate::clock::maybe_at")]
    next: Option<Instant>,
    count: u64,
}

impl Warnings {
    /// The session was stopped: the first warning is due after `first`; zero disables the warnings.
    pub(crate) fn begin(&mut self, now: Instant, first: Duration) {
        *self = Self {
            stopped_at: Some(now),
            next: (!first.is_zero()).then(|| now + first),
            count: 0,
        };
    }

    /// The session runs again, or has no users.
    pub(crate) fn end(&mut self) {
        self.next = None;
    }

    /// When the next warning is due.
    pub(crate) fn at(&self) -> Option<Instant> {
        self.next
    }

    /// Whether users were found at the last look, and none has been missed since.
    pub(crate) fn blocked(&self) -> bool {
        self.count > 0 && self.next.is_some()
    }

    /// Warnings since the last stop.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Counts a warning at `now`. The next one is due at twice the time since the stop, or after
    /// the longest pause. Returns the time since the stop.
    pub(crate) fn warn(&mut self, now: Instant) -> Duration {
        let due = self.next.unwrap_or(now);
        let stopped_at = self.stopped_at.unwrap_or(due);
        self.count += 1;
        let pause = (due - stopped_at).min(LONGEST);
        // Warnings missed while the machine slept are not sent later.
        let mut next = due + pause;
        while next <= now {
            next += pause.max(Duration::from_millis(1));
        }
        self.next = Some(next);
        now - stopped_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds after the stop at which each of the first `count` warnings is due.
    fn due(first: Duration, count: usize) -> Vec<u64> {
        let stop = Instant::now();
        let mut warnings = Warnings::default();
        warnings.begin(stop, first);
        (0..count)
            .map(|_| {
                let at = warnings.at().expect("one is due");
                warnings.warn(at);
                (at - stop).as_secs()
            })
            .collect()
    }

    #[test]
    fn warnings_never_ended_then_doubling_up_to_an_hour() {
        let at = due(Duration::from_secs(1), 15);
        assert_eq!(at[..5], [1, 2, 4, 8, 16]);
        assert_eq!(at[11..], [2048, 4096, 7696, 11296]);
    }

    #[test]
    fn warnings_first_delay_zero_then_none() {
        let mut warnings = Warnings::default();
        warnings.begin(Instant::now(), Duration::ZERO);
        assert_eq!(warnings.at(), None);
    }

    #[test]
    fn warnings_come_late_then_those_missed_are_not_made_up_for() {
        let stop = Instant::now();
        let mut warnings = Warnings::default();
        warnings.begin(stop, Duration::from_secs(1));
        let after = warnings.warn(stop + Duration::from_secs(60));
        assert_eq!((after.as_secs(), warnings.count()), (60, 1));
        assert!(warnings.at() > Some(stop + Duration::from_secs(60)));
        warnings.end();
        assert_eq!(warnings.at(), None);
    }
}
