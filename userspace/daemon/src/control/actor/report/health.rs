//! The daemon's health document.

use onair_api::{
    ClockHealth, Dataplane as DataplaneDocument, Health, HealthStatus, PollerHealth, PortHealth,
    ProbeMode, ProbeState, PtpHealth, PtpState, SessionProblemKind as Kind, SessionState,
    SessionTally,
};
use onair_archive::UnwrittenReport;
use onair_dataplane::tai_minus_utc;

use crate::access::authority::Grant;
use crate::control::actor::Actor;

/// Whether the health reports a problem of this kind. A slow client harms no other; an operator stopped a source.
const fn is_of_health(problem: Kind) -> bool {
    !matches!(
        problem,
        Kind::SlowClient | Kind::LinkDown | Kind::SourceStopped | Kind::SenderChanged
    )
}

impl Actor {
    /// The health as a caller sees it that may read the sessions of `grant`: it gets only the number of
    /// the other sessions' problems.
    pub(crate) fn health(&self, grant: Grant) -> Health {
        let probe = self.services.probe_document(Vec::new());
        let mut problems = Vec::new();
        if probe.state == ProbeState::Blind {
            let reason = probe.reason.clone().unwrap_or_default();
            problems.push(format!("the probe is blind: {reason}"));
        }
        if probe.state == ProbeState::Off {
            problems.push("the probe is off: certificates have no reading from the kernel".into());
        }
        problems.extend(self.services.guard.problem().map(str::to_owned));
        let mut of_sessions = self.services.missing.clone();
        let unwritten = self.unwritten(grant, &mut problems);
        let required_and_blind =
            probe.mode == ProbeMode::Required && probe.state != ProbeState::Watching;
        let dataplane = self.dataplane_health(&mut problems);
        let shares = self.shares(grant, &mut problems, &mut of_sessions);
        let ptp = self.ptp_health(&mut problems);
        for session in self.sessions.living() {
            let of_health = session.problems().iter();
            let of_health = of_health.filter(|it| is_of_health(it.problem));
            of_sessions.extend(of_health.map(|it| {
                let text = format!("session {}: {}", session.spec.name, it.detail);
                (session.owner.uid, text)
            }));
        }
        let (seen, hidden): (Vec<_>, Vec<_>) = of_sessions
            .into_iter()
            .partition(|(owner, _)| grant.covers(Some(*owner)));
        problems.extend(seen.into_iter().map(|(_, text)| text));
        if !hidden.is_empty() {
            let count = hidden.len();
            problems.push(format!(
                "problems of sessions that your role does not let you read: {count}; ask an operator"
            ));
        }
        let status = if required_and_blind {
            HealthStatus::ProbeBlind
        } else if problems.is_empty() {
            HealthStatus::Ok
        } else {
            HealthStatus::Degraded
        };
        let started = self.services.identity.started_at;
        Health {
            status,
            live: true,
            ready: !required_and_blind && !self.shutdown.is_shutting_down(),
            problems,
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            boot_id: self.services.identity.boot_id.clone(),
            started_at: started,
            uptime_ms: u64::try_from(started.age().as_millis()).unwrap_or(u64::MAX),
            probe,
            dataplane,
            sessions: self.tally(),
            unwritten_certificates: unwritten,
            shares,
            clock: Some(ClockHealth {
                tai_minus_utc_s: tai_minus_utc(),
                times_set: self.services.dataplane.clock().steps(),
                ptp: Some(ptp),
            }),
        }
    }

    /// A clock that does not follow its grandmaster is a problem; that there is no ptp4l is one if
    /// the configuration names it.
    fn ptp_health(&self, problems: &mut Vec<String>) -> PtpHealth {
        let ptp = self.services.ptp.status().health.clone();
        let is_problem = match ptp.state {
            PtpState::Off | PtpState::Locked => false,
            PtpState::Absent => self.services.config.clock.names_a_ptp4l(),
            PtpState::Unlocked | PtpState::Lost => true,
        };
        if is_problem {
            let reason = ptp.reason.as_deref().unwrap_or("it was not asked yet");
            problems.push(format!("PTP is {}: {reason}", ptp.state));
        }
        ptp
    }

    /// Lists what is not on disk. Returns the number of certificates that are not.
    fn unwritten(&self, grant: Grant, problems: &mut Vec<String>) -> u64 {
        // The detail names sessions.
        let detail_for = |detail: String| match grant {
            Grant::Any => detail,
            Grant::OwnedBy(_) => "an operator sees which".to_owned(),
        };
        let dir = self.services.config.state.dir.display();
        if let Some(UnwrittenReport { count, detail }) = self.services.store.unwritten() {
            problems.push(format!(
                "the files of {count} sessions in {dir}/sessions are not up to date ({}): repair \
                 the disk; the daemon retries",
                detail_for(detail)
            ));
        }
        let Some(UnwrittenReport { count, detail }) = self.services.archive.unwritten() else {
            return 0;
        };
        problems.push(format!(
            "{count} certificates are not on disk in {dir}/certificates ({}): repair the disk; \
             the daemon retries",
            detail_for(detail)
        ));
        count
    }

    pub(crate) fn tally(&self) -> SessionTally {
        let mut tally = SessionTally {
            destroyed: self.destroyed,
            ..SessionTally::default()
        };
        for session in self.sessions.all() {
            match session.state() {
                SessionState::Created => tally.created += 1,
                SessionState::Running => tally.running += 1,
                SessionState::Stopped => tally.stopped += 1,
                SessionState::Draining => tally.draining += 1,
                SessionState::Quarantined => tally.quarantined += 1,
                SessionState::Destroyed => {}
            }
        }
        tally
    }

    pub(crate) fn dataplane_health(&self, problems: &mut Vec<String>) -> DataplaneDocument {
        let plane = &self.services.dataplane;
        let config = &self.services.config;
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
        let pollers = config
            .poller
            .iter()
            .enumerate()
            .map(|(index, poller)| PollerHealth {
                name: poller.name.clone(),
                core: plane
                    .core(index)
                    .and_then(|core| u32::try_from(core).ok())
                    .unwrap_or(u32::MAX),
                idle: match poller.idle {
                    crate::config::Idle::Adaptive => "adaptive".into(),
                    crate::config::Idle::Busy => "busy".into(),
                },
                alive: self.services.is_alive(index),
                sessions: plane.poller_counters(index).map_or(0, |it| it.sessions),
            })
            .collect();
        DataplaneDocument {
            backend: backend.to_owned(),
            dpdk: self.services.identity.versions.dpdk.clone(),
            hugepages: plane.has_hugepages(),
            ports,
            pollers,
        }
    }
}
