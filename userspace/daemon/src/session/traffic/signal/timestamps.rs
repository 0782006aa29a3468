//! The sender's clock, as its timestamps show it: jumps, drift, and times that are not TAI.

use std::time::Instant;

use onair_api::{RecentTraffic, SessionProblem, SessionProblemKind as Kind, Timestamp};
use onair_dataplane::{FrameClock, SessionSnapshot};
use onair_ipc::sys;

use super::super::sender_clock::Finding;
use super::{LOOKS, ms};
use onair_essence::measure::Measure as _;
use onair_essence::media_time::beside_timestamps;

use crate::config;
use crate::services::Services;
use crate::session::Session;
use crate::session::problem::problem;

fn jumped(us: i64) -> String {
    let seconds = us.unsigned_abs();
    format!(
        "the sender's RTP timestamps jumped {} by {}.{:03} s at {}: restart the sender, or check its clock",
        if us < 0 { "back" } else { "ahead" },
        seconds / 1_000_000,
        seconds % 1_000_000 / 1_000,
        Timestamp::now()
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

impl Session {
    /// Timestamps that jump, drift, or are not of TAI. Judged while frames come at the session's rate.
    pub(super) fn timestamps(
        &mut self,
        services: &Services,
        counted: &SessionSnapshot,
        settings: config::Signal,
        now: Instant,
    ) -> Option<SessionProblem> {
        let is_steady = self.recent().is_some_and(|it| self.has_its_rate(&it));
        let not_tai = self
            .away_from_tai_ns()
            .filter(|_| services.dataplane.clock().is_tai());
        // A frame of the sender before may be the newest one still.
        let settles = ms(settings.absent_ms).max(self.frame_times(3));
        let clock_hz = self.spec.format.clock_hz();
        let watch = &mut self.traffic.signal;
        let finding = if watch.ssrc_at.is_some_and(|at| now < at + settles) {
            watch.clock.restart();
            None
        } else if is_steady {
            watch
                .clock
                .look(FrameClock::of(counted.frame_clock), clock_hz)
        } else {
            watch.clock.interrupt();
            None
        };
        let drift = match finding {
            Some(Finding::Drift(ppm)) if ppm.unsigned_abs() > settings.drift_ppm => Some(ppm),
            _ => None,
        };
        watch.drifts = drift.map_or(0, |_| watch.drifts + 1);
        let fault = match (finding, drift) {
            (Some(Finding::Jump(us)), _) => Some(jumped(us)),
            (_, Some(ppm)) if watch.drifts >= LOOKS => Some(drifts(ppm)),
            _ => None,
        };
        let seen = watch.clock_faults.seen() + u64::from(fault.is_some());
        if let Some(fault) = fault {
            watch.clock_fault = fault;
        }
        if watch
            .clock_faults
            .lasts_for(seen, now, ms(settings.hold_ms))
        {
            return Some(problem(Kind::Timestamps, watch.clock_fault.clone()));
        }
        let away_ns = not_tai.filter(|_| is_steady)?;
        Some(problem(
            Kind::Timestamps,
            format!(
                "the sender's RTP timestamps do not follow TAI: packets arrive {}; let the sender follow PTP",
                beside_timestamps(away_ns)
            ),
        ))
    }

    /// Whether frames come at the session's rate, by 10 %: a sender's jitter is in it.
    fn has_its_rate(&self, recent: &RecentTraffic) -> bool {
        let nominal = self.spec.format.units_in_1000_s();
        recent.frames_per_1000_s.abs_diff(nominal) * 10 <= nominal
    }

    fn away_from_tai_ns(&self) -> Option<f64> {
        let monitor = self.traffic.timing.as_deref()?;
        monitor.away_ns(sys::monotonic_ns())
    }
}
