//! By how much a value grows from one occurrence to the next.

use crate::measure::Kinds;

/// Differences of consecutive 32-bit timestamps, with constant memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct Steps {
    /// Timestamp and time.
    last: Option<(u32, u64)>,
    last_step: Option<i32>,
    kinds: Kinds<i32>,
    even: (i64, u64),
}

impl Steps {
    /// Adds the timestamp of what follows the last one, and came at `at_ns`.
    pub fn add(&mut self, timestamp: u32, at_ns: u64) {
        let Some((last, last_ns)) = self.last.replace((timestamp, at_ns)) else {
            return;
        };
        let step = timestamp.wrapping_sub(last).cast_signed();
        self.kinds.add(step);
        if self.last_step.replace(step) == Some(step) {
            self.even.0 += i64::from(step);
            self.even.1 += at_ns.saturating_sub(last_ns);
        }
    }

    /// Goes on from a timestamp before which others may be missing: the step to it is none of the stream's.
    pub const fn skip_to(&mut self, timestamp: u32, at_ns: u64) {
        (self.last, self.last_step) = (Some((timestamp, at_ns)), None);
    }

    /// The steps that occurred, and how often: the first eight.
    pub fn occurred(&self) -> impl Iterator<Item = (i32, u64)> {
        self.kinds.occurred().map(|it| (*it.0, it.1))
    }

    /// Steps beyond the first eight kinds.
    #[must_use]
    pub fn others(&self) -> u64 {
        self.total() - self.occurred().map(|it| it.1).sum::<u64>()
    }

    /// Ticks and nanoseconds of the steps that are as the one before.
    #[must_use]
    pub const fn even(&self) -> (i64, u64) {
        self.even
    }

    /// Steps that occurred.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.kinds.total()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_told_apart_across_the_wrap() {
        let mut steps = Steps::default();
        let mut timestamp = u32::MAX - 1000;
        for step in [1501, 1502, 1501, 1501, -3] {
            steps.add(timestamp, 0);
            timestamp = timestamp.wrapping_add_signed(step);
        }
        steps.add(timestamp, 9);
        let found: Vec<_> = steps.occurred().collect();
        assert_eq!(found, [(1501, 3), (1502, 1), (-3, 1)]);
        assert_eq!(steps.even(), (1501, 0));
        (0..100u32).for_each(|n| steps.add(n * n * 1_000, 0));
        assert!(steps.others() > 0);
        assert!(steps.occurred().count() <= 8);
    }
}
