//! The timing of a receive session's packets, as the API and metrics show it.

use onair_api::SessionState;
use onair_essence::TimingDocument;
use onair_essence::measure::{Gauge, Measure as _};
use onair_settings::diagnostics::exposition::Exposition;

use crate::session::Session;

impl Session {
    /// The timing of its packets; `None` unless it runs and has measured some.
    pub(crate) fn timing(&self) -> Option<TimingDocument> {
        let is_running = self.state() == SessionState::Running;
        let monitor = self.traffic.timing.as_deref().filter(|_| is_running)?;
        monitor.document(self.clock.monotonic_ns())
    }

    pub(crate) fn measure_timing(
        &self,
        metrics: &mut Exposition,
        labels: [(&'static str, &str); 2],
    ) {
        let is_running = self.state() == SessionState::Running;
        let Some(monitor) = self.traffic.timing.as_deref().filter(|_| is_running) else {
            return;
        };
        let mut add = |gauge: Gauge| {
            let labels = labels.into_iter().chain(gauge.label);
            let labels: Vec<_> = labels.collect();
            metrics.gauge(gauge.name, gauge.help, &labels, gauge.value);
        };
        monitor.gauges(self.clock.monotonic_ns(), &mut add);
    }
}
