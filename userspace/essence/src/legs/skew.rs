//! How far the legs are apart.

/// Buckets of each doubling of time: 12 % wide at most.
const STEPS: usize = 8;
/// Up to 2^34 ns: 17 s.
const BUCKETS: usize = 32 * STEPS;
/// Samples after which the percentile is computed again.
const FRESH: u64 = 1024;

/// Time from the first copy of a packet to the second.
#[derive(Debug, Clone)]
pub struct Skew {
    buckets: Box<[u64; BUCKETS]>,
    samples: u64,
    now_ns: i64,
    max_ns: u64,
    /// The percentile, and the number of samples that it is of.
    p99: (u64, u64),
}

impl Skew {
    pub(super) fn new() -> Self {
        Self {
            buckets: Box::new([0; BUCKETS]),
            samples: 0,
            now_ns: 0,
            max_ns: 0,
            p99: (0, 0),
        }
    }

    pub(super) fn reset(&mut self) {
        self.buckets.fill(0);
        (self.samples, self.now_ns, self.max_ns, self.p99) = (0, 0, 0, (0, 0));
    }

    /// The second copy came so much later; `is_second`: on the second leg.
    #[inline]
    pub(super) fn note(&mut self, later_ns: u64, is_second: bool) {
        self.buckets[bucket(later_ns)] += 1;
        self.samples += 1;
        self.max_ns = self.max_ns.max(later_ns);
        let later_ns = i64::try_from(later_ns).unwrap_or(i64::MAX);
        self.now_ns = if is_second { later_ns } else { -later_ns };
    }

    /// Of the last packet in nanoseconds; above 0 if the second leg is later.
    #[must_use]
    pub const fn now_ns(&self) -> i64 {
        self.now_ns
    }

    /// The largest, in nanoseconds.
    #[must_use]
    pub const fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// 99 of 100 packets had at most this many nanoseconds, up to 12 % fewer.
    pub fn p99_ns(&mut self) -> u64 {
        let (_, of) = self.p99;
        if self.samples != of && (self.samples < FRESH || self.samples >= of + FRESH) {
            self.p99 = (self.percentile(), self.samples);
        }
        self.p99.0
    }

    fn percentile(&self) -> u64 {
        let rank = self.samples - self.samples / 100;
        let mut below = 0;
        let bucket = self.buckets.iter().position(|count| {
            below += count;
            below >= rank
        });
        bucket.map_or(0, end_of).min(self.max_ns)
    }
}

fn bucket(ns: u64) -> usize {
    let octave = (ns | STEPS as u64).ilog2() - STEPS.ilog2();
    let step = usize::try_from(ns >> octave).expect("less than two times the steps");
    (octave as usize * STEPS + step).min(BUCKETS - 1)
}

/// Largest time of a bucket.
fn end_of(at: usize) -> u64 {
    let octave = (at / STEPS).saturating_sub(1);
    let step = at - octave * STEPS;
    ((step as u64 + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_of_any_time_then_ends_after_it_by_little() {
        for ns in (0..200u64).chain((3..33).flat_map(|it| [(1 << it) - 1, 1 << it, 3 << it])) {
            let end = end_of(bucket(ns));
            assert!(end >= ns && end <= ns + ns / 8, "{ns}: {end}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn skew_of_a_hundred_then_p99_leaves_the_largest_out() {
        let mut skew = Skew::new();
        for _ in 0..99 {
            skew.note(1_000, true);
        }
        skew.note(5_000_000, false);
        assert_eq!((skew.now_ns(), skew.max_ns()), (-5_000_000, 5_000_000));
        assert!((1_000..1_125).contains(&skew.p99_ns()));
    }
}
