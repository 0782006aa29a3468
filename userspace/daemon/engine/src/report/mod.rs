//! Reports of the daemon: metrics, health, the use of shared limits, the configuration. It reads, and changes
//! nothing.

mod clock_metrics;
mod metrics;
mod problems;
mod service_metrics;

use std::sync::mpsc::SyncSender;
use std::time::Duration;

use onair_api::{
    ActiveConfig, ClockHealth, Dataplane as DataplaneDocument, Health, PollerHealth, PollerState,
    PortHealth, Problem, ProblemCode, RecordingState, SessionState, SessionTally, ShutdownPhase,
};
use onair_archive::UnwrittenReport;
use onair_dataplane::tai_minus_utc;
use onair_settings::access::authority::Grant;
use onair_settings::config::reload;
use onair_settings::diagnostics::exposition::{Exposition, metrics};
use onair_shares::Usage;
use serde_json::{Value, json};

use crate::clients::inspection::{Finding, Inspection, InspectionTask};
use crate::clients::processes::Processes;
use crate::recorder::Recorder;
use crate::services::{PollerDown, Services};
use crate::sessions::Sessions;
use problems::Problems;

/// Key of the inspection of all sessions: no process and no session has this number.
const DUMP: u64 = u64::MAX;

/// The daemon, as its reports see it.
#[derive(Debug)]
pub struct Report<'a> {
    /// Services that all sessions share.
    pub services: &'a Services,
    /// The sessions.
    pub sessions: &'a Sessions,
    /// The recordings.
    pub recorder: &'a Recorder,
    /// Requests that wait: on the control socket, on the attach socket.
    pub waiting: [usize; 2],
    /// Use of the limit of snapshots.
    pub snapshots: Usage,
    /// Use of the limits that users share.
    pub shares: [Usage; 3],
}

