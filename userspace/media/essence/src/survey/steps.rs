//! By how much a value grows from one occurrence to the next.

/// Steps that are told apart.
const KINDS: usize = 8;

/// Differences of consecutive 32-bit timestamps, with constant memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct Steps {
    last: Option<u32>,
    kinds: [(i32, u64); KINDS],
    others: u64,
    sum: i64,
    total: u64,
}

impl Steps {
    /// Adds the timestamp of what follows the last one.
    pub fn add(&mut self, timestamp: u32) {
        let Some(step) = self.skip_to(timestamp) else {
            return;
        };
        self.total += 1;
        let place = self.kinds.iter().position(|it| it.1 == 0 || it.0 == step);
        match place {
            Some(place) => self.kinds[place] = (step, self.kinds[place].1 + 1),
            None => self.others += 1,
        }
    }

    /// Goes on from a timestamp before which others may be missing: the step to it is none of the stream's, and is only in
    /// the sum. Returns it.
    pub fn skip_to(&mut self, timestamp: u32) -> Option<i32> {
        let last = self.last.replace(timestamp)?;
        let step = timestamp.wrapping_sub(last).cast_signed();
        self.sum = self.sum.saturating_add(step.into());
        Some(step)
    }

    /// The steps that occurred, and how often: the first eight.
    pub fn occurred(&self) -> impl Iterator<Item = (i32, u64)> {
        self.kinds.iter().copied().filter(|it| it.1 > 0)
    }

    /// Steps beyond the first eight kinds.
    #[must_use]
    pub const fn others(&self) -> u64 {
        self.others
    }

    /// The most frequent step.
    #[must_use]
    pub fn usual(&self) -> Option<i32> {
        let steps = self.occurred();
        let usual = steps.reduce(|best, it| if it.1 > best.1 { it } else { best });
        usual.map(|it| it.0)
    }

    /// Sum of all steps, and the number of those that occurred.
    #[must_use]
    pub const fn sum(&self) -> (i64, u64) {
        (self.sum, self.total)
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
            steps.add(timestamp);
            timestamp = timestamp.wrapping_add_signed(step);
        }
        steps.add(timestamp);
        let found: Vec<_> = steps.occurred().collect();
        assert_eq!(found, [(1501, 3), (1502, 1), (-3, 1)]);
        assert_eq!((steps.usual(), steps.sum()), (Some(1501), (6002, 5)));
        (0..100u32).for_each(|n| steps.add(n * n * 1_000));
        assert!(steps.others() > 0);
        assert!(steps.occurred().count() <= KINDS);
    }
}
