//! Rates of a session: its counters now, compared with those of about a second ago.

use std::collections::VecDeque;
use std::time::Duration;

use onair_api::{Direction, RecentTraffic, SessionState, Timestamp};
use onair_dataplane::SessionSnapshot;
use onair_ipc::sys;

use crate::session::Session;

/// Looks that are kept: four a second.
const HISTORY: usize = 5;

/// What one look saw.
#[derive(Clone, Copy, Debug, Default)]
struct TrafficSample {
    at_ns: u64,
    frames: u64,
    last_frame_ns: u64,
    packets: u64,
    bytes: u64,
    lost: u64,
    late: u64,
    /// Frame times of a sender without a frame.
    missed: u64,
}

impl TrafficSample {
    fn of(counted: &SessionSnapshot, direction: Direction, at_ns: u64) -> Self {
        Self {
            at_ns,
            frames: match direction {
                Direction::Receive => counted.frames_complete,
                Direction::Send => counted.frames_sent,
            },
            last_frame_ns: counted.last_frame_ns,
            packets: counted.packets,
            bytes: counted.bytes,
            lost: counted
                .packets_lost
                .saturating_sub(counted.packets_lost_arrived),
            late: counted.packets_late,
            missed: counted.underruns + counted.slots_missed,
        }
    }

    /// The rates between an earlier look and this one.
    fn since(&self, earlier: &Self) -> RecentTraffic {
        let frames = self.frames.saturating_sub(earlier.frames);
        let of_bytes = per_second(
            self.bytes.saturating_sub(earlier.bytes).saturating_mul(8),
            self.at_ns.saturating_sub(earlier.at_ns),
        );
        let packets = self.packets.saturating_sub(earlier.packets);
        let lost = self.lost.saturating_sub(earlier.lost);
        RecentTraffic {
            frames_per_1000_s: per_second(frames.saturating_mul(1000), self.frame_time(earlier)),
            bits_per_second: of_bytes,
            lost_ppm: lost
                .saturating_mul(1_000_000)
                .checked_div(lost.saturating_add(packets))
                .unwrap_or(0),
            last_frame_at: None,
        }
    }

    /// Nanoseconds that the frames since `earlier` took. From frame to frame that is exact, unless
    /// the frames have stopped since.
    fn frame_time(&self, earlier: &Self) -> u64 {
        let frames = self.frames.saturating_sub(earlier.frames).max(1);
        let exact = self.last_frame_ns.saturating_sub(earlier.last_frame_ns);
        let silent = self.at_ns.saturating_sub(self.last_frame_ns);
        if earlier.last_frame_ns > 0 && silent <= 2 * exact / frames {
            exact
        } else {
            self.at_ns.saturating_sub(earlier.at_ns)
        }
    }
}

fn per_second(count: u64, ns: u64) -> u64 {
    let each = u128::from(count) * 1_000_000_000;
    let rate = each.checked_div(u128::from(ns)).unwrap_or(0);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// The looks of about the last second, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Looks(VecDeque<TrafficSample>);

impl Looks {
    /// How many of a million packets were late.
    pub(crate) fn late_ppm(&self) -> u64 {
        self.share(|it| it.late, |it| it.packets)
    }

    /// How many of a million frame times of a sender had no frame.
    pub(crate) fn missed_ppm(&self) -> u64 {
        self.share(|it| it.missed, |it| it.frames + it.missed)
    }

    /// Whether packets came between the last two looks.
    pub(crate) fn has_packets(&self) -> bool {
        let mut newest = self.0.iter().rev().map(|it| it.packets);
        newest.next() > newest.next()
    }

    fn share(&self, part: fn(&TrafficSample) -> u64, whole: fn(&TrafficSample) -> u64) -> u64 {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else {
            return 0;
        };
        let grown = |of: fn(&TrafficSample) -> u64| of(last).saturating_sub(of(first));
        let share = grown(part).saturating_mul(1_000_000);
        share.checked_div(grown(whole)).unwrap_or(0)
    }
}

impl Session {
    /// Remembers the counters.
    pub(crate) fn look_at_rates(&mut self) {
        let looks = &mut self.traffic.recent.0;
        if self.core.state() != SessionState::Running {
            looks.clear();
            return;
        }
        if looks.len() == HISTORY {
            looks.pop_front();
        }
        let counted = self.stats.snapshot();
        looks.push_back(TrafficSample::of(
            &counted,
            self.spec.direction,
            sys::monotonic_ns(),
        ));
    }

    /// Its rates at the last look.
    pub(crate) fn recent(&self) -> Option<RecentTraffic> {
        let looks = &self.traffic.recent.0;
        let (first, last) = (looks.front()?, looks.back()?);
        if first.at_ns == last.at_ns {
            return None;
        }
        let last_frame_ns = self.stats.snapshot().last_frame_ns;
        let age = sys::monotonic_ns().saturating_sub(last_frame_ns);
        let at = Timestamp::now().0.checked_sub(Duration::from_nanos(age));
        Some(RecentTraffic {
            last_frame_at: at.filter(|_| last_frame_ns > 0).map(Timestamp),
            ..last.since(first)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn look(at_ms: u64, frames: u64, last_frame_ms: u64) -> TrafficSample {
        TrafficSample {
            at_ns: at_ms * MS,
            frames,
            last_frame_ns: last_frame_ms * MS,
            packets: frames * 100,
            bytes: frames * 125_000,
            ..TrafficSample::default()
        }
    }

    #[test]
    fn frame_rate_is_measured_from_frame_to_frame() {
        // 50 a second: the looks fall anywhere between two frames.
        let (first, last) = (look(1_019, 50, 1_000), look(2_001, 100, 2_000));
        let rate = last.since(&first);
        assert_eq!(rate.frames_per_1000_s, 50_000);
        assert_eq!(rate.bits_per_second, 50_916_496);
        assert_eq!(rate.lost_ppm, 0);
    }

    #[test]
    fn frames_that_stop_then_the_rate_falls_to_nothing() {
        let before = look(1_000, 50, 1_000);
        let half = look(2_000, 75, 1_500);
        assert_eq!(half.since(&before).frames_per_1000_s, 25_000);
        let none = look(3_000, 75, 1_500);
        assert_eq!(none.since(&half).frames_per_1000_s, 0);
    }

    #[test]
    fn lost_packets_are_a_share_of_those_sent() {
        let first = look(1_000, 50, 1_000);
        let last = TrafficSample {
            lost: 50,
            ..look(2_000, 100, 2_000)
        };
        assert_eq!(last.since(&first).lost_ppm, 9_900);
    }
}
