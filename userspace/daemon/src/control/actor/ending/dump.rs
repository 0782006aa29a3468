//! Reports health, and each session with its blockers.

use std::sync::mpsc::SyncSender;
use std::time::Instant;

use serde_json::{Value, json};

use crate::access::authority::Grant;
use crate::clients::inspector::{Finding, Inspection, InspectionTask};
use crate::control::actor::Actor;

/// Key of the inspection of all sessions: no process and no session has this number.
const DUMP: u64 = u64::MAX;

impl Actor {
    /// A helper thread names the users of the sessions, and answers.
    pub(super) fn dump(&self, reply: SyncSender<Value>) {
        let all = self.sessions.all();
        let sessions: Vec<_> = all
            .map(|session| (session.view(), session.draft_blockers(&self.services)))
            .collect();
        let health = self.health(Grant::Any);
        let until = Instant::now() + self.shutdown.config().handler() / 2;
        let look = move || {
            let sessions = sessions.into_iter();
            let sessions: Vec<Value> = sessions
                .map(|(view, draft)| json!({ "session": view, "blockers": draft.list(until) }))
                .collect();
            // The requester may have given up.
            let _ = reply.try_send(json!({ "health": health, "sessions": sessions }));
            Finding::Told
        };
        self.services.inspector.ask(Inspection {
            about: DUMP,
            limit: self.shutdown.config().handler(),
            look: InspectionTask::Alone(Box::new(look)),
            late: Box::new(|| Finding::Told),
        });
    }
}
