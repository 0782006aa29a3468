//! Counters that show a problem while they grow.

use std::time::{Duration, Instant};

/// A problem that a counter shows is over when it did not grow for this long.
const CALM: Duration = Duration::from_secs(5);

/// A counter that grows while a problem lasts.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    seen: u64,
    grew_at: Option<Instant>,
}

impl Growth {
    /// Whether it grew at this look or within [`CALM`].
    pub(crate) fn lasts(&mut self, value: u64, now: Instant) -> bool {
        self.lasts_for(value, now, CALM)
    }

    /// Whether it grew at this look or within `calm`.
    pub(crate) fn lasts_for(&mut self, value: u64, now: Instant, calm: Duration) -> bool {
        if value > self.seen {
            self.grew_at = Some(now);
        }
        self.seen = value;
        self.grew_at
            .is_some_and(|at| now.saturating_duration_since(at) < calm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counter_that_grew_then_the_problem_lasts_until_it_is_calm() {
        let start = Instant::now();
        let mut growth = Growth::default();
        assert!(!growth.lasts(0, start));
        assert!(growth.lasts(3, start));
        assert!(growth.lasts(3, start + CALM / 2));
        assert!(growth.lasts(4, start + CALM / 2));
        assert!(growth.lasts(4, start + CALM));
        assert!(!growth.lasts(4, start + CALM * 2));
    }
}
