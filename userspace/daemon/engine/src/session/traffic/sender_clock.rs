//! The sender's clock, as its RTP timestamps show it: jumps, and drift against this host's clock.

use onair_dataplane::FrameClock;

/// A step of the timestamps that differs by more from the time that passed is a jump, µs.
const JUMP_US: i64 = 100_000;
/// Looks of one part: the least delay of the network in it counts.
const PART: u32 = 8;
/// Whole parts over which a drift is measured: twelve seconds at four looks a second.
const PARTS: usize = 6;
/// Less is no drift.
const LEAST_PPM: i64 = 10;
/// The newest parts, which show first that a drift has ended.
const NEWEST: usize = 2;

/// Fault of a sender's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The timestamps went this much further than the time, µs.
    Jump(i64),
    /// The sender's clock is faster by this, ppm; over twelve seconds.
    Drift(i64),
}

/// One sender's timestamps beside this host's clock.
#[derive(Debug, Default)]
pub(crate) struct SenderClock {
    last: Option<FrameClock>,
    /// By how much the host's clock is ahead since the first frame, µs: the delay of the network and the drift.
    behind_us: i64,
    elapsed_us: i64,
    looks: u32,
    /// The elapsed time and the least `behind_us` of each part, oldest first; the last one is not whole.
    parts: Vec<(i64, i64)>,
}

impl SenderClock {
    /// Compares the newest frame with the one of the last look. `clock_hz`: ticks a second of the timestamps.
    pub(crate) fn look(&mut self, frame: FrameClock, clock_hz: u32) -> Option<Finding> {
        let last = self.last.replace(frame)?;
        let units = frame.units.wrapping_sub(last.units);
        let ticks = frame.timestamp.wrapping_sub(last.timestamp).cast_signed();
        // A unit has 1,024 ns.
        let host_us = i64::from(units) * 1_024 / 1_000;
        let sender_us = i64::from(ticks) * 1_000_000 / i64::from(clock_hz.max(1));
        let behind_us = host_us - sender_us;
        if behind_us.abs() > JUMP_US {
            self.interrupt();
            return Some(Finding::Jump(-behind_us));
        }
        self.behind_us += behind_us;
        self.elapsed_us += host_us;
        let new = (self.elapsed_us, self.behind_us);
        match self.parts.last_mut() {
            Some(part) if !self.looks.is_multiple_of(PART) => {
                if new.1 < part.1 {
                    *part = new;
                }
            }
            _ => {
                if self.parts.len() > PARTS {
                    self.parts.remove(0);
                }
                self.parts.push(new);
            }
        }
        self.looks = self.looks.wrapping_add(1);
        let whole = self.parts.get(..PARTS)?;
        if self.parts.len() == PARTS {
            return None;
        }
        let (earlier, later) = whole.split_at(PARTS / 2);
        let (before, since) = (drift_ppm(earlier)?, drift_ppm(later)?);
        // A delay that changes once, on another way through the network, is in one half only.
        let both = match before.signum() == since.signum() {
            true => before.signum() * before.abs().min(since.abs()),
            false => 0,
        };
        let now = drift_ppm(&whole[PARTS - NEWEST..])? * both.signum();
        if both.abs() > LEAST_PPM && now < both.abs() / 3 {
            self.interrupt();
            return None;
        }
        Some(Finding::Drift(both))
    }

    /// Frames come too early or too late to measure a drift. A jump meanwhile is found afterwards.
    pub(crate) fn interrupt(&mut self) {
        *self = Self {
            last: self.last,
            ..Self::default()
        };
    }

    /// Another sender, or a pause.
    pub(crate) fn restart(&mut self) {
        *self = Self::default();
    }
}

