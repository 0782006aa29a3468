//! Findings of helper threads, and questions to them.

use onair_api::{BlockerList, Timestamp};

use crate::clients::inspector::{Finding, Purpose};
use crate::control::actor::Actor;
use crate::services::reply::Reply;

impl Actor {
    /// Handles the answer of a helper thread.
    pub(crate) fn found(&mut self, finding: Finding) {
        match finding {
            Finding::Core { session, event } => {
                self.handle(session, *event);
                self.quarantine_ready_sessions();
            }
            Finding::Blockers {
                session,
                blockers,
                purpose,
            } => {
                let Some((mut session, services)) = self.with(session) else {
                    return;
                };
                match purpose {
                    Purpose::Warning(after) => session.warn(services, after, blockers),
                    Purpose::Quarantined(bytes) => {
                        session.publish_quarantined(services, bytes, blockers);
                    }
                }
            }
            Finding::Told => {}
            Finding::Several(findings) => findings.into_iter().for_each(|it| self.found(it)),
        }
    }

    /// A helper thread names the users of a session for a requester.
    pub(crate) fn list_blockers(&self, id: u64, reply: Reply<BlockerList>) {
        let session = self.any(id);
        let mut list = BlockerList {
            session: session.id,
            name: session.spec.name.clone(),
            at: Timestamp::now(),
            blockers: Vec::new(),
        };
        session.name_blockers(&self.services, move |blockers| {
            list.blockers = blockers;
            reply.send(Ok(list));
            Finding::Told
        });
    }
}
