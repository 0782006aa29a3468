//! Restores sessions at the start, and stores what that needs.

use onair_api::{SessionView, StoppedBefore, Timestamp, Via};
use onair_archive::PersistedSession;
use onair_probe::share::{Owner, Rank};

use super::Actor;
use crate::access::authority::Grant;
use crate::services::Services;
use crate::services::durable::after;
use crate::services::reply::Reply;
use crate::session::Session;
use onair_session::{Event, Ticket};

impl Actor {
    /// Creates the sessions of the configuration and the persisted sessions of an earlier daemon,
    /// before the first request. A session that cannot be created is named in the log and in
    /// `health`.
    pub(super) fn restore(&mut self) {
        let all = self.services.store.take_restored();
        all.into_iter().for_each(|kept| self.bring_back(kept));
    }

    fn bring_back(&mut self, kept: PersistedSession) {
        // It had its share when it was created: no share keeps it from being restored.
        let (uid, pid, rank) = (kept.owner.uid, 0, Rank::Root);
        let charged = Owner { uid, pid, rank };
        let name = kept.spec.name.clone();
        let id = match self.make(kept.owner, charged, Grant::Any, kept.spec, None) {
            Ok(id) => id,
            Err(problem) => {
                let detail = format!("session {name} does not come back: {problem}");
                tracing::error!("{detail}");
                self.services.missing.push((uid, detail));
                return;
            }
        };
        let running = kept.running;
        if let Some((mut session, _)) = self.with(id) {
            session.continue_from(kept.generation, kept.stopped);
        }
        if running {
            // No requester reads this answer.
            self.handle(id, Event::Start(Ticket::unread()));
        }
        tracing::info!(%name, running, "a session is restored");
    }

    /// Persists a session whose creator asked for it. The answer waits for the disk.
    pub(super) fn keep(&mut self, id: u64, reply: Reply<SessionView>) -> Reply<SessionView> {
        let Some(session) = self.sessions.get(id).filter(|it| it.spec.persistent) else {
            return reply;
        };
        let (spec, owner) = (session.spec.clone(), session.owner.clone());
        let name = spec.name.clone();
        let kept = PersistedSession::created(spec, owner, session.core.generation());
        self.services.store.keep(kept);
        after(&self.services.store, &name, reply)
    }

    /// Persists that a requester wants a session to run or to be stopped, so that it is restored in
    /// that state. The answer waits for the disk.
    pub(super) fn persist_desired_state(
        &mut self,
        id: u64,
        running: bool,
        reply: Reply<SessionView>,
    ) -> Reply<SessionView> {
        let Some(session) = self.sessions.get(id) else {
            return reply;
        };
        let stopped = (!running).then(|| StoppedBefore {
            at: session.core.stopped_at().unwrap_or_else(Timestamp::now),
            session: session.id,
            boot_id: self.services.identity.boot_id.clone(),
        });
        let (store, name) = (&mut self.services.store, &session.spec.name);
        match store.note(name, stopped, session.core.generation()) {
            true => after(store, name, reply),
            false => reply,
        }
    }

    /// Persists the changed addresses of a session that is to be restored. The answer waits for the
    /// disk.
    pub(super) fn persist_flow(
        &mut self,
        id: u64,
        reply: Reply<SessionView>,
    ) -> Reply<SessionView> {
        let Some(session) = self.sessions.get(id) else {
            return reply;
        };
        let store = &mut self.services.store;
        match store.retarget(&session.spec) {
            true => after(store, &session.spec.name, reply),
            false => reply,
        }
    }

    /// A session is gone: it is restored after a restart unless a user destroyed it.
    pub(super) fn gone(services: &mut Services, session: &Session, via: Via) {
        services.dataplane.part(session.id.0, None);
        let (name, generation) = (&session.spec.name, session.core.generation());
        services.store.end(name, via, generation);
    }
}