/// By how much the sender's clock is faster, between the first of `parts` and the last one.
fn drift_ppm(parts: &[(i64, i64)]) -> Option<i64> {
    let (first, last) = (parts.first()?, parts.last()?);
    let elapsed = last.0 - first.0;
    (elapsed > 0).then(|| (first.1 - last.1) * 1_000_000 / elapsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HZ: u32 = 90_000;

    /// A frame that came `at_us`, sent by a clock that is faster by `ppm`.
    fn frame(at_us: u64, ppm: i64, delay_us: u64) -> FrameClock {
        frame_of(HZ, at_us, ppm, delay_us)
    }

    fn frame_of(hz: u32, at_us: u64, ppm: i64, delay_us: u64) -> FrameClock {
        let sender_us = at_us.strict_add_signed(i64::try_from(at_us).unwrap() * ppm / 1_000_000);
        let ticks = (sender_us * u64::from(hz) / 1_000_000 + 0xffff_0000) % (1 << 32);
        let units = ((at_us + delay_us) * 1_000 / 1_024 + 0xffff_0000) % (1 << 32);
        FrameClock {
            timestamp: ticks.try_into().unwrap(),
            units: units.try_into().unwrap(),
        }
    }

    fn drift(hz: u32, ppm: i64) -> i64 {
        let mut clock = SenderClock::default();
        let looks = (0..80u64).map(|look| {
            // The delay is up to 3 ms, and in each part once small.
            let delay_us = look * 7 % 8 * 400;
            clock.look(frame_of(hz, look * 250_000, ppm, delay_us), hz)
        });
        match looks.last().unwrap().unwrap() {
            Finding::Drift(found) => found,
            Finding::Jump(us) => panic!("a jump of {us} us"),
        }
    }

    #[test]
    fn drift_is_measured_in_spite_of_the_network() {
        for (hz, ppm) in [
            (HZ, -900),
            (HZ, 0),
            (HZ, 300),
            (HZ, 5_000),
            (48_000, 0),
            (44_100, 300),
        ] {
            let found = drift(hz, ppm);
            assert!(found.abs_diff(ppm) < 60, "{hz} {ppm}: {found}");
        }
    }

    #[test]
    fn drift_that_ends_is_over_within_four_seconds() {
        let mut clock = SenderClock::default();
        let looks = (0..160u64).map(|look| {
            let drifting = look.min(100) * 250_000;
            let mut at = frame(look * 250_000, 0, look * 7 % 4 * 100);
            at.timestamp = at
                .timestamp
                .wrapping_add((drifting * 9 / 100 / 1_000).try_into().unwrap());
            matches!(clock.look(at, HZ), Some(Finding::Drift(ppm)) if ppm > 800)
        });
        let told: Vec<_> = looks.collect();
        assert!(told[60..100].iter().all(|it| *it), "{told:?}");
        assert!(told[117..].iter().all(|it| !*it), "{told:?}");
    }

    #[test]
    fn delay_that_changes_once_then_no_drift_at_any_time_after() {
        for step_us in [-5_000, 5_000] {
            let mut clock = SenderClock::default();
            for look in 0..120u64 {
                let delay_us = if look < 60 { 10_000 } else { 10_000 + step_us };
                let at = frame(look * 250_000, 0, u64::try_from(delay_us).unwrap());
                let found = clock.look(at, HZ);
                assert!(
                    !matches!(found, Some(Finding::Drift(ppm)) if ppm.abs() > 60),
                    "{found:?} at look {look}"
                );
            }
        }
    }

    #[test]
    fn jump_while_frames_are_unsteady_is_found_afterwards() {
        let mut clock = SenderClock::default();
        clock.look(frame(0, 0, 0), HZ);
        clock.interrupt();
        assert_eq!(clock.look(frame(250_000, 0, 0), HZ), None);
        clock.interrupt();
        let mut later = frame(750_000, 0, 0);
        later.timestamp = later.timestamp.wrapping_add(90_000);
        assert!(matches!(clock.look(later, HZ), Some(Finding::Jump(_))));
    }

    #[test]
    fn jump_is_found_once() {
        let mut clock = SenderClock::default();
        assert_eq!(clock.look(frame(0, 0, 0), HZ), None);
        assert_eq!(clock.look(frame(250_000, 0, 0), HZ), None);
        let mut later = frame(500_000, 0, 0);
        later.timestamp = later.timestamp.wrapping_add(90_000);
        let found = clock.look(later, HZ);
        assert!(matches!(found, Some(Finding::Jump(us)) if us.abs_diff(1_000_000) < 100));
        let mut next = frame(750_000, 0, 0);
        next.timestamp = next.timestamp.wrapping_add(90_000);
        assert_eq!(clock.look(next, HZ), None);
    }
}
