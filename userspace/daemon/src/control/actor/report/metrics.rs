//! The daemon's metrics, for Prometheus.

use std::time::{Duration, UNIX_EPOCH};

use onair_api::{EventName, RecordingState, SessionState, ShutdownPhase, Timestamp};

use crate::control::actor::Actor;
use crate::diagnostics::exposition::Exposition;
use crate::services::Services;
use crate::session::Session;

/// Counters of events: kind, metric, help.
const EVENTS: [(EventName, &str, &str); 14] = [
    (
        EventName::SessionCreated,
        "onair_sessions_created_total",
        "Sessions created.",
    ),
    (
        EventName::Destroyed,
        "onair_sessions_destroyed_total",
        "Sessions destroyed.",
    ),
    (
        EventName::Quarantined,
        "onair_sessions_quarantined_total",
        "Sessions quarantined.",
    ),
    (
        EventName::ClientAttached,
        "onair_clients_attached_total",
        "Processes that attached.",
    ),
    (
        EventName::ClientLeft,
        "onair_clients_left_total",
        "Attachments that ended.",
    ),
    (
        EventName::Evicted,
        "onair_evictions_total",
        "Attachments that were evicted.",
    ),
    (
        EventName::Reconciled,
        "onair_reconciled_total",
        "Users that the daemon settled because they could not settle themselves.",
    ),
    (
        EventName::DrainBlocked,
        "onair_drain_warnings_total",
        "Warnings that a stopped session still has users.",
    ),
    (
        EventName::CertificateCompleted,
        "onair_certificates_completed_total",
        "Certificates completed because the session's memory was freed.",
    ),
    (
        EventName::RecordingStarted,
        "onair_recordings_started_total",
        "Recordings that took packets.",
    ),
    (
        EventName::RecordingDegraded,
        "onair_recordings_degraded_total",
        "Times that a recording could not write arriving packets, for a new reason.",
    ),
    (
        EventName::RecordingEnded,
        "onair_recordings_ended_total",
        "Recordings that ended.",
    ),
    (
        EventName::PtpGrandmaster,
        "onair_ptp_grandmaster_changes_total",
        "New grandmasters of ptp4l, the first one included.",
    ),
    (
        EventName::PollerDied,
        "onair_poller_deaths_total",
        "Polling threads that died.",
    ),
];

impl Actor {
    /// All metrics with their current values.
    pub(crate) fn metrics(&self) -> Exposition {
        let mut metrics = Exposition::default();
        self.measure_sessions(&mut metrics);
        self.measure_control(&mut metrics);
        self.measure_recordings(&mut metrics);
        measure_ports(&self.services, &mut metrics);
        measure_pollers(&self.services, &mut metrics);
        measure_probe(&self.services, &mut metrics);
        super::clock_metrics::measure(&self.services, &mut metrics);
        metrics
    }

    fn measure_sessions(&self, metrics: &mut Exposition) {
        for session in self.sessions.all() {
            session.measure(&self.services, metrics);
        }
        let tally = self.tally();
        for (state, count) in [
            (SessionState::Created, tally.created),
            (SessionState::Running, tally.running),
            (SessionState::Stopped, tally.stopped),
            (SessionState::Draining, tally.draining),
            (SessionState::Quarantined, tally.quarantined),
        ] {
            metrics.count(
                "onair_sessions",
                "Sessions by state.",
                &[("state", &state.to_string())],
                count,
            );
        }
        let memory = self.services.pending_reclaim.bytes();
        metrics.count(
            "onair_pending_reclaim_bytes",
            "Memory of destroyed sessions and of clients that left, still mapped or pinned.",
            &[],
            memory,
        );
        let quarantined = self.sessions.in_quarantine().map(Session::taken_bytes);
        metrics.count(
            "onair_quarantined_bytes",
            "Memory of quarantined sessions.",
            &[],
            quarantined.sum(),
        );
        metrics.count(
            "onair_frame_memory_bytes",
            "Frame memory of all sessions, and memory pending reclaim.",
            &[],
            self.taken_bytes(),
        );
        metrics.count(
            "onair_frame_memory_limit_bytes",
            "limits.frame_memory_mb.",
            &[],
            self.services.config.limits.frame_memory_mb << 20,
        );
        for (operation, count) in self.services.archive.issued() {
            metrics.counter(
                "onair_certificates_issued_total",
                "Certificates issued, by operation.",
                &[("operation", &operation.to_string())],
                count,
            );
        }
    }

