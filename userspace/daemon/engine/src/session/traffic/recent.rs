//! Traffic of about the last second: a session's counters now, compared with those of the looks before.

use std::cmp::Ordering;
use std::collections::VecDeque;

use onair_api::{Direction, RecentTraffic, SessionSpec};
use onair_dataplane::{FrameClock, SessionSnapshot, SessionStats};
use onair_essence::Format;
use onair_essence::receive::MOST_REASONS;

use super::lasting::LOOKS;
use super::recurring::{PromisedRate, Recurrence, Recurring};
use super::shortage::Units;
use crate::clock::Clocks;

/// The time that is judged, and as many units at least.
const SECOND_NS: u64 = 1_000_000_000;
const FEWEST_UNITS: u32 = 4;
/// A source that starts again more often is judged with its starts.
const START_EVERY_NS: u64 = 3 * SECOND_NS;
/// By so many ticks the timestamps of the units of a second may be wrong.
const TOLERATED_TICKS: i64 = 4;

/// The counters at one look.
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
    incomplete: u64,
    unmarked: u64,
    past_marker: u64,
    no_buffer: u64,
    duplicate: u64,
    sender_changes: u64,
    /// Refused packets by reason, in the order of the essence's reasons.
    refused: [u64; MOST_REASONS],
    /// Of the newest frame; 0 before the first.
    frame_clock: u64,
}

