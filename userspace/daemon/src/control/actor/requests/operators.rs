//! Requests of operators: create, destroy, find.

use std::time::Instant;

use onair_api::{
    Certificate, EventKind, NewSession, Operation, Problem, ProblemCode, SessionId, SessionName,
    SessionRef, SessionSpec, SessionView, Who,
};
use onair_probe::share::Owner;
use onair_session::{Destroy, Event};

use crate::access::authority::{Caller, Grant};
use crate::access::etag::etag;
use crate::control::actor::Actor;
use crate::control::attach::ConnectionId;
use crate::services::reply::Reply;
use crate::session::Session;

impl Actor {
    pub(crate) fn create(
        &mut self,
        caller: &Caller,
        session: NewSession,
        connection: Option<ConnectionId>,
        reply: Reply<SessionView>,
    ) {
        let spec = self.complete(caller, session);
        let made = spec.and_then(|spec| {
            self.make(
                caller.who.clone(),
                caller.owner(),
                caller.attach,
                spec,
                connection,
            )
        });
        if let Some((id, reply)) = reply.or_refuse(made) {
            let reply = self.keep(id, reply);
            self.request(id, reply, Event::Start);
        }
    }

    /// Frame memory of all sessions, including destroyed ones that a process still maps.
    pub(crate) fn taken_bytes(&self) -> u64 {
        self.sessions.taken_bytes() + self.services.pending_reclaim.bytes()
    }

    /// Makes a session of `owner`, which takes the shares of `charged`. A refusal names no session
    /// beyond those of `seen`.
    pub(crate) fn make(
        &mut self,
        owner: Who,
        charged: Owner,
        seen: Grant,
        spec: SessionSpec,
        connection: Option<ConnectionId>,
    ) -> Result<u64, Problem> {
        if self.shutdown.is_shutting_down() {
            return Err(shutting_down());
        }
        if self.sessions.named(&spec.name).is_some() {
            return Err(Problem::new(
                ProblemCode::NameTaken,
                format!("a session named {} exists", spec.name),
            ));
        }
        Session::check_layout(&spec)?;
        self.check_session(charged, Session::memory_bytes(&spec))?;
        if let Some(other) = self.listeners(&spec).next() {
            return Err(other.has_the_flow(&spec, seen));
        }
        let index = self.free_index().ok_or_else(|| {
            Problem::new(
                ProblemCode::LimitReached,
                "the probe's counters have no free index",
            )
        })?;
        self.counter += 1;
        let id = SessionId::new(self.services.identity.incarnation, self.counter);
        match Session::create(id, spec, owner, connection, index, &mut self.services) {
            Ok(mut session) => {
                session.charged_to = charged.uid;
                session.join_group(&mut self.services);
                let created = EventKind::SessionCreated {
                    direction: session.spec.direction,
                    port: session.spec.port.clone(),
                    owner: session.owner.clone(),
                };
                self.services.hub.publish(Some(session.subject()), created);
                self.sessions.insert(session);
                self.look_for_source(id.0, None);
                Ok(id.0)
            }
            Err(problem) => {
                self.free_indices.push_front(index);
                Err(problem)
            }
        }
    }

    /// Sessions that receive what a session of `spec` would receive.
    pub(crate) fn listeners(&self, spec: &SessionSpec) -> impl Iterator<Item = &Session> {
        let found = self.sessions.of_destination(spec.flow.destination);
        // A quarantined one keeps its flow until its poller has handed it back.
        let holds = |it: &&Session| {
            let is_living = self.sessions.get(it.id.0).is_some();
            is_living || it.is_with_a_poller()
        };
        found.filter(move |it| holds(it) && it.listens_where(spec))
    }

    /// An index in the probe's counters that counts no caller any more. Evicted callers of its
    /// former session may still be counted as long as their process is stopped.
    fn free_index(&mut self) -> Option<u32> {
        let probe = self.services.probe.probe();
        let is_empty =
            |index: &u32| probe.is_none_or(|it| it.blocked(*index).is_ok_and(|n| n == 0));
        let at = self.free_indices.iter().position(is_empty)?;
        self.free_indices.remove(at)
    }

    pub(crate) fn destroy(
        &mut self,
        caller: &Caller,
        session: &SessionRef,
        wait: Option<(Instant, u64)>,
        reply: Reply<Box<Certificate>>,
    ) {
        if let Some((id, reply)) = reply.or_refuse(self.find(caller, session)) {
            self.begin_destroy(id, caller.who.clone(), wait, reply);
        }
    }

