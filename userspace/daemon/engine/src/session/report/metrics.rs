//! A session's counters, for Prometheus.

use onair_api::{CounterMetric, SessionCounters, SessionProblemKind, SessionState, SignalState};
use onair_settings::diagnostics::exposition::Exposition;

use crate::services::Services;
use crate::session::report::Shown;

impl Shown<'_> {
    /// Adds the session's counters. The labels are name and id: a quarantined session may share its
    /// name with another.
    pub fn measure(&self, services: &Services, metrics: &mut Exposition) {
        let id = self.0.id.to_string();
        let session = ("session", self.0.spec.name.as_str());
        let labels = [session, ("id", id.as_str())];
        let counted = SessionCounters::from(&self.0.stats.snapshot());
        let mut dropped = Vec::new();
        for counter in SessionCounters::ALL {
            let value = (counter.value)(&counted);
            match counter.metric {
                CounterMetric::Total(metric) => {
                    metrics.counter(metric, counter.help, &labels, value);
                }
                CounterMetric::Dropped(reason) => dropped.push((reason, value)),
            }
        }
        for (reason, value) in dropped.into_iter().chain(self.0.stats.malformed()) {
            metrics.counter(
                "onair_session_packets_dropped_total",
                "Packets that went into no frame, by reason.",
                &[labels[0], labels[1], ("reason", reason)],
                value,
            );
        }
        let direction = self.0.spec.direction.to_string();
        let state = self.0.core.state().to_string();
        metrics.count(
            "onair_session_info",
            "1 for each session, with its state and group.",
            &[
                labels[0],
                labels[1],
                (
                    "group",
                    self.0.member_of.as_ref().map_or("", |it| it.as_str()),
                ),
                ("direction", &direction),
                ("port", &self.0.spec.port),
                ("state", &state),
            ],
            1,
        );
        metrics.count(
            "onair_session_attachments",
            "Processes attached.",
            &labels,
            self.0.core.clients().attached().count() as u64,
        );
        let loaned = self
            .0
            .core
            .clients()
            .attached()
            .map(|it| self.loaned_to(it.number));
        metrics.count(
            "onair_session_frames_lent",
            "Frames currently on loan to clients, according to the ledger.",
            &labels,
            loaned.sum(),
        );
        if let Some(Ok(blocked)) = services.machine.blocked(self.0.index) {
            metrics.count(
                "onair_session_blocked_callers",
                "Callers asleep in a wait, according to the kernel.",
                &labels,
                blocked,
            );
        }
        for problem in SessionProblemKind::ALL {
            let lasts = self
                .0
                .traffic
                .problems
                .iter()
                .any(|it| it.problem == problem);
            metrics.count(
                "onair_session_problem",
                "1 while a problem of the session's traffic lasts, by kind.",
                &[labels[0], labels[1], ("problem", problem.as_str())],
                u64::from(lasts),
            );
        }
        let signal = self.0.traffic.state.as_ref().map(|it| it.state);
        for state in SignalState::ALL {
            metrics.count(
                "onair_session_signal",
                "1 for the signal's state; 0 everywhere unless the session runs.",
                &[labels[0], labels[1], ("state", state.as_str())],
                u64::from(signal == Some(state)),
            );
        }
        if let Some(group) = &self.0.traffic.legs[0].group {
            let labels = [
                labels[0],
                labels[1],
                ("group", group.group.as_str()),
                ("by", group.joined_by.as_str()),
            ];
            metrics.count(
                "onair_session_group_joined",
                "1 while the session's multicast group is joined.",
                &labels,
                u64::from(group.joined),
            );
        }
        self.measure_timing(metrics, labels);
        self.measure_legs(metrics, labels);
        self.measure_drain(metrics, &labels);
    }

    fn measure_drain(&self, metrics: &mut Exposition, labels: &[(&'static str, &str)]) {
        let (told, is_blocked) = self.0.core.warnings();
        let stopped = matches!(
            self.0.core.state(),
            SessionState::Stopped | SessionState::Draining
        );
        metrics.count(
            "onair_session_drain_warnings",
            "Warnings since the last stop that the session still has users.",
            labels,
            if stopped { told } else { 0 },
        );
        let blocked = self.0.core.life().stopped_at().filter(|_| is_blocked);
        metrics.gauge(
            "onair_session_drain_blocked_seconds",
            "Time since the stop, while a warning stands; else 0.",
            labels,
            blocked.map_or(0.0, |at| self.0.clock.age(at).as_secs_f64()),
        );
    }
}
