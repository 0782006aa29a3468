//! Whether a sender's RTP timestamps go on as the time does, by the newest packet of each look.

use std::collections::VecDeque;

use onair_dataplane::FrameClock;
use onair_mutant::mutant;

/// Looks that are judged together: those of a second, and the one before.
const LOOKS: usize = 5;
/// Looks that are kept. In five seconds this host is not late at all of them.
const HISTORY: usize = 20;
/// Timestamps this far ahead of the time, or behind it, have jumped, µs; and two units.
const JUMP_US: i64 = 100_000;

/// Fault of timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StampFault {
    /// All packets have the same timestamp: this one.
    Stand(u32),
    /// They went this much further than the time, once, µs.
    Jump(i64),
    /// They jump again and again.
    Erratic,
    /// They go on by so many ticks a second, and not by the media clock's rate.
    Rate(u64),
}

/// How a format's timestamps must go on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) clock_hz: u32,
    /// The time of a unit, µs.
    pub(crate) unit_us: i64,
    /// The part of the time by which they may be too fast or too slow: a tenth is 10.
    pub(crate) part: i64,
}

/// How far the host's clock and the timestamps went from one look to the next.
#[derive(Clone, Copy, Debug)]
struct Step {
    host_us: i64,
    ticks: i64,
    /// By how much the timestamps went further than the time.
    ahead_us: i64,
}

/// The newest packets at the last looks, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Stamps(VecDeque<FrameClock>);

impl Stamps {
    /// Forgets the packets before: another source sends, or this one paused.
    pub(crate) fn restart(&mut self) {
        self.0.clear();
    }

    /// Compares the newest packet with those of the looks before. One packet alone is no fault.
    pub(crate) fn look(&mut self, packet: FrameClock, pace: Pace) -> Option<StampFault> {
        if self.0.back() == Some(&packet) {
            return None;
        }
        if self.0.len() == HISTORY {
            self.0.pop_front();
        }
        self.0.push_back(packet);
        let pairs = self.0.iter().zip(self.0.iter().skip(1));
        let steps: Vec<_> = pairs
            .map(|(from, to)| step(*from, *to, pace.clock_hz))
            .collect();
        judge(&steps, packet.timestamp, pace)
    }
}

fn step(from: FrameClock, to: FrameClock, clock_hz: u32) -> Step {
    // A unit has 1,024 ns.
    let host_us = i64::from(to.units.wrapping_sub(from.units)) * 1_024 / 1_000;
    let ticks = to.timestamp.wrapping_sub(from.timestamp).cast_signed();
    let sender_us = i64::from(ticks) * 1_000_000 / i64::from(clock_hz.max(1));
    Step {
        host_us,
        ticks: ticks.into(),
        ahead_us: sender_us - host_us,
    }
}

fn judge(all: &[Step], timestamp: u32, pace: Pace) -> Option<StampFault> {
    let limit_us = JUMP_US.max(2 * pace.unit_us);
    let is_whole = all.len() + 1 >= LOOKS;
    let steps = &all[all.len().saturating_sub(LOOKS - 1)..];
    let host_us: i64 = steps.iter().map(|it| it.host_us).sum();
    if is_whole && host_us > limit_us && steps.iter().all(|it| it.ticks == 0) {
        return Some(StampFault::Stand(timestamp));
    }
    let far = steps.iter().filter(|it| it.ahead_us.abs() > limit_us);
    if is_whole && far.count() + 1 >= steps.len() {
        return Some(rate(steps, pace).unwrap_or(StampFault::Erratic));
    }
    jump(all, limit_us).or_else(|| rate(steps, pace).filter(|_| is_whole))
}

/// A step that the packets of later looks keep. Ahead of all before, one look more is enough: no packet comes before it is
/// sent. Behind, two: this host may have been late.
fn jump(steps: &[Step], limit_us: i64) -> Option<StampFault> {
    let stays = |of: &[Step]| of.iter().all(|it| it.ahead_us.abs() < limit_us / 2);
    if let [earlier @ .., before, a, b] = steps
        && earlier.len() + 2 >= LOOKS
        && stays(&[*before, *b])
    {
        let (mut at_us, mut highest_us) = (0, 0);
        for step in earlier.iter().chain([before]) {
            at_us += step.ahead_us;
            highest_us = at_us.max(highest_us);
        }
        if mutant!("lamp: a late host is a jump") {
            highest_us = at_us;
        }
        let ahead_us = at_us + a.ahead_us - highest_us;
        if ahead_us > limit_us {
            return Some(StampFault::Jump(ahead_us));
        }
    }
    match steps {
        [.., before, a, b, c] if a.ahead_us < -limit_us && stays(&[*before, *b, *c]) => {
            Some(StampFault::Jump(a.ahead_us))
        }
        _ => None,
    }
}

