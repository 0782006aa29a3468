//! Restores sessions at the start.

use onair_archive::PersistedSession;
use onair_mutant::mutant;
use onair_session::{Event, Ticket};
use onair_shares::{Owner, Rank};

use super::Actor;
use crate::services::rooms::Admission;
use crate::sessions::make::Users;

impl Actor {
    /// Creates the sessions of the configuration and the persisted sessions of an earlier daemon,
    /// before the first request. A session that cannot be created is named in the log and in
    /// `health`. Then the pollers get the ports that were open before: what waits in these is the sessions'.
    pub fn restore(&mut self) {
        let all = self.engine.services.store.take_restored();
        all.into_iter().for_each(|kept| self.bring_back(kept));
        self.engine.services.machine.dataplane_mut().check_ports();
    }

    fn bring_back(&mut self, kept: PersistedSession) {
        // It had its share when it was created: no share keeps it from being restored.
        let (uid, pid, rank) = (kept.owner.uid, 0, Rank::Root);
        let name = kept.spec.name.clone();
        let users = Users {
            owner: kept.owner,
            charged: Owner { uid, pid, rank },
            connection: None,
            admission: Admission::Restored,
        };
        let id = match self.engine.make(kept.spec, users) {
            Ok(id) => id,
            Err(problem) => {
                let detail = format!("session {name} does not come back: {problem}");
                tracing::error!("{detail}");
                self.engine.services.missing.push((uid, detail));
                return;
            }
        };
        self.engine.recorder.restored.insert(id);
        let running = kept.running || mutant!("restore: a stopped session starts");
        if let Some((mut session, _)) = self.engine.with(id) {
            session.member_of = kept
                .member_of
                .filter(|_| !mutant!("restore: a member leaves its group"));
            session.go_on(kept.generation, kept.stopped, kept.next_packet);
        }
        if running {
            // No requester reads this answer.
            self.engine.handle(id, Event::Start(Ticket::unread()));
        }
        tracing::info!(%name, running, "a session is restored");
    }
}
