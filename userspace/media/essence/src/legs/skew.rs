//! How far the legs are apart.

/// Buckets of each doubling of time: 12 % wide at most.
const STEPS: usize = 8;
/// Up to 2^34 ns: 17 s.
const BUCKETS: usize = 32 * STEPS;
/// How long the figures are collected, in nanoseconds.
const WINDOW_NS: u64 = 1_000_000_000;
/// How old figures may be, in nanoseconds, to say something of now.
const OLD_NS: u64 = 3 * WINDOW_NS;

/// The skew of a second: at least of one packet that came on both legs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SkewSecond {
    /// 99 of 100 packets had at most this many nanoseconds, up to 12 % fewer.
    pub p99_ns: u64,
    /// The largest, in nanoseconds.
    pub max_ns: u64,
    /// The time of its last packet.
    pub ended_ns: u64,
}

/// Time from the first copy of a packet to the second.
#[derive(Debug, Clone)]
pub struct Skew {
    /// Of this second, which began with its first packet.
    buckets: Box<[u64; BUCKETS]>,
    samples: u64,
    max_ns: u64,
    started_ns: u64,
    /// Of the last packet, and its time.
    now_ns: i64,
    at_ns: u64,
    last: SkewSecond,
}

impl Skew {
    pub(super) fn new() -> Self {
        Self {
            buckets: Box::new([0; BUCKETS]),
            samples: 0,
            max_ns: 0,
            started_ns: 0,
            now_ns: 0,
            at_ns: 0,
            last: SkewSecond::default(),
        }
    }

    pub(super) fn reset(&mut self) {
        self.clear();
        (self.now_ns, self.at_ns, self.last) = (0, 0, SkewSecond::default());
    }

    fn clear(&mut self) {
        self.buckets.fill(0);
        (self.samples, self.max_ns) = (0, 0);
    }

    /// The second copy came so much later, at `at_ns`; `is_second`: on the second leg.
    #[inline]
    pub(super) fn note(&mut self, later_ns: u64, is_second: bool, at_ns: u64) {
        if self.samples > 0 && at_ns.saturating_sub(self.started_ns) >= WINDOW_NS {
            self.end_second();
        }
        if self.samples == 0 {
            self.started_ns = at_ns;
        }
        self.buckets[bucket(later_ns)] += 1;
        self.samples += 1;
        self.max_ns = self.max_ns.max(later_ns);
        self.at_ns = at_ns;
        let later_ns = i64::try_from(later_ns).unwrap_or(i64::MAX);
        self.now_ns = if is_second { later_ns } else { -later_ns };
    }

    #[inline(never)]
    fn end_second(&mut self) {
        self.last = SkewSecond {
            p99_ns: self.percentile(),
            max_ns: self.max_ns,
            ended_ns: self.at_ns,
        };
        self.clear();
    }

    /// Of the last packet in nanoseconds, above 0 if the second leg is later; and the packet's time, 0 before the first.
    #[must_use]
    pub const fn now(&self) -> (i64, u64) {
        (self.now_ns, self.at_ns)
    }

    /// The last second that has ended. Before, its time is 0.
    #[must_use]
    pub const fn last_second(&self) -> SkewSecond {
        self.last
    }

    /// Whether figures of this time say something of now.
    #[must_use]
    pub const fn is_recent(at_ns: u64, now_ns: u64) -> bool {
        at_ns > 0 && now_ns.saturating_sub(at_ns) < OLD_NS
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

    /// Packets of a millisecond each from `from` on, so much later on the second leg.
    fn feed(skew: &mut Skew, packets: std::ops::Range<u64>, later_ns: impl Fn(u64) -> u64) {
        for packet in packets {
            skew.note(later_ns(packet), true, (packet + 1) * 1_000_000);
        }
    }

    #[test]
    fn skew_of_a_second_then_p99_leaves_the_largest_out() {
        let mut skew = Skew::new();
        feed(&mut skew, 0..1_000, |packet| match packet % 500 {
            99 => 5_000_000,
            _ => 1_000,
        });
        assert_eq!(skew.last_second(), SkewSecond::default());
        skew.note(70, false, 1_001_000_000);
        assert_eq!(skew.now(), (-70, 1_001_000_000));
        let second = skew.last_second();
        assert_eq!((second.max_ns, second.ended_ns), (5_000_000, 1_000_000_000));
        assert!((1_000..1_125).contains(&second.p99_ns));
    }

    #[test]
    fn skew_that_heals_then_neither_largest_nor_p99_is_of_before() {
        let mut skew = Skew::new();
        // Late until 2.5 s.
        let later_ns = |packet| if packet < 2_500 { 20_000_000 } else { 1_000 };
        feed(&mut skew, 0..2_500, later_ns);
        assert_eq!(skew.last_second().max_ns, 20_000_000);
        feed(&mut skew, 2_500..4_010, later_ns);
        assert_eq!(skew.last_second().max_ns, 1_000);
        assert!(skew.last_second().p99_ns <= 1_125);
    }

    #[test]
    fn leg_that_is_gone_then_its_skew_is_old() {
        let mut skew = Skew::new();
        feed(&mut skew, 0..1_010, |_| 1_000);
        let ended_ns = skew.last_second().ended_ns;
        assert!(Skew::is_recent(ended_ns, ended_ns + WINDOW_NS));
        assert!(!Skew::is_recent(ended_ns, ended_ns + OLD_NS));
        skew.reset();
        assert_eq!(
            (skew.now(), skew.last_second()),
            ((0, 0), SkewSecond::default())
        );
        assert!(!Skew::is_recent(0, 0));
    }
}
