//! The daemon's health document.

use onair_api::{
    ClockHealth, Dataplane as DataplaneDocument, Health, PollerHealth, PollerState, PortHealth,
};
use onair_archive::UnwrittenReport;
use onair_dataplane::tai_minus_utc;
use onair_settings::access::authority::Grant;

use super::Report;
use super::problems::{self, Problems};
use crate::services::PollerDown;

impl Report<'_> {
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
}