    fn measure_control(&self, metrics: &mut Exposition) {
        let services = &self.services;
        let versions = &services.identity.versions;
        metrics.count(
            "onair_build_info",
            "1, with the running versions.",
            &[
                ("version", &versions.onaird),
                ("dpdk", &versions.dpdk),
                ("kernel", &versions.kernel),
            ],
            1,
        );
        metrics.gauge(
            "onair_start_time_seconds",
            "When the daemon started, Unix time.",
            &[],
            unix(services.identity.started_at),
        );
        metrics.count(
            "onair_heap_bytes",
            "Bytes of the daemon's heap that are in use.",
            &[],
            onair_ipc::sys::heap_bytes(),
        );
        for (kind, name, help) in EVENTS {
            metrics.counter(name, help, &[], services.hub.count(kind));
        }
        metrics.count(
            "onair_event_readers",
            "Readers of the event stream.",
            &[],
            services.hub.readers() as u64,
        );
        for (socket, waiting) in ["control", "attach"].into_iter().zip(self.waiting) {
            metrics.count(
                "onair_control_queue_depth",
                "Requests that wait for the control thread, by socket.",
                &[("socket", socket)],
                waiting as u64,
            );
        }
        self.measure_shutdown(metrics);
    }

    fn measure_recordings(&self, metrics: &mut Exposition) {
        let running = self.recorder.list.values();
        let ended = self.recorder.ended.values();
        for state in RecordingState::ALL {
            let running = running.clone().filter(|it| it.state() == state);
            let ended = ended.clone().filter(|it| it.view.state == state);
            let count = running.count() + ended.count();
            metrics.count(
                "onair_recordings",
                "Recordings by state; ended ones as long as the daemon remembers them.",
                &[("state", state.as_str())],
                count as u64,
            );
        }
        for (id, entry) in &self.recorder.list {
            let (Some(active), Some(view)) = (entry.active(), self.recorder.view(*id)) else {
                continue;
            };
            let id = view.id.to_string();
            let labels = [
                ("recording", view.name.as_str()),
                ("id", id.as_str()),
                ("session", view.session_name.as_str()),
            ];
            let counts = &view.counts;
            for (name, help, value) in [
                (
                    "onair_recording_packets_arrived_total",
                    "Packets that were offered to the recording.",
                    counts.arrived,
                ),
                (
                    "onair_recording_packets_written_total",
                    "Packets in the recording's files.",
                    counts.written,
                ),
                (
                    "onair_recording_bytes_total",
                    "Bytes of the recording's files.",
                    active.status().bytes,
                ),
            ] {
                metrics.counter(name, help, &labels, value);
            }
            metrics.count(
                "onair_recording_packets_pending",
                "Packets that the recording accepted and has not written yet.",
                &labels,
                counts.pending,
            );
            for (name, help, reasons) in [
                (
                    "onair_recording_packets_dropped_total",
                    "Packets that the recording did not accept, by reason.",
                    &counts.dropped,
                ),
                (
                    "onair_recording_packets_lost_total",
                    "Packets that the recording accepted and did not write, by reason.",
                    &counts.lost,
                ),
            ] {
                for (reason, value) in reasons {
                    let [recording, id, session] = labels;
                    let labels = [recording, id, session, ("reason", reason.as_str())];
                    metrics.counter(name, help, &labels, *value);
                }
            }
        }
    }