impl Report<'_> {
    /// The configuration in force.
    #[must_use]
    pub fn active_config(&self) -> ActiveConfig {
        let config = &self.services.config;
        ActiveConfig {
            file: config.file.as_ref().map(|file| file.display().to_string()),
            active: reload::json(config),
            last_reload: self.services.last_reload.clone(),
        }
    }

    /// Number of sessions in each state.
    #[must_use]
    pub fn tally(&self) -> SessionTally {
        let count = |state| {
            let all = self.sessions.all().filter(|it| it.core.state() == state);
            all.count() as u64
        };
        SessionTally {
            created: count(SessionState::Created),
            running: count(SessionState::Running),
            stopped: count(SessionState::Stopped),
            draining: count(SessionState::Draining),
            quarantined: count(SessionState::Quarantined),
            destroyed: self.sessions.numbers.destroyed(),
        }
    }

    /// Whether no session runs.
    ///
    /// # Errors
    /// `busy`.
    pub fn check_idle(&self) -> Result<(), Problem> {
        let detail = match self.tally().running {
            0 => return Ok(()),
            1 => "1 session is on air".to_owned(),
            count => format!("{count} sessions are on air"),
        };
        Err(Problem::new(ProblemCode::Busy, detail))
    }

    /// A helper thread names the users of the sessions, and answers with health and each session's
    /// blockers.
    pub fn dump(&self, reply: SyncSender<Value>) {
        let all = self.sessions.all();
        let sessions: Vec<_> = all
            .map(|session| {
                (
                    session.shown().view(),
                    session.blockers(self.services).draft(),
                )
            })
            .collect();
        let health = self.health(Grant::Any);
        let limit = self.services.machine.shutdown().config().handler();
        let until = self.services.machine.now() + limit / 2;
        let look = move |processes: &dyn Processes| {
            let sessions = sessions.into_iter();
            let sessions: Vec<Value> = sessions
                .map(|(view, draft)| json!({ "session": view, "blockers": draft.list(processes, until) }))
                .collect();
            // The requester may have given up.
            let _ = reply.try_send(json!({ "health": health, "sessions": sessions }));
            Finding::Told
        };
        self.services.machine.inspect(Inspection {
            about: DUMP,
            limit,
            look: InspectionTask::Alone(Box::new(look)),
            late: Box::new(|_| Finding::Told),
        });
    }

    /// The health as a caller sees it that may read the sessions of `grant`: it gets only the number of
    /// the other sessions' problems.
    #[must_use]
    pub fn health(&self, grant: Grant) -> Health {
        let services = self.services;
        let probe = services.probe_document(Vec::new());
        let mut all = Problems::default();
        all.of_daemon.extend(problems::of_probe(&probe));
        all.of_daemon.extend(services.machine.guard_problem());
        all.of_sessions.clone_from(&services.missing);
        let unwritten = self.unwritten(grant, &mut all.of_daemon);
        let dataplane = self.dataplane_health(&mut all.of_daemon);
        let shares = self.share_uses(grant, &mut all);
        let ptp = services.machine.ptp_health().clone();
        let names_a_ptp4l = services.config.clock.names_a_ptp4l();
        all.of_daemon.extend(problems::of_ptp(&ptp, names_a_ptp4l));
        for session in self.sessions.living() {
            let of_health = session.traffic.problems.iter();
            let of_health = of_health.filter(|it| problems::is_of_health(it.problem));
            all.of_sessions.extend(of_health.map(|it| {
                let text = format!("session {}: {}", session.spec.name, it.detail);
                (session.owner.uid, text)
            }));
        }
        all.of_daemon.extend(services.pollers_down());
        all.of_daemon.extend(services.machine.file_problem());
        let problems = all.seen_by(grant);
        let started = services.identity.started_at;
        Health {
            status: problems::status(&probe, &problems),
            live: true,
            ready: !problems::is_blind(&probe)
                && !services.has_lost_poller()
                && services.machine.shutdown().check_service().is_ok(),
            problems,
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            boot_id: self.services.identity.boot_id.clone(),
            started_at: started,
            uptime_ms: u64::try_from(self.services.machine.clock().age(started).as_millis())
                .unwrap_or(u64::MAX),
            probe,
            dataplane,
            sessions: self.tally(),
            unwritten_certificates: unwritten,
            shares,
            clock: ClockHealth {
                tai_minus_utc_s: tai_minus_utc(),
                times_set: self.services.machine.dataplane().clock().steps(),
                ptp,
            },
        }
    }

    /// Lists what is not on disk. Returns the number of certificates that are not.
    fn unwritten(&self, grant: Grant, problems: &mut Vec<String>) -> u64 {
        // The detail names sessions.
        let detail_for = |detail: String| match grant {
            Grant::Any => detail,
            Grant::OwnedBy(_) => "an operator sees which".to_owned(),
        };
        let dir = self.services.config.state.dir.display();
        problems.extend(self.services.store.damaged().map(|file| {
            let (aside, reason) = (file.aside.display(), detail_for(file.reason.clone()));
            let aside = detail_for(aside.to_string());
            format!(
                "the file of a session was damaged ({reason}): the session is not restored; create it again, or mend \
                 the file, which is now {aside}, give it back its name and restart the daemon"
            )
        }));
        problems.extend(self.services.machine.journal_problem());
        if let Some(UnwrittenReport { count, detail }) = self.services.store.unwritten() {
            problems.push(format!(
                "the files of {count} sessions in {dir}/sessions are not up to date ({}): repair \
                 the disk; the daemon retries",
                detail_for(detail)
            ));
        }
        let unwritten = self.services.archive.unwritten();
        let Some(UnwrittenReport { count, detail }) = unwritten else {
            return 0;
        };
        problems.push(format!(
            "{count} certificates have no file of their own in {dir}/certificates ({}); those that \
             {dir}/certificates.wal has are safe, the others are in memory only: repair the disk; the daemon retries",
            detail_for(detail)
        ));
        count
    }

    /// The pollers as the API shows them.
    #[must_use]
    pub fn pollers(&self) -> Vec<PollerHealth> {
        let all = 0..self.services.config.poller.len();
        all.map(|index| self.poller_health(index)).collect()
    }

    fn poller_health(&self, index: usize) -> PollerHealth {
        let plane = self.services.machine.dataplane();
        let poller = &self.services.config.poller[index];
        let counted = plane.poller_counters(index).unwrap_or_default();
        let (state, since) = PollerDown::state(self.services.poller_down(index));
        PollerHealth {
            name: poller.name.clone(),
            core: plane
                .core(index)
                .and_then(|core| u32::try_from(core).ok())
                .unwrap_or(u32::MAX),
            idle: match poller.idle {
                onair_settings::config::Idle::Adaptive => "adaptive".into(),
                onair_settings::config::Idle::Busy => "busy".into(),
            },
            alive: state == PollerState::Works,
            state,
            since,
            turns: counted.turns,
            sessions: counted.sessions,
        }
    }

    fn dataplane_health(&self, problems: &mut Vec<String>) -> DataplaneDocument {
        let plane = self.services.machine.dataplane();
        let ports: Vec<PortHealth> = plane
            .ports()
            .iter()
            .map(|port| self.services.port_health(port, problems))
            .collect();
        let mut drivers: Vec<&str> = ports.iter().map(|port| port.backend.as_str()).collect();
        drivers.sort_unstable();
        drivers.dedup();
        let backend = match drivers[..] {
            [] => "none",
            [one] => one,
            _ => "mixed",
        };
        DataplaneDocument {
            backend: backend.to_owned(),
            dpdk: self.services.identity.versions.dpdk.clone(),
            hugepages: plane.has_hugepages(),
            ports,
            pollers: self.pollers(),
        }
    }

    fn measure_recordings(&self, metrics: &mut Exposition) {
        let running = self.recorder.list.values();
        let ended = self.recorder.ended.values();
        for state in RecordingState::ALL {
            let running = running.clone().filter(|it| it.state() == state);
            let ended = ended.clone().filter(|it| it.view.state == state);
            let count = running.count() + ended.count();
            metrics! { metrics, &[("state", state.as_str())] =>
                count "onair_recordings" = count as u64,
                    "Recordings by state; ended ones as long as the daemon remembers them.";
            }
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
            let missed = view.restarts.iter().filter_map(|it| it.missed).sum();
            metrics! { metrics, &labels =>
                counter "onair_recording_packets_arrived_total" = counts.arrived,
                    "Packets that were offered to the recording.";
                counter "onair_recording_packets_written_total" = counts.written,
                    "Packets in the recording's files.";
                counter "onair_recording_bytes_total" = active.status().bytes,
                    "Bytes of the recording's files.";
                counter "onair_recording_packets_missed_total" = missed,
                    "Packets between the recording's files that came while no daemon recorded, as far as known.";
                count "onair_recording_packets_pending" = counts.pending,
                    "Packets that the recording accepted and has not written yet.";
            }
            let [recording, id, session] = labels;
            for (reason, &value) in &counts.dropped {
                metrics! { metrics, &[recording, id, session, ("reason", reason.as_str())] =>
                    counter "onair_recording_packets_dropped_total" = value,
                        "Packets that the recording did not accept, by reason.";
                }
            }
            for (reason, &value) in &counts.lost {
                metrics! { metrics, &[recording, id, session, ("reason", reason.as_str())] =>
                    counter "onair_recording_packets_lost_total" = value,
                        "Packets that the recording accepted and did not write, by reason.";
                }
            }
        }
    }

    fn measure_shutdown(&self, metrics: &mut Exposition) {
        let machine = &self.services.machine;
        let status = machine.shutdown().status();
        metrics.state(
            "onair_shutdown_phase",
            "Phase of the daemon's shutdown: 1 for the current one.",
            ShutdownPhase::ALL.map(ShutdownPhase::as_str),
            status.phase.as_str(),
        );
        for time in &status.phases {
            // The duration of the current phase is not known yet.
            let Some(us) = time.us else { continue };
            metrics! { metrics, &[("phase", time.phase.as_str())] =>
                gauge "onair_shutdown_phase_seconds" = Duration::from_micros(us).as_secs_f64(),
                    "How long each phase of the shutdown took.";
            }
        }
        let unwritten = self.services.archive.unwritten();
        metrics! { metrics, &[] =>
            count "onair_shutdown_users" = status.users,
                "Users that the shutdown waits for.";
            count "onair_shutdown_forced" = u64::from(status.forced),
                "1 once the shutdown was cut short.";
            count "onair_operations_open" = status.operations,
                "Requests in progress on both sockets.";
            counter "onair_operations_refused_total" = machine.shutdown().operations_refused(),
                "Requests refused because the shutdown had begun.";
            count "onair_certificates_unwritten" = unwritten.map_or(0, |report| report.count),
                "Certificates that are not on disk.";
            counter "onair_log_lines_dropped_total" = machine.dropped_log_lines(),
                "Log lines dropped because standard error was not read.";
        }
    }
}
