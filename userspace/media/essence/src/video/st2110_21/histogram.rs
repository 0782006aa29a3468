//! Histograms with constant memory: of levels, and of distances in time.

use std::ops::RangeInclusive;

use crate::video::st2110_21::summary::Extremes;

/// Below this every nanosecond has its own bucket.
const EXACT: u64 = 16;
/// Buckets in each power of two from there on.
const PARTS: u64 = 8;
const BUCKETS: usize = 16 + 60 * 8;

/// A histogram of times with constant memory: each bucket is at most an eighth wide of its lower end.
#[derive(Debug, Clone)]
pub struct Intervals {
    counts: Box<[u64; BUCKETS]>,
    extremes: Extremes<u64>,
    sum: u128,
    total: u64,
}

impl Intervals {
    /// Counts one interval.
    #[inline]
    pub fn add(&mut self, ns: u64) {
        self.counts[bucket(ns)] += 1;
        self.extremes.add(ns);
        self.sum += u128::from(ns);
        self.total += 1;
    }

    /// Adds `times` times no interval at all: packets that came together.
    #[inline]
    pub fn add_zeros(&mut self, times: u64) {
        if times > 0 {
            self.add(0);
            self.counts[0] += times - 1;
            self.total += times - 1;
        }
    }

    /// The counts that [`Self::add`] of `ns` and [`Self::add_zeros`] change.
    #[inline]
    pub(in super::super::st2110_21) fn next_counts(&self, ns: u64) -> [&u64; 2] {
        [&self.counts[bucket(ns)], &self.counts[0]]
    }

    /// Intervals counted.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Shortest, in nanoseconds.
    #[must_use]
    pub fn min(&self) -> Option<u64> {
        Some(self.extremes.get()?.0)
    }

    /// Longest, in nanoseconds.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        Some(self.extremes.get()?.1)
    }

    /// Mean in nanoseconds, rounded down.
    #[must_use]
    pub fn mean(&self) -> Option<u64> {
        u64::try_from(self.sum.checked_div(self.total.into())?).ok()
    }

    /// Each bucket that is not empty: its lower end in nanoseconds, and its intervals.
    pub fn occurred(&self) -> impl Iterator<Item = (u64, u64)> {
        let counts = self.counts.iter().enumerate();
        counts
            .filter(|(_, count)| **count > 0)
            .map(|(at, count)| (lower_end(at), *count))
    }

    /// Becomes equal to `other`. Does not allocate.
    pub fn copy_from(&mut self, other: &Self) {
        self.counts.copy_from_slice(&*other.counts);
        (self.extremes, self.sum, self.total) = (other.extremes, other.sum, other.total);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.counts.fill(0);
        self.extremes = Extremes::default();
        self.sum = 0;
        self.total = 0;
    }
}

impl Default for Intervals {
    fn default() -> Self {
        Self {
            counts: Box::new([0; BUCKETS]),
            extremes: Extremes::default(),
            sum: 0,
            total: 0,
        }
    }
}

#[inline]
fn bucket(ns: u64) -> usize {
    if ns < EXACT {
        return usize::try_from(ns).expect("below 16");
    }
    let power = u64::from(ns.ilog2());
    let part = (ns >> (power - 3)) % PARTS;
    usize::try_from(EXACT + (power - 4) * PARTS + part).expect("below the number of buckets")
}

fn lower_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < EXACT {
        return bucket;
    }
    let (power, part) = ((bucket - EXACT) / PARTS + 4, (bucket - EXACT) % PARTS);
    (PARTS + part) << (power - 3)
}

/// A histogram of whole levels with constant memory. Exact within its range; what lies outside is counted
/// at the range's ends, but minimum, maximum and mean stay exact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    lowest: i64,
    counts: Box<[u64]>,
    extremes: Extremes<i64>,
    sum: i128,
    total: u64,
    outside: u64,
}

impl Levels {
    /// An empty histogram of the levels in `range`, which must not be empty.
    #[must_use]
    pub fn new(range: RangeInclusive<i64>) -> Self {
        let places = range.end().abs_diff(*range.start()) + 1;
        Self {
            lowest: *range.start(),
            counts: vec![0; usize::try_from(places).unwrap_or(1)].into(),
            extremes: Extremes::default(),
            sum: 0,
            total: 0,
            outside: 0,
        }
    }

    /// Counts one packet at `level`.
    #[inline]
    pub fn add(&mut self, level: i64) {
        let last = self.counts.len() - 1;
        let place = usize::try_from(level.saturating_sub(self.lowest).max(0)).unwrap_or(last);
        self.outside += u64::from(place > last || level < self.lowest);
        self.counts[place.min(last)] += 1;
        self.extremes.add(level);
        self.sum += i128::from(level);
        self.total += 1;
    }

