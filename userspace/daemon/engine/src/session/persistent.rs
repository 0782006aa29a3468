//! Storage of persistent sessions, which are restored after a restart. Answers wait for the disk.

use onair_api::{Direction, SessionSpec, SessionView, StoppedBefore, Via};
use onair_archive::{NextPacket, PersistedSession};
use onair_mutant::mutant;
use onair_session::RuntimeHolder;

use super::Session;
use crate::services::Services;
use crate::services::durable::after;
use crate::services::reply::Reply;

impl Session {
    /// Stores a new session if its creator asked for it.
    pub fn persist(
        &self,
        services: &mut Services,
        reply: Reply<SessionView>,
    ) -> Reply<SessionView> {
        if self.spec.persistent {
            let (spec, owner) = (self.spec.clone(), self.owner.clone());
            let generation = self.core.life().generation();
            services.store.keep(PersistedSession {
                member_of: self.member_of.clone(),
                ..PersistedSession::created(spec, owner, generation)
            });
        }
        once_stored(services, &self.spec, self.spec.persistent, reply)
    }

    /// Stores that a requester wants it to run or to be stopped, so that it is restored in that state.
    pub fn persist_desired_state(
        &self,
        services: &mut Services,
        running: bool,
        reply: Reply<SessionView>,
    ) -> Reply<SessionView> {
        let stopped = (!running).then(|| StoppedBefore {
            at: self
                .core
                .life()
                .stopped_at()
                .unwrap_or_else(|| self.clock.wall()),
            session: self.id,
            boot_id: services.identity.boot_id.clone(),
        });
        let store = &mut services.store;
        if stopped.is_some() && mutant!("store: a stop is not noted") {
            return reply;
        }
        let is_stored = store.note(&self.spec.name, stopped, self.core.life().generation());
        once_stored(services, &self.spec, is_stored, reply)
    }

    /// It is gone: it is restored after a restart unless a user destroyed it.
    pub fn gone(&self, services: &mut Services, via: Via) {
        services.machine.dataplane_mut().part(self.id.0, |_| None);
        let generation = self.core.life().generation();
        if !mutant!("store: a session that a user ended comes back") {
            // Its poller has handed it back, so a sender sends no packet after what this says.
            let is_sender = self.spec.direction == Direction::Send;
            let next = is_sender.then(|| self.stats.snapshot().next_packet());
            let next = next.flatten();
            let next = next.map(|(ssrc, sequence)| NextPacket { ssrc, sequence });
            services.store.end(&self.spec.name, via, generation, next);
        }
    }

    /// An earlier daemon had it, and stopped it as `stopped` says: it counts on from `generation`, sends on from `next`, and
    /// its next start keeps the first units for clients that come back.
    pub fn go_on(
        &mut self,
        generation: u64,
        stopped: Option<StoppedBefore>,
        next: Option<NextPacket>,
    ) {
        let now = self.clock.moment();
        self.core.life_mut().continue_from(generation, stopped, now);
        if let RuntimeHolder::Here(runtime) = self.core.place() {
            runtime.keep_units();
            if let Some(next) = next {
                runtime.go_on_from(next.ssrc, next.sequence);
            }
        }
    }
}

/// Stores the changed addresses of a session if it is to be restored.
pub fn persist_flow(
    services: &mut Services,
    spec: &SessionSpec,
    reply: Reply<SessionView>,
) -> Reply<SessionView> {
    let is_stored = !mutant!("store: new addresses are not noted") && services.store.retarget(spec);
    once_stored(services, spec, is_stored, reply)
}

fn once_stored(
    services: &Services,
    spec: &SessionSpec,
    is_stored: bool,
    reply: Reply<SessionView>,
) -> Reply<SessionView> {
    match is_stored {
        true => after(services, &spec.name, reply),
        false => reply,
    }
}
