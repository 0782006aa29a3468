//! Whether a counter still grows, and since when it does not.

use std::time::{Duration, Instant};

use onair_api::Timestamp;

/// A counter that grows while there is a signal.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    seen: u64,
    grew: Option<(Instant, Timestamp)>,
    has_grown: bool,
}

/// Nothing came for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Absence {
    /// The last time that something came, or the session's start.
    pub(crate) since: Timestamp,
    /// Nothing came since the start.
    pub(crate) is_from_start: bool,
}

impl Presence {
    /// Looks at the counter; the first look is the start.
    pub(crate) fn look(&mut self, value: u64, now: Instant, timeout: Duration) -> Option<Absence> {
        let grows = value > self.seen && self.grew.is_some();
        self.seen = value;
        if grows {
            self.has_grown = true;
            self.grew = None;
        }
        let (at, since) = *self.grew.get_or_insert_with(|| (now, Timestamp::now()));
        let is_absent = now.saturating_duration_since(at) >= timeout;
        is_absent.then_some(Absence {
            since,
            is_from_start: !self.has_grown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counter_that_rests_is_absent_until_it_grows() {
        let mut presence = Presence::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let timeout = Duration::from_secs(1);
        // It counted before the session was started again.
        assert_eq!(presence.look(70, at(0), timeout), None);
        assert_eq!(presence.look(70, at(999), timeout), None);
        let never = presence.look(70, at(1000), timeout).unwrap();
        assert!(never.is_from_start);
        assert_eq!(presence.look(71, at(2000), timeout), None);
        assert_eq!(presence.look(71, at(2900), timeout), None);
        let later = presence.look(71, at(3000), timeout).unwrap();
        assert!(!later.is_from_start);
    }
}
