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
    /// Adds a timestamp.
    pub fn add(&mut self, timestamp: u32) {
        let Some(last) = self.last.replace(timestamp) else {
            return;
        };
        let step = timestamp.wrapping_sub(last).cast_signed();
        self.total += 1;
        self.sum = self.sum.saturating_add(step.into());
        let place = self.kinds.iter().position(|it| it.1 == 0 || it.0 == step);
        match place {
            Some(place) => self.kinds[place] = (step, self.kinds[place].1 + 1),
            None => self.others += 1,
        }
    }

    /// The steps that occurred, and how often: the first eight.
    pub fn occurred(&self) -> impl Iterator<Item = (i32, u64)> {
        self.kinds.iter().copied().filter(|it| it.1 > 0)
    }

    /// Whether the timestamps are those of segments: two have the same.
    #[must_use]
    pub fn are_in_pairs(&self) -> bool {
        let of = |is_kind: fn(i32) -> bool| self.occurred().filter(move |it| is_kind(it.0));
        let usual = of(|step| step > 0).map(|it| it.1).max();
        let [moved, still] = [of(|step| step > 0), of(|step| step == 0)]
            .map(|kinds| kinds.map(|it| it.1).sum::<u64>());
        // With a marker on each packet a whole unit has the same.
        usual.is_some_and(|usual| still * 2 > usual) && still <= moved * 2
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

    /// Sum of all steps, and their number.
    #[must_use]
    pub const fn sum(&self) -> (i64, u64) {
        (self.sum, self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_of_pairs_are_told_from_those_of_whole_units() {
        for (packets, in_pairs) in [(1, false), (2, true), (22, false)] {
            let mut steps = Steps::default();
            for unit in 0..20 {
                (0..packets).for_each(|_| steps.add(unit * 3_600));
            }
            assert_eq!(steps.are_in_pairs(), in_pairs, "{packets}");
        }
    }

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