    pub(crate) fn begin_destroy(
        &mut self,
        id: u64,
        who: Who,
        wait: Option<(Instant, u64)>,
        reply: Reply<Box<Certificate>>,
    ) {
        let destroy = |ticket| Destroy {
            who,
            operation: match wait {
                Some(_) => Operation::DestroyWait,
                None => Operation::Destroy,
            },
            deadline: wait.map(|(deadline, _)| deadline),
            deadline_ms: wait.map(|(_, ms)| ms),
            waits_for_turn: false,
            ticket,
        };
        self.request(id, reply, |it| Event::Destroy(destroy(it)));
    }

    pub(crate) fn certificate(
        &self,
        caller: &Caller,
        session: &SessionRef,
    ) -> Result<Box<Certificate>, Problem> {
        if let Ok(id) = self.find(caller, session)
            && !matches!(session, SessionRef::Name(_))
        {
            return Err(Problem::new(
                ProblemCode::CertificatePending,
                format!("session {} still exists", self.sessions[id].spec.name),
            ));
        }
        if let Some(certificate) = self.services.archive.present(session) {
            caller.require(Some(certificate.owner_uid()))?;
            return Ok(Box::new(certificate));
        }
        match self.find(caller, session) {
            Ok(id) => Err(Problem::new(
                ProblemCode::CertificatePending,
                format!("session {} still exists", self.sessions[id].spec.name),
            )),
            Err(problem) => Err(problem),
        }
    }

    /// The existing session, if the caller's grant covers it.
    pub(crate) fn find(&self, caller: &Caller, session: &SessionRef) -> Result<u64, Problem> {
        let found = match session {
            SessionRef::Id(id) => self.sessions.get(id.0),
            SessionRef::Name(name) => self.sessions.named(name),
        };
        match found {
            Some(found) => {
                caller.require(Some(found.owner.uid))?;
                caller.require_tag(|| etag(&found.view()))?;
                Ok(found.id.0)
            }
            None => Err(self.missing(session)),
        }
    }

    /// The session that `connection`'s process created, and the attachment.
    pub(crate) fn owned_by(&self, connection: ConnectionId) -> Result<(u64, u64), Problem> {
        let gone = || Problem::new(ProblemCode::StaleSession, "the session is gone");
        let (id, number) = self.sessions.carried_by(connection).ok_or_else(gone)?;
        let session = self.sessions.get(id).ok_or_else(gone)?;
        if !session.has(number) {
            return Err(gone());
        }
        if session.owner_connection != Some(connection) {
            return Err(Problem::new(
                ProblemCode::Forbidden,
                "only the process that created the session destroys it here; operators use the \
                 control socket",
            ));
        }
        Ok((id, number))
    }

    pub(crate) fn missing(&self, session: &SessionRef) -> Problem {
        if let SessionRef::Id(id) = session
            && let Some(found) = self.sessions.quarantined(id.0)
        {
            return quarantined(&found.spec.name);
        }
        let known = match session {
            SessionRef::Id(id) => {
                // This daemon issued all ids of its incarnation up to the counter; ids of another
                // incarnation are from an earlier daemon.
                id.incarnation() != self.services.identity.incarnation
                    || (1..=u64::from(self.counter)).contains(&(id.0 & 0xffff_ffff))
            }
            SessionRef::Name(_) => self.services.archive.find(session).is_some(),
        };
        if known {
            stale(session)
        } else {
            Problem::new(
                ProblemCode::NoSuchSession,
                format!("no session is called {session}"),
            )
        }
    }

    pub(crate) fn not_ending(&self, id: u64) -> Result<u64, Problem> {
        if self.shutdown.is_shutting_down() {
            return Err(shutting_down());
        }
        Ok(id)
    }
}

pub(crate) fn stale(session: &SessionRef) -> Problem {
    Problem::new(
        ProblemCode::StaleSession,
        format!("session {session} was destroyed"),
    )
}

pub(crate) fn quarantined(name: &SessionName) -> Problem {
    Problem::new(
        ProblemCode::Quarantined,
        format!("session {name} is quarantined"),
    )
}

pub(crate) fn shutting_down() -> Problem {
    Problem::new(ProblemCode::ShuttingDown, "the daemon is shutting down")
}