    fn measure_shutdown(&self, metrics: &mut Exposition) {
        let status = self.shutdown.status();
        metrics.state(
            "onair_shutdown_phase",
            "Phase of the daemon's shutdown: 1 for the current one.",
            ShutdownPhase::ALL.map(ShutdownPhase::as_str),
            status.phase.as_str(),
        );
        for time in &status.phases {
            // The duration of the current phase is not known yet.
            let Some(us) = time.us else { continue };
            metrics.gauge(
                "onair_shutdown_phase_seconds",
                "How long each phase of the shutdown took.",
                &[("phase", time.phase.as_str())],
                Duration::from_micros(us).as_secs_f64(),
            );
        }
        let figures: [(&'static str, &str, u64); 3] = [
            (
                "onair_shutdown_users",
                "Users that the shutdown waits for.",
                status.users,
            ),
            (
                "onair_shutdown_forced",
                "1 once the shutdown was cut short.",
                u64::from(status.forced),
            ),
            (
                "onair_operations_open",
                "Requests in progress on both sockets.",
                status.operations,
            ),
        ];
        for (name, help, value) in figures {
            metrics.count(name, help, &[], value);
        }
        metrics.counter(
            "onair_operations_refused_total",
            "Requests refused because the shutdown had begun.",
            &[],
            self.shutdown.operations_refused(),
        );
        let unwritten = self.services.archive.unwritten();
        metrics.count(
            "onair_certificates_unwritten",
            "Certificates that are not on disk.",
            &[],
            unwritten.map_or(0, |report| report.count),
        );
        metrics.counter(
            "onair_log_lines_dropped_total",
            "Log lines dropped because standard error was not read.",
            &[],
            crate::log::dropped(),
        );
    }
}

fn measure_ports(services: &Services, metrics: &mut Exposition) {
    for port in services.dataplane.ports() {
        let labels = [("port", port.name.as_str())];
        let link = services.dataplane.link(&port.name);
        metrics.count(
            "onair_port_up",
            "1 while the port's link is up.",
            &labels,
            u64::from(link.is_some_and(|link| link.is_up)),
        );
        let counted = services.dataplane.port_counters(&port.name);
        let counted = counted.unwrap_or_default();
        let driver = services
            .dataplane
            .port_stats(&port.name)
            .unwrap_or_default();
        for (name, help, value) in [
            (
                "onair_port_rx_packets_total",
                "Packets taken from the port.",
                counted.rx_packets,
            ),
            (
                "onair_port_rx_bytes_total",
                "Bytes taken from the port.",
                counted.rx_bytes,
            ),
            (
                "onair_port_tx_packets_total",
                "Packets given to the port.",
                counted.tx_packets,
            ),
            (
                "onair_port_tx_bytes_total",
                "Bytes given to the port.",
                counted.tx_bytes,
            ),
            (
                "onair_port_rx_missed_total",
                "Packets that the driver missed, or that one poller could not hand to another.",
                driver.missed() + counted.rx_hand_over_full,
            ),
            (
                "onair_port_rx_handed_over_total",
                "Packets that one poller of the port handed to another.",
                counted.rx_handed_over,
            ),
            (
                "onair_port_igmp_queries_total",
                "Queries of IGMP received.",
                counted.igmp_queries,
            ),
            (
                "onair_port_igmp_queries_dropped_total",
                "Queries of IGMP dropped, because too many came.",
                counted.igmp_dropped,
            ),
            (
                "onair_port_igmp_sent_total",
                "IGMP reports and leaves sent by the port itself.",
                counted.igmp_sent,
            ),
            (
                "onair_port_rx_errors_total",
                "Packets that came with errors.",
                driver.rx_errors,
            ),
            (
                "onair_port_tx_errors_total",
                "Packets that could not be sent.",
                driver.tx_errors,
            ),
        ] {
            metrics.counter(name, help, &labels, value);
        }
        for (reason, value) in [
            ("no_session", counted.rx_no_session),
            ("other_protocol", counted.rx_other),
            ("malformed", counted.rx_malformed),
            ("untagged", counted.rx_untagged),
            ("other_vlan", counted.rx_other_vlan),
        ] {
            metrics.counter(
                "onair_port_rx_unclaimed_total",
                "Packets that went to no session, by reason.",
                &[labels[0], ("reason", reason)],
                value,
            );
        }
    }
}

fn measure_pollers(services: &Services, metrics: &mut Exposition) {
    for (index, poller) in services.config.poller.iter().enumerate() {
        let labels = [("poller", poller.name.as_str())];
        let counted = services
            .dataplane
            .poller_counters(index)
            .unwrap_or_default();
        metrics.count(
            "onair_poller_alive",
            "1 while the polling thread works.",
            &labels,
            u64::from(services.is_alive(index)),
        );
        metrics.count(
            "onair_poller_sessions",
            "Sessions that the polling thread serves.",
            &labels,
            counted.sessions,
        );
        for (name, help, value) in [
            (
                "onair_poller_turns_total",
                "Iterations of the polling loop.",
                counted.turns,
            ),
            (
                "onair_poller_turns_busy_total",
                "Iterations that had work to do.",
                counted.turns_busy,
            ),
            (
                "onair_poller_sleeps_total",
                "Times that the polling thread slept.",
                counted.sleeps,
            ),
        ] {
            metrics.counter(name, help, &labels, value);
        }
    }
}

fn measure_probe(services: &Services, metrics: &mut Exposition) {
    let (state, _) = services.probe.state();
    metrics.state(
        "onair_probe_state",
        "State of the probe: 1 for the current one.",
        ["watching", "blind", "off"],
        &state.to_string(),
    );
    if let Some(at) = services.probe.canary_at() {
        metrics.gauge(
            "onair_probe_canary_time_seconds",
            "When the daemon's own canary last succeeded, Unix time.",
            &[],
            unix(at),
        );
    }
}

fn unix(at: Timestamp) -> f64 {
    let since = at.0.duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}
