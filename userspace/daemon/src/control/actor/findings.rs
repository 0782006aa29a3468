//! Findings of helper threads, and questions to them.

use onair_types::{BlockerList, Timestamp};

use super::Actor;
use crate::inspector::SiteFinding;
use crate::inspector::{Finding, Purpose};
use crate::reply::Reply;
use crate::session::Progress;

impl Actor {
    /// Handles the answer of a helper thread.
    pub(super) fn found(&mut self, finding: Finding) {
        match finding {
            Finding::DeadThreads {
                session,
                attachment,
                dead,
                again,
                cost,
            } => {
                let progress = self.with(session, |session, services| {
                    session.threads_looked_at(services, attachment, &dead, again, cost);
                    session.advance(services)
                });
                self.follow(session, progress);
            }
            Finding::Sites {
                session,
                attachment,
                asked_at,
                found,
            } => self.sites_found(session, attachment, asked_at, found),
            Finding::Blockers {
                session,
                blockers,
                purpose,
            } => {
                let progress = self.with(session, |session, services| {
                    match purpose {
                        Purpose::Warning(after) => session.warn(services, after, blockers),
                        Purpose::Quarantined(bytes) => {
                            session.tell_quarantined(services, bytes, blockers);
                        }
                    }
                    Progress::Lives
                });
                self.follow(session, progress);
            }
            Finding::Told => {}
        }
    }

    fn sites_found(
        &mut self,
        id: u64,
        attachment: u64,
        asked_at: std::time::Instant,
        found: SiteFinding,
    ) {
        let progress = self.with(id, |session, services| {
            session.sites_looked_at(attachment, asked_at, found);
            if session.is_looking_at_sites() {
                return Progress::Lives;
            }
            session.answer_verdicts(services);
            session.advance(services)
        });
        self.follow(id, progress);
        self.quarantine_those_looked_at();
    }

    /// A helper thread names the users of a session for a requester.
    pub(super) fn list_blockers(&self, id: u64, reply: Reply<BlockerList>) {
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