    /// Adds `times` occurrences: `first`, then each one higher than the one before.
    #[inline]
    pub fn add_rising(&mut self, first: i64, times: u32) {
        let place = |level: i64| usize::try_from(level.checked_sub(self.lowest)?).ok();
        let last = first.saturating_add(i64::from(times) - 1);
        let places = place(first).zip(place(last));
        let counts = places.and_then(|(first, last)| self.counts.get_mut(first..=last));
        let Some(counts) = counts.filter(|counts| !counts.is_empty()) else {
            return (0..times).for_each(|step| self.add(first.saturating_add(step.into())));
        };
        counts.iter_mut().for_each(|count| *count += 1);
        self.extremes.add_range(first, last);
        self.sum += (i128::from(first) + i128::from(last)) * i128::from(times) / 2;
        self.total += u64::from(times);
    }

    /// The count of `level`, or of the nearest in the range.
    #[inline]
    pub(in super::super::st2110_21) fn count_at(&self, level: i64) -> &u64 {
        let last = self.counts.len() - 1;
        let place = usize::try_from(level.saturating_sub(self.lowest).max(0)).unwrap_or(last);
        &self.counts[place.min(last)]
    }

    /// Packets counted.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Packets at levels outside the range.
    #[must_use]
    pub const fn outside(&self) -> u64 {
        self.outside
    }

    /// Lowest level.
    #[must_use]
    pub fn min(&self) -> Option<i64> {
        Some(self.extremes.get()?.0)
    }

    /// Highest level.
    #[must_use]
    pub fn max(&self) -> Option<i64> {
        Some(self.extremes.get()?.1)
    }

    /// Mean level.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a mean for people")]
    pub fn mean(&self) -> Option<f64> {
        (self.total > 0).then(|| self.sum as f64 / self.total as f64)
    }

    /// Each level that occurred, with its packets, lowest first.
    pub fn occurred(&self) -> impl Iterator<Item = (i64, u64)> {
        let counts = self.counts.iter().zip(self.lowest..);
        counts
            .filter(|(count, _)| **count > 0)
            .map(|(count, level)| (level, *count))
    }

    /// Becomes equal to `other`, which has the same range. Does not allocate then.
    pub fn copy_from(&mut self, other: &Self) {
        self.counts.clone_from(&other.counts);
        (self.lowest, self.extremes) = (other.lowest, other.extremes);
        (self.sum, self.total, self.outside) = (other.sum, other.total, other.outside);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.counts.fill(0);
        self.extremes = Extremes::default();
        self.sum = 0;
        self.total = 0;
        self.outside = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn intervals_of_a_stream_are_counted() {
        let mut intervals = Intervals::default();
        for ns in [0, 3, 15, 16, 17, 18, 6_000, 6_000, u64::MAX] {
            intervals.add(ns);
        }
        let found: Vec<_> = intervals.occurred().collect();
        let last = 15 << 60;
        let expected = [
            (0, 1),
            (3, 1),
            (15, 1),
            (16, 2),
            (18, 1),
            (5_632, 2),
            (last, 1),
        ];
        assert_eq!(found, expected);
        assert_eq!(
            (intervals.min(), intervals.max()),
            (Some(0), Some(u64::MAX))
        );
    }

    proptest! {
        #[test]
        fn any_interval_is_in_its_bucket(shift in 0u32..64, value: u64) {
            let ns = value >> shift;
            let at = bucket(ns);
            prop_assert!(lower_end(at) <= ns);
            prop_assert!(at + 1 == BUCKETS || ns < lower_end(at + 1));
            prop_assert!(ns - lower_end(at) <= ns / 8);
        }
    }

    #[test]
    fn levels_are_counted_and_those_outside_at_the_ends() {
        let mut levels = Levels::new(-2..=3);
        assert_eq!((levels.min(), levels.mean()), (None, None));
        for level in [0, 0, 3, -2, 4, -9, i64::MAX, i64::MIN] {
            levels.add(level);
        }
        assert_eq!(
            levels.occurred().collect::<Vec<_>>(),
            [(-2, 3), (0, 2), (3, 3)]
        );
        assert_eq!((levels.total(), levels.outside()), (8, 4));
        assert_eq!(
            (levels.min(), levels.max()),
            (Some(i64::MIN), Some(i64::MAX))
        );
        levels.clear();
        assert_eq!(levels.occurred().count(), 0);
        levels.add(2);
        assert_eq!(levels.mean(), Some(2.0));
    }

    proptest! {
        #[test]
        fn rising_levels_are_added_as_one_by_one(
            first in prop_oneof![-12i64..12, Just(i64::MAX - 2), Just(i64::MIN)],
            times in 0u32..12,
        ) {
            let (mut together, mut single) = (Levels::new(-3..=7), Levels::new(-3..=7));
            together.add_rising(first, times);
            (0..times).for_each(|step| single.add(first.saturating_add(step.into())));
            prop_assert_eq!(together, single);
        }
    }
}
