//! The network compatibility model: a leaky bucket (ST 2110-21 §6.6.1).

use super::super::schedule::Schedule;

/// Each packet raises the level by one; it falls by one each TDRAIN from the first packet on, not
/// below zero.
#[derive(Debug, Clone, Copy)]
pub struct NetworkModel {
    /// TDRAIN: `num / den` nanoseconds.
    num: i64,
    den: i64,
    last_ns: Option<u64>,
    /// Time since the last drained packet, in 1/`den` nanoseconds: 0 to `num - 1`.
    rest: i64,
    level: i64,
}

impl NetworkModel {
    /// The empty bucket of a stream with this schedule.
    #[must_use]
    pub fn new(schedule: &Schedule) -> Self {
        let (num, den) = schedule.drain();
        let signed = |it: u64| i64::try_from(it).expect("a part of a period: below 2^60");
        Self::draining(signed(num), signed(den))
    }

    /// The empty bucket of a stream with `num` / `den` units a second (frames, fields or segments), each of
    /// `packets` packets.
    #[must_use]
    pub fn of_units(num: u32, den: u32, packets: u32) -> Self {
        // TDRAIN: the period over 1.1 times the packets.
        Self::draining(
            i64::from(den) * 10_000_000_000,
            i64::from(num.max(1)) * 11 * i64::from(packets.max(1)),
        )
    }

    const fn draining(num: i64, den: i64) -> Self {
        Self {
            num,
            den,
            last_ns: None,
            rest: 0,
            level: 0,
        }
    }

    /// The level that a packet at `at_ns`, not before the last one, would find.
    #[must_use]
    pub fn level_at(&self, at_ns: u64) -> u64 {
        let Some(last_ns) = self.last_ns else {
            return 0;
        };
        let passed = i128::from(at_ns.saturating_sub(last_ns));
        let time = passed * i128::from(self.den) + i128::from(self.rest);
        let drained = time / i128::from(self.num);
        let level = (i128::from(self.level) + 1 - drained).max(0);
        u64::try_from(level).unwrap_or(u64::MAX)
    }

    /// The first time in whole nanoseconds at which a packet would find at most `level`; 0 before the
    /// first packet.
    #[must_use]
    pub fn falls_to(&self, level: u64) -> u64 {
        let Some(last_ns) = self.last_ns else {
            return 0;
        };
        let drains = i128::from(self.level) + 1 - i128::from(level);
        if drains <= 0 {
            return last_ns;
        }
        let time = drains * i128::from(self.num) - i128::from(self.rest);
        let den = i128::from(self.den);
        let passed = u64::try_from((time + den - 1) / den).unwrap_or(u64::MAX);
        last_ns.saturating_add(passed)
    }

    /// Nanoseconds in which so many packets drain, rounded up.
    #[must_use]
    pub fn drains_in_ns(&self, packets: u64) -> u64 {
        let (num, den) = (
            u128::from(self.num.unsigned_abs()),
            u128::from(self.den.unsigned_abs()),
        );
        u64::try_from((u128::from(packets) * num).div_ceil(den)).unwrap_or(u64::MAX)
    }

    /// The level that a packet at `at_ns` finds: Cinst. A packet with an earlier time than the one
    /// before it takes the drained packets back.
    #[inline]
    pub fn packet(&mut self, at_ns: u64) -> u64 {
        let Some(last_ns) = self.last_ns.replace(at_ns) else {
            return 0;
        };
        if at_ns == last_ns {
            // Packets of one burst.
            self.level = self.level.saturating_add(1);
            return self.level.unsigned_abs();
        }
        let passed = i128::from(at_ns) - i128::from(last_ns);
        let time = passed * i128::from(self.den) + i128::from(self.rest);
        let drained = match i64::try_from(time) {
            // Usual: packets closer than TDRAIN or little more.
            Ok(time) if (0..self.num).contains(&time) => {
                self.rest = time;
                0
            }
            Ok(time) => {
                self.rest = time.rem_euclid(self.num);
                time.div_euclid(self.num)
            }
            Err(_) => {
                let num = i128::from(self.num);
                self.rest =
                    i64::try_from(time.rem_euclid(num)).expect("below a divisor of 64 bits");
                let limit = i128::from(i64::MAX / 2);
                i64::try_from(time.div_euclid(num).clamp(-limit, limit)).expect("clamped")
            }
        };
        self.level = self.level.saturating_add(1).saturating_sub(drained).max(0);
        self.level.unsigned_abs()
    }

    /// `times` more packets at the time of the last one. The level that the last of them finds.
    #[inline]
    pub fn repeat(&mut self, times: u32) -> u64 {
        self.level = self.level.saturating_add(times.into());
        self.level.unsigned_abs()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::schedule::{Reads, Stream};
    use super::*;
    use crate::video::Scan;
    use proptest::prelude::*;

    fn stream(rate: (u32, u32), packets: u32) -> Stream {
        Stream {
            height: 1080,
            scan: Scan::Progressive,
            rate,
            packets,
            reads: Reads::Gapped,
            offset_ns: None,
            max_udp: None,
        }
    }

    #[test]
    fn bursts_of_eight_fill_the_bucket_and_it_empties() {
        // TDRAIN 20 ms / 1000 / 1.1 = 18,181.8 ns; eight packets each 160 µs: 8.8 drained between.
        let mut model = NetworkModel::new(&Schedule::new(&stream((50, 1), 1000)).unwrap());
        let mut levels = (0..800).map(|n| model.packet(n / 8 * 160_000));
        let first: Vec<_> = levels.by_ref().take(8).collect();
        assert_eq!(first, [0, 1, 2, 3, 4, 5, 6, 7]);
        for burst in levels.collect::<Vec<_>>().chunks(8) {
            assert_eq!(burst, [0, 1, 2, 3, 4, 5, 6, 7]);
        }
    }

    #[test]
    fn time_that_goes_back_or_leaps_is_no_panic() {
        let mut model = NetworkModel::new(&Schedule::new(&stream((60_000, 1001), 4320)).unwrap());
        for at_ns in [5, 0, u64::MAX, 0, u64::MAX, 1, 1, 1] {
            model.packet(at_ns);
        }
    }

    proptest! {
        #[test]
        fn level_is_that_of_the_slow_oracle(
            num in prop::sample::select(vec![24_000u32, 25, 30_000, 50, 60_000, 120]),
            packets in 1u32..20_000,
            start in 0u64..1 << 61,
            gaps in prop::collection::vec(0u64..200_000, 1..400),
        ) {
            let den = if num > 1000 { 1001 } else { 1 };
            let mut model = NetworkModel::new(&Schedule::new(&stream((num, den), packets)).unwrap());
            let (mut at, mut level, mut cleared) = (start, 0i128, 0i128);
            prop_assert_eq!(model.packet(at), 0);
            for gap in gaps {
                at += gap;
                // floor(t * 1.1 * packets * num / (den * 10^9)), from the first packet.
                let now = i128::from(at - start) * 11 * i128::from(packets) * i128::from(num)
                    / (i128::from(den) * 10_000_000_000);
                level = (level + 1 - (now - cleared)).max(0);
                cleared = now;
                let foreseen = i128::from(model.level_at(at));
                prop_assert_eq!(foreseen, level);
                prop_assert_eq!(i128::from(model.packet(at)), level);
                for wanted in 0..4 {
                    let when = model.falls_to(wanted);
                    prop_assert!(model.level_at(when) <= wanted);
                    prop_assert!(when == at || model.level_at(when - 1) > wanted);
                }
            }
        }
    }
}