impl TrafficSample {
    fn of(counted: &SessionSnapshot, direction: Direction, at_ns: u64) -> Self {
        Self {
            at_ns,
            frames: match direction {
                Direction::Receive | Direction::Local => counted.frames_complete,
                Direction::Send => counted.frames_sent,
            },
            last_frame_ns: counted.last_frame_ns,
            packets: counted.packets,
            bytes: counted.bytes,
            lost: counted
                .packets_lost
                .saturating_sub(counted.packets_lost_arrived),
            late: counted.packets_late.saturating_sub(counted.packets_astray),
            missed: counted.underruns + counted.underruns_open + counted.slots_missed,
            incomplete: counted.frames_incomplete,
            unmarked: counted.frames_without_marker,
            past_marker: counted.frames_past_marker,
            no_buffer: counted.frames_no_buffer,
            duplicate: counted.packets_duplicate,
            sender_changes: counted.sender_changes,
            refused: [0; MOST_REASONS],
            frame_clock: counted.frame_clock,
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

    /// How many packets were refused for each reason since an earlier look, and how many came.
    fn refused_since(&self, earlier: &Self) -> ([u64; MOST_REASONS], u64) {
        let mut grown = self.refused;
        for (grown, before) in grown.iter_mut().zip(earlier.refused) {
            *grown = grown.saturating_sub(before);
        }
        (grown, self.packets.saturating_sub(earlier.packets))
    }

    /// The units since an earlier look.
    fn units_since(&self, earlier: &Self, format: &Format) -> Units {
        let elapsed_ns = self.at_ns.saturating_sub(earlier.at_ns);
        let a_thousand_s = u128::from(self.promise(earlier, format));
        let units = |count: u128, a_second: u128| {
            let thousandths = count * a_thousand_s / a_second.max(1);
            u64::try_from(thousandths / 1_000).unwrap_or(u64::MAX)
        };
        let has_clocks = earlier.frame_clock > 0 && self.frame_clock > 0;
        let stamped = has_clocks.then(|| {
            let [before, now] = [earlier, self].map(|it| FrameClock::of(it.frame_clock).timestamp);
            let ticks = now.wrapping_sub(before).cast_signed().max(0).unsigned_abs();
            let hz = format.clock_hz();
            // Half a unit more: timestamps are rounded.
            let half = u128::from(hz) * 500 / a_thousand_s.max(1);
            units(u128::from(ticks) + half, hz.into())
        });
        let grown = |of: fn(&TrafficSample) -> u64| of(self).saturating_sub(of(earlier));
        let (refused, packets) = self.refused_since(earlier);
        let reasons = format.reasons().iter().copied().zip(refused);
        Units {
            promised: units(elapsed_ns.into(), SECOND_NS.into()),
            stamped,
            complete: grown(|it| it.frames),
            incomplete: grown(|it| it.incomplete),
            unmarked: grown(|it| it.unmarked),
            past_marker: grown(|it| it.past_marker),
            no_buffer: grown(|it| it.no_buffer),
            packets,
            lost: grown(|it| it.lost),
            late: grown(|it| it.late) + grown(|it| it.duplicate),
            refused: reasons.filter(|it| it.1 > 0).max_by_key(|it| it.1),
        }
    }

    /// Units that are promised in 1,000 s: as few as a sender may make, if no more came since `earlier`, or as many.
    fn promise(&self, earlier: &Self, format: &Format) -> u64 {
        let came = |it: &Self| it.frames.saturating_add(it.incomplete);
        let units = u128::from(came(self).saturating_sub(came(earlier)));
        let elapsed_ns = u128::from(self.at_ns.saturating_sub(earlier.at_ns));
        // A fifth more, and one: the looks fall between units.
        let has = |it: &u64| units <= elapsed_ns * u128::from(*it) * 6 / 5 / 1_000_000_000_000 + 1;
        let fewer = [format.fewest_units_in_1000_s(), format.units_in_1000_s()];
        let promise = fewer.into_iter().find(has);
        promise.unwrap_or(format.most_units_in_1000_s())
    }

    /// Whether whole units came since `earlier` at another rate than the format's, by their number and their timestamps:
    /// more if greater. `None`: some were lost or refused, or the timestamps say nothing.
    fn other_rate(&self, earlier: &Self, format: &Format) -> Option<Ordering> {
        let grown = |of: fn(&TrafficSample) -> u64| of(self).saturating_sub(of(earlier));
        let is_whole = grown(|it| it.lost + it.incomplete + it.no_buffer) == 0;
        let units = u32::try_from(grown(|it| it.frames)).ok()?;
        if !is_whole || units < FEWEST_UNITS || earlier.frame_clock == 0 {
            return None;
        }
        let [before, now] = [earlier, self].map(|it| FrameClock::of(it.frame_clock).timestamp);
        let ticks = i64::from(now.wrapping_sub(before).cast_signed());
        let hz = u128::from(format.clock_hz());
        let a_thousand_s = u128::from(self.promise(earlier, format));
        let right = u128::from(units) * hz * 1_000 / a_thousand_s.max(1);
        let right = i64::try_from(right).ok()?;
        // Timestamps are rounded, and a sender's may have jitter: a third of what tells 59.94 from 60.
        let tolerated = i64::from(units) / 2 + TOLERATED_TICKS;
        match (right - ticks).abs() <= tolerated || !(1..4 * right).contains(&ticks) {
            true => None,
            false => Some(right.cmp(&ticks)),
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
pub(crate) struct RecentSamples {
    looks: VecDeque<TrafficSample>,
    /// With what this second began, and the seconds before: they do not overlap.
    second: Option<TrafficSample>,
    recurring: Recurring,
    /// Another rate was seen, as more or fewer units, at so many looks in a row.
    other_rate: Option<(Ordering, u32)>,
    /// The source, how often it has begun, and when it last did.
    starts: (u64, u64),
    started_ns: u64,
}

impl RecentSamples {
    /// How many of a million packets were late.
    pub(crate) fn late_ppm(&self) -> u64 {
        self.share(|it| it.late, |it| it.packets)
    }

    /// How many of a million frame times of a sender had no frame.
    pub(crate) fn missed_ppm(&self) -> u64 {
        self.share(|it| it.missed, |it| it.frames + it.missed)
    }

    /// How often the sender changed in the last second.
    pub(crate) fn sender_changes(&self) -> u64 {
        let (first, last) = (self.looks.front(), self.looks.back());
        let both = first.zip(last);
        both.map_or(0, |(first, last)| {
            last.sender_changes.saturating_sub(first.sender_changes)
        })
    }

    /// Whether units come at another rate than the format's, by the sender's own timestamps. A look may fall between the
    /// time of a unit and its count: two agree.
    pub(crate) fn has_other_rate(&self) -> bool {
        self.other_rate.is_some_and(|(_, looks)| looks >= LOOKS)
    }

    fn judge_rate(&mut self, format: &Format) {
        let both = self.looks.front().zip(self.looks.back());
        let seen = both.and_then(|(first, last)| last.other_rate(first, format));
        let before = self.other_rate.filter(|it| Some(it.0) == seen);
        self.other_rate = seen.map(|seen| (seen, 1 + before.map_or(0, |it| it.1)));
    }

    /// Whether packets came between the last two looks.
    pub(crate) fn has_packets(&self) -> bool {
        let mut newest = self.looks.iter().rev().map(|it| it.packets);
        newest.next() > newest.next()
    }

    /// The clocks of the newest frames at the looks.
    pub(crate) fn frame_clocks(&self) -> impl Iterator<Item = FrameClock> {
        let clocks = self.looks.iter().map(|it| it.frame_clock);
        clocks.filter(|it| *it > 0).map(FrameClock::of)
    }

    /// How many packets were refused for each reason, in the order of the essence's reasons; and how many came.
    pub(crate) fn refused(&self) -> ([u64; MOST_REASONS], u64) {
        let (Some(first), Some(last)) = (self.looks.front(), self.looks.back()) else {
            return ([0; MOST_REASONS], 0);
        };
        last.refused_since(first)
    }

    /// The units of the last second, once there was one since the source began.
    pub(super) fn units(&self, format: &Format) -> Option<Units> {
        let (first, last) = (self.looks.front()?, self.looks.back()?);
        let elapsed_ns = last.at_ns.saturating_sub(first.at_ns);
        if elapsed_ns < window_ns(format) / 10 * 9 {
            return None;
        }
        Some(last.units_since(first, format))
    }

    /// Compares the newest sample with the first one of the current second.
    fn judge_second(&mut self, format: &Format) {
        let Some(last) = self.looks.back() else {
            return;
        };
        let first = *self.second.get_or_insert(*last);
        let ns = last.at_ns.saturating_sub(first.at_ns);
        let is_over = ns >= window_ns(format);
        let units = last.units_since(&first, format);
        self.recurring.look(last.at_ns, (units, ns), is_over);
        if is_over {
            self.second = Some(*last);
        }
    }

    /// Units that are missing in most of the last seconds.
    pub(super) fn recurrence(&self, format: &Format) -> Option<Recurrence> {
        self.recurring.fault(PromisedRate {
            in_1000_s: format.units_in_1000_s(),
            second_ns: window_ns(format),
        })
    }

    fn share(&self, part: fn(&TrafficSample) -> u64, whole: fn(&TrafficSample) -> u64) -> u64 {
        let (Some(first), Some(last)) = (self.looks.front(), self.looks.back()) else {
            return 0;
        };
        let grown = |of: fn(&TrafficSample) -> u64| of(last).saturating_sub(of(first));
        let share = grown(part).saturating_mul(1_000_000);
        share.checked_div(grown(whole)).unwrap_or(0)
    }

    /// Forgets what came before.
    pub(crate) fn clear(&mut self) {
        self.looks.clear();
        self.other_rate = None;
        (self.second, self.recurring) = (None, Recurring::default());
    }

    /// Adds a look. `starts`: the source, and how often it has begun. With a start, what came before says nothing any
    /// more.
    fn add(&mut self, sample: TrafficSample, starts: (u64, u64), window_ns: u64) {
        if starts != self.starts {
            self.starts = starts;
            let before_ns = std::mem::replace(&mut self.started_ns, sample.at_ns);
            if sample.at_ns.saturating_sub(before_ns) >= START_EVERY_NS {
                self.clear();
            }
        }
        let is_old = |it: &TrafficSample| sample.at_ns.saturating_sub(it.at_ns) >= window_ns;
        // The window begins with the newest look that is older.
        while self.looks.get(1).is_some_and(is_old) {
            self.looks.pop_front();
        }
        self.looks.push_back(sample);
    }
}

fn window_ns(format: &Format) -> u64 {
    let units_ns = format.units_time(FEWEST_UNITS).as_nanos();
    u64::try_from(units_ns).unwrap_or(u64::MAX).max(SECOND_NS)
}

impl RecentSamples {
    /// The rates from the oldest look that is kept to the last one; `None` before the second look.
    pub(in crate::session) fn rates(&self) -> Option<RecentTraffic> {
        let (first, last) = (self.looks.front()?, self.looks.back()?);
        (first.at_ns != last.at_ns).then(|| last.since(first))
    }
}

impl RecentSamples {
    /// Keeps the counters of this look; rates are differences of two looks.
    pub(super) fn look(
        &mut self,
        spec: &SessionSpec,
        is_running: bool,
        stats: &SessionStats,
        clock: &Clocks,
    ) {
        if !is_running {
            self.clear();
            return;
        }
        let counted = stats.snapshot();
        let mut sample = TrafficSample::of(&counted, spec.direction, clock.monotonic_ns());
        let counts = stats.malformed().map(|(_, count)| count);
        sample
            .refused
            .iter_mut()
            .zip(counts)
            .for_each(|(to, it)| *to = it);
        let starts = (counted.ssrc, counted.ssrc_changes + counted.restarts);
        self.add(sample, starts, window_ns(&spec.format));
        self.judge_second(&spec.format);
        self.judge_rate(&spec.format);
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

    fn format() -> Format {
        let document = serde_json::json!({"ancillary": {"frame_rate": "25"}});
        serde_json::from_value(document).unwrap()
    }

    /// The counters after so many whole looks of a source whose timestamps go on: of six units a look, so many came.
    fn stamped(look: u64, frames: u64) -> TrafficSample {
        let ns = look * 250 * MS;
        TrafficSample {
            frame_clock: (look * 22_500) << 32 | ns >> 10,
            ..self::look(look * 250, frames, look * 250)
        }
    }

    #[test]
    fn units_of_a_second_are_compared_with_its_timestamps() {
        let (mut looks, window_ns) = (RecentSamples::default(), window_ns(&format()));
        for look in 20..24 {
            looks.add(stamped(look, look), (1, 0), window_ns);
            assert_eq!(looks.units(&format()), None);
        }
        for look in 24..40 {
            looks.add(stamped(look, look), (1, 0), window_ns);
        }
        let units = looks.units(&format()).unwrap();
        let found = (units.promised, units.stamped, units.complete);
        assert_eq!(found, (25, Some(25), 4));
        assert!(units.shortage().is_some());
        // It begins anew: the second before says nothing. Again at once: it does.
        looks.add(stamped(40, 40), (1, 1), window_ns);
        assert_eq!(looks.units(&format()), None);
        for look in 41..46 {
            looks.add(stamped(look, look), (look, 1), window_ns);
        }
        assert!(looks.units(&format()).is_some());
    }

    #[test]
    fn unit_missing_in_each_second_is_found_and_one_alone_is_not() {
        let window_ns = window_ns(&format());
        // One of so many looks misses one.
        for (each, is_found) in [(4, true), (12, false), (1_000, false)] {
            let mut looks = RecentSamples::default();
            for look in 20..60 {
                let (units, missing) = (look * 25 / 4, look / each);
                let sample = TrafficSample {
                    frame_clock: (units * 3_600) << 32 | (look * 250 * MS) >> 10,
                    ..self::look(look * 250, units - missing, look * 250)
                };
                looks.add(sample, (1, 0), window_ns);
                looks.judge_second(&format());
            }
            assert_eq!(looks.recurrence(&format()).is_some(), is_found, "{each}");
        }
    }

    /// The look at which another rate than 25 is seen; units come at this one, each with its timestamp, and one look in
    /// seven falls between the time of a unit and its count.
    fn other_rate(num: u64, den: u64, format: &Format) -> Option<u64> {
        let window_ns = window_ns(format);
        let mut looks = RecentSamples::default();
        (1..40).find(|look| {
            let units = 1_000 + look * num / (4 * den);
            let sample = TrafficSample {
                frame_clock: (units * 90_000 * den / num) << 32 | 1,
                ..self::look(look * 250, units - u64::from(look % 7 == 3), look * 250)
            };
            looks.add(sample, (1, 0), window_ns);
            looks.judge_rate(format);
            looks.has_other_rate()
        })
    }

    #[test]
    fn another_rate_is_seen_in_a_second_and_the_own_never() {
        let of = |rate: &str| {
            let document = serde_json::json!({"ancillary": {"frame_rate": rate}});
            serde_json::from_value::<Format>(document).unwrap()
        };
        let close = [
            (24, 1, "25"),
            (25, 1, "24"),
            (60_000, 1_001, "60"),
            (30_000, 1_001, "30"),
        ];
        for (num, den, format) in close {
            let found = other_rate(num, den, &of(format));
            assert!(found.is_some_and(|look| look <= 9), "{format}: {found:?}");
        }
        for (num, den, format) in [(25, 1, "25"), (60_000, 1_001, "60000/1001"), (60, 1, "60")] {
            assert_eq!(other_rate(num, den, &of(format)), None, "{format}");
        }
    }

    #[test]
    fn one_unit_a_frame_of_two_fields_is_as_promised() {
        let document = serde_json::json!({"ancillary": {"frame_rate": "25", "fields": true}});
        let fields: Format = serde_json::from_value(document).unwrap();
        for (a_look, is_short) in [(25, false), (50, false), (10, true), (36, true)] {
            let sample = |look: u64, units| TrafficSample {
                frame_clock: (look * 22_500) << 32 | 1,
                ..self::look(look * 250, units, look * 250)
            };
            let units = sample(8, 100 + a_look).units_since(&sample(4, 100), &fields);
            assert_eq!(units.shortage().is_some(), is_short, "{a_look}: {units:?}");
        }
    }

    #[test]
    fn units_of_fields_that_no_description_has_are_as_promised() {
        // 25 frames a second of two fields, of which some are left out.
        for (a_look, is_short) in [(25, false), (50, false), (10, true), (40, true)] {
            let sample = |look: u64, units| TrafficSample {
                frame_clock: (look * 22_500) << 32 | 1,
                ..self::look(look * 250, units, look * 250)
            };
            let (first, last) = (sample(4, 100), sample(8, 100 + a_look));
            let units = last.units_since(&first, &format());
            assert_eq!(units.shortage().is_some(), is_short, "{a_look}: {units:?}");
            assert!(!units.are_too_many(), "{a_look}: {units:?}");
        }
        assert_eq!(other_rate(50, 1, &format()), None);
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
