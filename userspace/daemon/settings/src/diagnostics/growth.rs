//! Counters that show a problem while they grow.

use std::cmp::Ordering;
use std::time::{Duration, Instant};

/// A problem that a counter shows is over when it did not grow for this long.
const CALM: Duration = Duration::from_secs(5);

/// A counter that grows while a problem lasts.
#[derive(Debug, Default)]
pub struct Growth {
    seen: u64,
    grew_at: Option<Instant>,
}

impl Growth {
    /// Whether it grew at this look or within [`CALM`].
    pub fn lasts(&mut self, value: u64, now: Instant) -> bool {
        self.lasts_for(value, now, CALM)
    }

    /// Whether it grew at this look or within `calm`.
    pub fn lasts_for(&mut self, value: u64, now: Instant, calm: Duration) -> bool {
        match value.cmp(&self.seen) {
            Ordering::Greater => self.grew_at = Some(now),
            Ordering::Equal => {}
            // It began anew: a device was opened again.
            Ordering::Less => self.grew_at = None,
        }
        self.seen = value;
        self.grew_at
            .is_some_and(|at| now.saturating_duration_since(at) < calm)
    }
}

/// Two counters that grow side by side. Where one takes over from the other, both grow at one look at most.
#[derive(Debug, Default)]
pub struct SideBySide {
    seen: [u64; 2],
    grew: bool,
    times: u64,
}

impl SideBySide {
    /// How often both grew at this look and at the one before.
    pub fn look(&mut self, values: [u64; 2]) -> u64 {
        let grew = values.iter().zip(self.seen).all(|(now, seen)| *now > seen);
        self.seen = values;
        let again = std::mem::replace(&mut self.grew, grew) && grew;
        self.times += u64::from(again);
        self.times
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
        assert!(growth.lasts(9, start + CALM * 2));
        assert!(!growth.lasts(0, start + CALM * 2), "the counter began anew");
    }

    #[test]
    fn counters_that_grow_one_after_the_other_are_not_side_by_side() {
        let mut counters = SideBySide::default();
        assert_eq!(counters.look([5, 0]), 0);
        // The second begins, and the first ends.
        assert_eq!(counters.look([9, 3]), 0);
        assert_eq!(counters.look([9, 7]), 0);
        assert_eq!(counters.look([9, 9]), 0);
        assert_eq!(counters.look([10, 10]), 0);
        assert_eq!(counters.look([11, 11]), 1);
        assert_eq!(counters.look([12, 12]), 2);
    }
}
