//! The sender's clock, as its timestamps show it: values that stand or jump, drift, and times that are not TAI.

use std::time::Duration;

use onair_api::{RecentTraffic, SessionProblem, SessionProblemKind as Kind};
use onair_dataplane::FrameClock;
use onair_essence::Format;
use onair_essence::audio::AudioFormat;
use onair_essence::measure::Measure as _;
use onair_essence::media_time::beside_timestamps;
use onair_settings::config::ms;

use super::super::look::TrafficLook;
use super::super::sender_clock::Finding;
use super::super::stamps::{Pace, StampFault};
use super::FEWEST;
use crate::session::problem::problem;

/// The part of the time by which timestamps may be too fast or too slow; of audio it tells 44,100 Hz from 48,000.
const PART: i64 = 10;
const PART_OF_SOUND: i64 = 25;

/// The reason for which packets with such a timestamp are refused.
const BAD_TIMESTAMP: &str = "bad_timestamp";
/// One of so many such packets is a fault.
const PACKETS_A_FAULT: u64 = 100;

fn pace(format: &Format) -> Pace {
    Pace {
        clock_hz: format.clock_hz(),
        unit_us: i64::try_from(format.units_time(1).as_micros()).unwrap_or(i64::MAX),
        part: if format.audio().is_some() {
            PART_OF_SOUND
        } else {
            PART
        },
    }
}

fn jumped(us: i64) -> String {
    let seconds = us.unsigned_abs();
    format!(
        "the sender's RTP timestamps jumped {} by {}.{:03} s: restart the sender, or check its clock",
        if us < 0 { "back" } else { "ahead" },
        seconds / 1_000_000,
        seconds % 1_000_000 / 1_000,
    )
}

fn drifts(ppm: i64) -> String {
    format!(
        "the sender's clock is {} ppm {} than this host's, so frames will be late or missing: let both follow the \
         same PTP grandmaster",
        ppm.unsigned_abs(),
        if ppm > 0 { "faster" } else { "slower" }
    )
}

impl StampFault {
    /// For people, in a session of this format.
    fn problem(self, format: &Format) -> SessionProblem {
        let check = "check the sender's clock";
        let text = match self {
            Self::Jump(us) => jumped(us),
            Self::Stand(0) => format!("the sender's RTP timestamps are all 0: {check}"),
            Self::Stand(at) => format!("the sender's RTP timestamps stand still at {at}: {check}"),
            Self::Erratic => {
                format!("the sender's RTP timestamps jump again and again: {check}")
            }
            Self::Rate(hz) => {
                if let Some((own, theirs)) = format.audio().zip(sample_rate(hz)) {
                    let own = own.sample_rate();
                    let detail = format!(
                        "{theirs} Hz arrives, by the RTP timestamps of a second, and {own} Hz is configured: correct the \
                         sender, or create the session with `--audio CODING/{theirs}/CHANNELS`"
                    );
                    return problem(Kind::WrongFormat, detail);
                }
                format!(
                    "the sender's RTP timestamps go on by {hz} a second, and {} is right: {check}",
                    format.clock_hz()
                )
            }
        };
        problem(Kind::Timestamps, text)
    }
}

/// The usual sample rate that was measured as this.
fn sample_rate(hz: u64) -> Option<u32> {
    let mut rates = AudioFormat::SAMPLE_RATES.into_iter();
    rates.find(|rate| hz.abs_diff(u64::from(*rate)) * 25 <= u64::from(*rate))
}

impl TrafficLook<'_> {
    /// Timestamps that stand, jump, or have another rate.
    pub(super) fn stamps(&mut self) -> Option<SessionProblem> {
        let hold = self.hold();
        let watch = &mut self.traffic.signal;
        let is_new = watch
            .ssrc_at
            .is_some_and(|at| self.now < at + ms(self.settings.absent_ms));
        if is_new || self.counted.packet_clock == 0 {
            watch.stamps.restart();
            watch.stamped = None;
            return None;
        }
        let packet = FrameClock::of(self.counted.packet_clock);
        if let Some(fault) = watch.stamps.look(packet, pace(&self.spec.format)) {
            watch.stamped = Some((self.now, fault));
        }
        watch.stamped = watch.stamped.filter(|it| self.now < it.0 + hold);
        let (_, fault) = watch.stamped?;
        watch.clock.restart();
        Some(fault.problem(&self.spec.format))
    }

    /// Packets whose timestamps do not follow from their sequence numbers.
    pub(super) fn odd_stamps(&mut self) -> Option<SessionProblem> {
        let (counts, packets) = self.traffic.recent.refused();
        let mut reasons = self.spec.format.reasons().iter().zip(counts);
        let odd = reasons.find(|(reason, _)| **reason == BAD_TIMESTAMP);
        let odd = odd.map_or(0, |(_, count)| count);
        let is_many = odd >= FEWEST && odd * PACKETS_A_FAULT >= packets;
        let seen = is_many.then(|| {
            format!(
                "the RTP timestamps of {odd} of {packets} packets in the last second do not follow from their sequence \
                 numbers: check the sender"
            )
        });
        let hold = self.hold();
        let told = self.traffic.signal.odd_stamps.look(seen, self.now, hold)?;
        Some(problem(Kind::Timestamps, told))
    }

    /// Timestamps that drift, or are not of TAI. Judged while frames come at the session's rate.
    pub(super) fn clock_problem(&mut self) -> Option<SessionProblem> {
        let is_steady = self
            .traffic
            .recent
            .rates()
            .is_some_and(|it| self.has_its_rate(&it));
        let away_ns = self
            .away_from_tai_ns()
            .filter(|_| is_steady && self.services.machine.dataplane().clock().is_tai());
        // A frame of the sender before may be the newest one still.
        let settles = ms(self.settings.absent_ms).max(self.frame_times(3));
        let clock_hz = self.spec.format.clock_hz();
        let hold = self.hold();
        let watch = &mut self.traffic.signal;
        let finding = if watch.ssrc_at.is_some_and(|at| self.now < at + settles) {
            watch.clock.restart();
            None
        } else if is_steady {
            watch
                .clock
                .look(FrameClock::of(self.counted.frame_clock), clock_hz)
        } else {
            watch.clock.interrupt();
            None
        };
        let drift = match finding {
            Some(Finding::Drift(ppm)) if ppm.unsigned_abs() > self.settings.drift_ppm => {
                Some(drifts(ppm))
            }
            _ => None,
        };
        let not_tai = away_ns.map(|away_ns| {
            format!(
                "the sender's RTP timestamps do not follow TAI: packets arrive {}; let the sender follow PTP",
                beside_timestamps(away_ns)
            )
        });
        let drift = watch.drifts.look(drift, self.now, hold);
        let not_tai = watch.not_tai.look(not_tai, self.now, Duration::ZERO);
        Some(problem(Kind::Timestamps, drift.or(not_tai)?))
    }

    /// Whether frames come at the session's rate, by 10 %: a sender's jitter is in it.
    fn has_its_rate(&self, recent: &RecentTraffic) -> bool {
        let format = &self.spec.format;
        let rates = [
            format.units_in_1000_s(),
            format.fewest_units_in_1000_s(),
            format.most_units_in_1000_s(),
        ];
        let is_at = |nominal: u64| recent.frames_per_1000_s.abs_diff(nominal) * 10 <= nominal;
        rates.into_iter().any(is_at)
    }

    fn away_from_tai_ns(&self) -> Option<f64> {
        let monitor = self.traffic.timing.as_deref()?;
        monitor.away_ns(self.clock.monotonic_ns())
    }
}
