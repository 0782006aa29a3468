//! Forced ends: evict, abort, quarantine.

use std::fmt::Debug;
use std::time::Instant;

use onair_api::{Certificate, Operation, Problem, ProblemCode, SessionRef, Who};
use onair_session::{Destroy, Event, EvictionTicket, QuarantineRequest, Ticket};

use crate::access::authority::Caller;
use crate::config::ms;
use crate::control::actor::Actor;
use crate::control::attach::ConnectionId;
use crate::services::reply::Reply;
use crate::session::Progress;

impl Actor {
    /// Evicts `attachment`, or all clients.
    pub(crate) fn evict<T: Debug + 'static>(
        &mut self,
        caller: &Caller,
        session: &SessionRef,
        attachment: Option<u64>,
        reply: Reply<T>,
        kind: fn(Ticket<T>) -> EvictionTicket,
    ) {
        if let Some((id, reply)) = reply.or_refuse(self.find(caller, session)) {
            self.request(id, reply, |it| Event::Evict(attachment, kind(it)));
        }
    }

    /// Evicts all clients and destroys the session at once.
    pub(crate) fn abort(
        &mut self,
        caller: &Caller,
        session: &SessionRef,
        reply: Reply<Box<Certificate>>,
    ) {
        if let Some((id, reply)) = reply.or_refuse(self.find(caller, session)) {
            self.abort_now(id, caller.who.clone(), reply);
        }
    }

    /// A client aborts the session that it created.
    pub(crate) fn abort_own(
        &mut self,
        connection: ConnectionId,
        who: Who,
        reply: Reply<Box<Certificate>>,
    ) {
        if let Some(((id, _), reply)) = reply.or_refuse(self.owned_by(connection)) {
            self.abort_now(id, who, reply);
        }
    }

    fn abort_now(&mut self, id: u64, who: Who, reply: Reply<Box<Certificate>>) {
        let deadline = Instant::now() + ms(self.services.config.timeouts.quiesce_ms);
        self.begin_abort(id, who, deadline, false, reply);
    }

    /// The daemon aborts a session, which is destroyed when its turn comes.
    pub(crate) fn abort_in_turn(&mut self, id: u64, who: Who, deadline: Instant) {
        // No requester reads this answer: the certificate is in the archive.
        self.begin_abort(id, who, deadline, true, Reply::unread());
    }

    /// The daemon quarantines a stopped session.
    pub(crate) fn set_aside(&mut self, id: u64, who: Who) {
        if let Err(problem) = self.quarantine_this(id, who) {
            tracing::error!(%problem, "not quarantined");
        }
    }

    fn begin_abort(
        &mut self,
        id: u64,
        who: Who,
        deadline: Instant,
        waits_for_turn: bool,
        reply: Reply<Box<Certificate>>,
    ) {
        let destroy = |ticket| Destroy {
            who,
            operation: Operation::Abort,
            deadline: Some(deadline),
            deadline_ms: None,
            waits_for_turn,
            ticket,
        };
        self.request(id, reply, |it| Event::Abort(destroy(it)));
    }

    /// Quarantines a session with its users: its name becomes free. If helper threads are looking
    /// at its clients' sites, it waits for their answers: the certificate records what the
    /// witnesses see.
    pub(crate) fn quarantine(
        &mut self,
        caller: &Caller,
        session: &SessionRef,
        reply: Reply<Box<Certificate>>,
    ) {
        if let Some((session, reply)) = reply.or_refuse(self.find(caller, session)) {
            self.handle(session, Event::LookAtSites);
            let who = caller.who.clone();
            let request = QuarantineRequest {
                session,
                who,
                reply,
            };
            self.quarantines.ask(request);
            self.quarantine_ready_sessions();
        }
    }

    /// Quarantines the sessions that no longer wait for an answer about sites.
    pub(crate) fn quarantine_ready_sessions(&mut self) {
        let looking = |id| Some(self.sessions.get(id)?.core.is_looking_at_sites());
        for asked in self.quarantines.due(looking) {
            let done = self.quarantine_this(asked.session, asked.who);
            if let Some((certificate, reply)) = asked.reply.or_refuse(done) {
                self.answer_when_durable(certificate, reply);
            }
        }
    }

    fn quarantine_this(&mut self, id: u64, who: Who) -> Result<Box<Certificate>, Problem> {
        let Some(mut session) = self.sessions.get_mut(id) else {
            let gone = "the session is gone";
            return Err(Problem::new(ProblemCode::StaleSession, gone));
        };
        let via = who.via;
        session.core.check_quarantine()?;
        let progress = session.handle(&mut self.services, Event::Quarantine(who));
        drop(session);
        let Progress::Quarantined(certificate) = progress else {
            let what = "the session was not quarantined";
            return Err(Problem::new(ProblemCode::Internal, what));
        };
        if let Some(session) = self.sessions.set_aside(id) {
            Self::gone(&mut self.services, session, via);
        }
        self.disconnect_quarantined(id);
        self.end_recordings_of(id);
        // Possibly no process had any of its memory.
        self.handle(id, Event::Examine);
        let completed = self
            .services
            .archive
            .find(&SessionRef::Id(certificate.session));
        Ok(completed.cloned().map_or(certificate, Box::new))
    }

    /// The session, existing or quarantined, if the caller's grant covers it; a name finds only
    /// existing ones.
    pub(crate) fn find_any(&self, caller: &Caller, session: &SessionRef) -> Result<u64, Problem> {
        if let SessionRef::Id(id) = session
            && let Some(found) = self.sessions.quarantined(id.0)
        {
            caller.require(Some(found.owner.uid))?;
            return Ok(id.0);
        }
        self.find(caller, session)
    }
}
