//! Units that are missing or incomplete again and again: too few in a second to be a shortage, and some in most seconds.

use std::collections::VecDeque;

use onair_mutant::mutant;

use super::shortage::{Cause, Units};

/// The last seconds that are judged, and how many of them must miss a unit.
const SECONDS: usize = 5;
const FEWEST_BAD: usize = 4;
const SECOND_NS: u64 = 1_000_000_000;

/// Rate that the format promises: so many units in 1,000 s, judged over so many nanoseconds, usually a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct PromisedRate {
    pub(super) in_1000_s: u64,
    pub(super) second_ns: u64,
}

impl PromisedRate {
    /// Units of some time, rounded.
    fn units(self, ns: u64) -> u64 {
        let thousandths = u128::from(ns) * u128::from(self.in_1000_s) / u128::from(SECOND_NS);
        u64::try_from((thousandths + 500) / 1_000).unwrap_or(u64::MAX)
    }
}

/// Most of the last seconds miss units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recurrence {
    /// Units of a second, and how many of them are missing at the mean of the bad seconds.
    of: u64,
    missing: u64,
    is_incomplete: bool,
    bad: usize,
    second_ns: u64,
    cause: Cause,
}

/// A second that has ended.
#[derive(Clone, Copy, Debug)]
struct Second {
    units: Units,
    ns: u64,
    missing: u64,
}

/// The missing units of the last seconds, counted at each look.
#[derive(Debug, Default)]
pub(super) struct Recurring {
    seconds: VecDeque<Second>,
    /// By how many units the timestamps went further than the complete units: before this second, and at the last look.
    before: i64,
    last: i64,
    last_ns: u64,
    /// As many are surely missing: a look may fall between the time of a unit and its count, and the next one does not.
    certain: i64,
    /// Of this second.
    missing: u64,
    /// The look that missed the last one.
    missed_ns: u64,
}

impl Recurring {
    /// Adds a look at `at_ns`. `units`: of this second so far, which has `ns` nanoseconds, and `is_over` with this look.
    pub(super) fn look(&mut self, at_ns: u64, (units, ns): (Units, u64), is_over: bool) {
        let now = self.before.saturating_add(units.ahead());
        let seen = match mutant!("lamp: a look between two counts misses a unit") {
            true => now,
            false => now.min(self.last),
        };
        if let Ok(more @ 1..) = u64::try_from(seen - self.certain) {
            self.missing += more;
            self.certain = seen;
            self.missed_ns = self.last_ns;
        }
        self.certain = self.certain.min(now.max(self.last));
        (self.last, self.last_ns) = (now, at_ns);
        if is_over {
            self.before = now;
            if self.seconds.len() == SECONDS {
                self.seconds.pop_front();
            }
            let missing = std::mem::take(&mut self.missing);
            self.seconds.push_back(Second { units, ns, missing });
        }
    }

    /// The fault at the last look: most seconds miss units, and that is not over. By this host's clock they are missing,
    /// too: timestamps that are not even are no fault.
    pub(super) fn fault(&self, promised: PromisedRate) -> Option<Recurrence> {
        let bad = self.seconds.iter().filter(|it| it.missing > 0);
        let count = bad.clone().count();
        let missing: u64 = bad.clone().map(|it| it.missing).sum();
        let ns = self.seconds.iter().map(|it| it.ns).sum();
        let complete: u64 = self.seconds.iter().map(|it| it.units.complete).sum();
        let is_late = 2 * promised.units(ns).saturating_sub(complete) < missing;
        // One a second is a look late at most.
        let is_over = self.last_ns.saturating_sub(self.missed_ns) >= promised.second_ns / 4 * 5;
        if count < FEWEST_BAD || is_late || is_over {
            return None;
        }
        let all = bad.fold(Units::default(), |all, it| all.plus(it.units));
        let seconds = u64::try_from(count).unwrap_or(u64::MAX);
        Some(Recurrence {
            of: promised.units(promised.second_ns),
            missing: ((missing + seconds / 2) / seconds).max(1),
            is_incomplete: all.incomplete > 0,
            bad: count,
            second_ns: promised.second_ns,
            cause: all.cause(missing),
        })
    }
}

