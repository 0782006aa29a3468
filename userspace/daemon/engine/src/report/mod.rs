//! Reports of the daemon: metrics, health, the use of shared limits, the configuration. It reads, and changes
//! nothing.

mod clock_metrics;
mod health;
mod metrics;
mod problems;
mod recording_metrics;
mod service_metrics;
mod shares;
mod shutdown_metrics;

use std::sync::mpsc::SyncSender;

use onair_api::{ActiveConfig, Problem, ProblemCode, SessionState, SessionTally};
use onair_settings::access::authority::Grant;
use onair_settings::config::reload;
use onair_shares::Usage;
use serde_json::{Value, json};

use crate::clients::inspection::{Finding, Inspection, InspectionTask};
use crate::clients::processes::Processes;
use crate::recorder::Recorder;
use crate::services::Services;
use crate::sessions::Sessions;

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
}