/// Another rate, if three of four steps show it and none the opposite.
fn rate(steps: &[Step], pace: Pace) -> Option<StampFault> {
    let away = |it: &Step| {
        let least_us = (it.host_us / pace.part).max(pace.unit_us * 5 / 4);
        if it.ahead_us.abs() > least_us {
            it.ahead_us.signum()
        } else {
            0
        }
    };
    let sum: i64 = steps.iter().map(away).sum();
    if sum.unsigned_abs() + 1 < steps.len() as u64 {
        return None;
    }
    let (ticks, us) = steps.iter().fold((0, 0), |(ticks, us), it| {
        (ticks + it.ticks, us + it.host_us)
    });
    let hz =
        u64::try_from(ticks).ok()? * 1_000_000 / u64::try_from(us).ok().filter(|it| *it > 0)?;
    (hz < 4 * u64::from(pace.clock_hz)).then_some(StampFault::Rate(hz))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIDEO: Pace = Pace {
        clock_hz: 90_000,
        unit_us: 40_000,
        part: 10,
    };
    const SOUND: Pace = Pace {
        clock_hz: 48_000,
        unit_us: 10_000,
        part: 25,
    };

    /// The faults of ten seconds of looks. `sent`: the timestamp in µs of the newest packet at the time in µs, both of
    /// the sender; `late`: how late this host sees it.
    fn faults(pace: Pace, sent: impl Fn(i64) -> i64, late: impl Fn(i64) -> i64) -> Vec<StampFault> {
        let mut stamps = Stamps::default();
        let looks = (0..40).filter_map(|look| {
            let at_us = look * 250_000 + 7_000_000_000;
            let seen_us = at_us - late(look);
            let ticks = sent(seen_us) * i64::from(pace.clock_hz) / 1_000_000;
            let packet = FrameClock {
                timestamp: u32::try_from(ticks.rem_euclid(1 << 32)).unwrap(),
                units: u32::try_from((at_us * 1_000 / 1_024).rem_euclid(1 << 32)).unwrap(),
            };
            stamps.look(packet, pace)
        });
        let mut found: Vec<_> = looks.collect();
        found.dedup();
        found
    }

    /// Frames of 25 a second.
    fn frames(us: i64) -> i64 {
        us / 40_000 * 40_000
    }

    #[test]
    fn right_timestamps_then_no_fault_whatever_the_host_does() {
        let jitter = |look: i64| look * 7_919 % 13 * 3_000;
        assert_eq!(faults(VIDEO, frames, |_| 0), []);
        assert_eq!(faults(SOUND, |us| us, |_| 0), []);
        assert_eq!(faults(VIDEO, frames, jitter), []);
        assert_eq!(faults(SOUND, |us| us, |look| look * 7_919 % 13 * 500), []);
        // Once or twice half a second late.
        for late in [1, 2] {
            let stalls = |look: i64| if look % 10 < late { 500_000 } else { 0 };
            assert_eq!(faults(VIDEO, frames, stalls), [], "{late}");
            assert_eq!(faults(SOUND, |us| us, stalls), [], "{late}");
        }
        // A frame a second.
        let slow = Pace {
            unit_us: 1_000_000,
            ..VIDEO
        };
        assert_eq!(faults(slow, |us| us / 1_000_000 * 1_000_000, |_| 0), []);
    }

    #[test]
    fn timestamps_that_stand_jump_or_run_then_named() {
        let start = 7_000_000_000;
        for pace in [VIDEO, SOUND] {
            assert_eq!(faults(pace, |_| 0, |_| 0), [StampFault::Stand(0)]);
            for by_us in [-3_000_000, -200_000, 200_000, 3_000_000] {
                let jumps = |us: i64| frames(us) + if us > start + 4_100_000 { by_us } else { 0 };
                let found = faults(pace, jumps, |_| 0);
                let [StampFault::Jump(us)] = found[..] else {
                    panic!("{by_us}: {found:?}");
                };
                assert!(us.abs_diff(by_us) <= 50_000, "{by_us}: {us}");
            }
            // One packet with a wrong timestamp at one look.
            let once = |us: i64| {
                frames(us)
                    + if us == start + 4_000_000 {
                        1_000_000
                    } else {
                        0
                    }
            };
            assert_eq!(faults(pace, once, |_| 0), []);
            let wild = |us: i64| us * 7_919 % 1_000_003 * 5_000;
            assert_eq!(faults(pace, wild, |_| 0), [StampFault::Erratic]);
        }
        let rates = [
            (SOUND, 96_000),
            (SOUND, 44_100),
            (VIDEO, 45_000),
            (VIDEO, 120_000),
        ];
        for (pace, hz) in rates {
            let found = faults(pace, |us| us * hz / i64::from(pace.clock_hz), |_| 0);
            let [StampFault::Rate(first), ..] = found[..] else {
                panic!("{hz}: {found:?}");
            };
            assert!(
                found.iter().all(|it| matches!(it, StampFault::Rate(_))),
                "{found:?}"
            );
            assert!(
                first.abs_diff(u64::try_from(hz).unwrap()) < 900,
                "{hz}: {first}"
            );
        }
    }
}