impl Recurrence {
    /// For people; `noun`: what the units are; `remark`: what the packets show of a cause that is theirs.
    pub(super) fn text(&self, noun: &str, remark: Option<String>) -> String {
        let Self {
            of, missing, bad, ..
        } = self;
        let each = match self.second_ns / SECOND_NS {
            0 | 1 => "a second".to_owned(),
            seconds => format!("in {seconds} s"),
        };
        let (what, are) = match (self.is_incomplete, missing) {
            (true, _) => ("incomplete", "not complete"),
            (false, 1) => ("too few", "is missing"),
            (false, _) => ("too few", "are missing"),
        };
        let cause = self.cause.text(remark);
        format!(
            "{what}: {missing} of {of} {noun} {each} {are}, {bad} times of the last {SECONDS}: {cause}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK_NS: u64 = 250_000_000;
    const PROMISE: PromisedRate = PromisedRate {
        in_1000_s: 25_000,
        second_ns: SECOND_NS,
    };

    /// The reports on a stream of 25 frames a second, or none, look by look. `count`:
    /// complete units, and those that the timestamps went on, after so many units of the clock.
    fn told(looks: u64, count: impl Fn(u64) -> (u64, u64)) -> Vec<Option<String>> {
        told_with(looks, count, |_| Units::default())
    }

    fn told_with(
        looks: u64,
        count: impl Fn(u64) -> (u64, u64),
        more: impl Fn(u64) -> Units,
    ) -> Vec<Option<String>> {
        let mut recurring = Recurring::default();
        let mut began = 0;
        let units = |look: u64| look * 25 / 4;
        let each = (1..=looks).map(|look| {
            let ns = (look - began) * LOOK_NS;
            let (from, to) = (count(units(began)), count(units(look)));
            let second = Units {
                promised: ns / 40_000_000,
                stamped: Some(to.1.saturating_sub(from.1)),
                complete: to.0 - from.0,
                ..more(to.0 - from.0)
            };
            let is_over = look - began == 4;
            recurring.look(look * LOOK_NS, (second, ns), is_over);
            began = if is_over { look } else { began };
            let fault = recurring.fault(PROMISE);
            fault.map(|it| it.text("frames", None))
        });
        each.collect()
    }

    /// The looks that told something.
    fn which(told: &[Option<String>]) -> Vec<usize> {
        let looks = told.iter().enumerate();
        looks
            .filter_map(|(at, it)| it.is_some().then_some(at))
            .collect()
    }

    /// One of 25 left out, from second `from` to second `to`.
    fn leaves_out(from: u64, to: u64) -> impl Fn(u64) -> (u64, u64) {
        move |units| {
            let lost = (units + 12) / 25;
            (units - (lost.min(to).saturating_sub(from)), units)
        }
    }

    #[test]
    fn unit_left_out_each_second_then_told_and_healed_in_two() {
        let told = told(120, leaves_out(3, 15));
        let looks = which(&told);
        // From 2.5 s on, to 14.5 s.
        let (first, last) = (looks[0], looks[looks.len() - 1]);
        assert!((22..=34).contains(&first), "{looks:?}");
        assert!((57..=65).contains(&last), "{looks:?}");
        assert_eq!(looks.len(), last - first + 1, "it flickers: {looks:?}");
        let text = told[40].as_deref().unwrap();
        assert!(
            text.starts_with("too few: 1 of 25 frames a second is missing, 5 times of the last 5: the sender leaves out"),
            "{text}"
        );
    }

    #[test]
    fn unit_missing_now_and_then_is_no_fault() {
        assert_eq!(which(&told(400, |units| (units, units))), [0; 0]);
        // Each two seconds, and a burst each five.
        assert_eq!(
            which(&told(400, |units| (units - units / 50, units))),
            [0; 0]
        );
        let bursts = |units| (units - units / 125 * 9, units);
        assert_eq!(which(&told(400, bursts)), [0; 0]);
    }

    #[test]
    fn unit_that_loses_a_packet_each_second_is_incomplete() {
        let more = |complete| Units {
            incomplete: u64::from(complete > 20),
            lost: u64::from(complete > 20),
            ..Units::default()
        };
        let told = told_with(60, leaves_out(1, 99), more);
        let text = told[59].as_deref().unwrap();
        assert!(
            text.starts_with("incomplete: 1 of 25 frames a second not complete"),
            "{text}"
        );
        assert!(text.contains("packets are lost"), "{text}");
    }

    #[test]
    fn looks_between_two_counts_and_uneven_timestamps_are_no_fault() {
        // A look of each second sees the time of a unit, and not yet its count; of each other second one is missing.
        let torn = |units: u64| {
            let is_between = u64::from(units % 25 == 12);
            (units - units / 50 - is_between, units)
        };
        assert_eq!(which(&told(400, torn)), [0; 0]);
        // Timestamps that go on and jump back each second, and of another clock.
        let uneven = |units: u64| (units, units + units * 7 / 25 % 2);
        assert_eq!(which(&told(400, uneven)), [0; 0]);
        assert_eq!(
            which(&told(400, |units| (units, units + units / 25))),
            [0; 0]
        );
        // A jump, and timestamps that stand.
        let jumps = |units: u64| (units, if units > 500 { units + 9_000 } else { units });
        assert_eq!(which(&told(400, jumps)), [0; 0]);
        assert_eq!(which(&told(400, |units| (units, 0))), [0; 0]);
    }
}
