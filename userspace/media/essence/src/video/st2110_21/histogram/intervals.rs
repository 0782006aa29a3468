//! How long after each other packets arrive.

use crate::video::st2110_21::extremes::Extremes;

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
    pub(in super::super) fn next_counts(&self, ns: u64) -> [&u64; 2] {
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
}
