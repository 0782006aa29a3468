//! The timing of a session's packets and units, as the API and metrics show it.

use onair_api::SessionState;
use onair_essence::TimingDocument;
use onair_essence::measure::{Gauge, Measure as _};
use onair_settings::diagnostics::exposition::Exposition;

use crate::session::report::Shown;
use onair_dataplane::{FrameClock, MediaClock};

impl Shown<'_> {
    /// The timing of its packets; `None` unless it runs and has measured some.
    pub(crate) fn timing(&self) -> Option<TimingDocument> {
        let is_running = self.0.core.state() == SessionState::Running;
        let monitor = self.0.traffic.timing.as_deref().filter(|_| is_running)?;
        monitor.document(self.0.clock.monotonic_ns())
    }

    pub(crate) fn measure_timing(
        &self,
        metrics: &mut Exposition,
        labels: [(&'static str, &str); 2],
    ) {
        let is_running = self.0.core.state() == SessionState::Running;
        let Some(monitor) = self.0.traffic.timing.as_deref().filter(|_| is_running) else {
            return;
        };
        let mut add = |gauge: Gauge| {
            let labels = labels.into_iter().chain(gauge.label);
            let labels: Vec<_> = labels.collect();
            metrics.gauge(gauge.name, gauge.help, &labels, gauge.value);
        };
        monitor.gauges(self.0.clock.monotonic_ns(), &mut add);
    }
}

/// Of a sender that is this far from the host's clock, the time is not known.
const SAME_CLOCK_NS: i64 = 10_000_000_000;

impl Shown<'_> {
    /// How long after the times of their timestamps its units began to come, or to be sent, in nanoseconds: the least of
    /// the last second, because a host may be late. `None` unless it runs and the timestamps follow TAI.
    pub fn delay_ns(&self, clock: &MediaClock) -> Option<i64> {
        if self.0.core.state() != SessionState::Running {
            return None;
        }
        let (now_ns, ahead_ns) = (self.0.clock.monotonic_ns(), clock.ahead_ns());
        let rtp = self.0.spec.rtp_clock();
        let newest = FrameClock::of(self.0.stats.snapshot().frame_clock);
        let newest = Some(newest).filter(|it| *it != FrameClock::of(0));
        let clocks = self.0.traffic.recent.frame_clocks().chain(newest);
        let delays = clocks.map(|it| {
            let tai_ns = it.ns(now_ns).saturating_add(ahead_ns);
            let stamped_ns = rtp.nearest_ns(it.timestamp, tai_ns);
            tai_ns.wrapping_sub(stamped_ns).cast_signed()
        });
        delays.min().filter(|it| it.abs() <= SAME_CLOCK_NS)
    }
}
