//! Restores sessions at the start, and stores what that needs.

use std::collections::BTreeMap;

use onair_api::{SessionName, SessionView, StoppedBefore, Timestamp, Via};
use onair_probe::share::{Owner, Rank};

use super::Actor;
use crate::access::authority::Grant;
use crate::persistence::restoring;
use crate::persistence::store::{PersistedSession, ahead};
use crate::services::durable::after;
use crate::services::reply::Reply;
use crate::services::{Services, this_daemon};
use crate::session::Session;
use onair_session::{Event, Ticket};

impl Actor {
    /// Creates the sessions of the configuration and the persisted sessions of an earlier daemon,
    /// before the first request. A session that cannot be created is named in the log and in
    /// `health`.
    pub(super) fn restore(&mut self) {
        let stored: BTreeMap<SessionName, PersistedSession> = self
            .services
            .store
            .all()
            .map(|kept| (kept.spec.name.clone(), kept.clone()))
            .collect();
        let configured = self.services.config.sessions();
        let configured = configured.expect("checked with the configuration");
        for name in restoring::no_longer_configured(&stored, &configured) {
            tracing::info!(%name, "a session is no longer in the configuration");
            self.services.store.forget(&name);
        }
        let of_configuration = restoring::of_configuration(&stored, configured, &this_daemon(0));
        for kept in of_configuration {
            self.bring_back(kept);
        }
        for kept in restoring::of_requesters(self.services.store.all()) {
            self.bring_back(kept);
        }
    }

    fn bring_back(&mut self, mut kept: PersistedSession) {
        // That process may be gone, and another may have its pid.
        kept.owner.pid = 0;
        // It had its share when it was created: no share keeps it from being restored.
        let (uid, pid, rank) = (kept.owner.uid, 0, Rank::Root);
        let charged = Owner { uid, pid, rank };
        let name = kept.spec.name.clone();
        let id = match self.make(
            kept.owner.clone(),
            charged,
            Grant::Any,
            kept.spec.clone(),
            None,
        ) {
            Ok(id) => id,
            Err(problem) => {
                let detail = format!("session {name} does not come back: {problem}");
                tracing::error!("{detail}");
                self.services.missing.push((uid, detail));
                return;
            }
        };
        let (running, generation) = (kept.running, kept.generation);
        let stopped = kept.stopped.clone();
        kept.generation = ahead(generation, generation);
        // Nothing waits for it: if the daemon is killed first, it is created again.
        drop(self.services.store.keep(kept));
        if let Some((mut session, _)) = self.with(id) {
            session.continue_from(generation, stopped);
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
        let written = self.services.store.keep(PersistedSession {
            spec: session.spec.clone(),
            owner: session.owner.clone(),
            configured: false,
            running: true,
            stopped: None,
            generation: ahead(0, session.core.generation()),
        });
        after(Some(written), reply)
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
        let generation = session.core.generation() + u64::from(running);
        let stopped = (!running).then(|| StoppedBefore {
            at: session.core.stopped_at().unwrap_or_else(Timestamp::now),
            session: session.id,
            boot_id: self.services.identity.boot_id.clone(),
        });
        let store = &mut self.services.store;
        after(store.note(&session.spec.name, stopped, generation), reply)
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
        after(self.services.store.retarget(&session.spec), reply)
    }

    /// A session is gone: it is restored after a restart unless a user destroyed it.
    pub(super) fn gone(services: &mut Services, session: &Session, via: Via) {
        services.dataplane.part(session.id.0, None);
        let store = &mut services.store;
        if via == Via::Daemon {
            store.settle(&session.spec.name, session.core.generation());
        } else {
            store.forget(&session.spec.name);
        }
    }
}
