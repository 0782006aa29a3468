//! Creates and destroys sessions.

use std::time::{Duration, Instant};

use onair_api::{
    Certificate, EventKind, NewSession, Operation, Problem, ProblemCode, SessionSpec, SessionView,
    Who,
};
use onair_probe::share::Owner;
use onair_session::{Destroy, Event};

use crate::access::authority::{Caller, Grant};
use crate::control::actor::Actor;
use crate::control::attach::ConnectionId;
use crate::services::reply::Reply;
use crate::session::Session;
use crate::shares::{Claim, Full};

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
            let owner = caller.who.clone();
            self.make(owner, caller.owner(), caller.attach, spec, connection)
        });
        if let Some((id, reply)) = reply.or_refuse(made) {
            let reply = self.keep(id, reply);
            self.request(id, reply, Event::Start);
        }
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
        self.check_service()?;
        if self.sessions.named(&spec.name).is_some() {
            let detail = format!("a session named {} exists", spec.name);
            return Err(Problem::new(ProblemCode::NameTaken, detail));
        }
        Session::check_layout(&spec)?;
        self.claim(Claim::Session(charged, Session::memory_bytes(&spec)))?;
        self.check_flow(&spec, seen, None)?;
        let probe = self.services.probe.probe();
        let is_empty = |index: u32| probe.is_none_or(|it| it.blocked(index).is_ok_and(|n| n == 0));
        let (id, index) = self.numbers.issue(is_empty)?;
        let made = Session::create(id, spec, owner, connection, index, &mut self.services);
        let mut session = made.inspect_err(|_| self.numbers.not_made(index))?;
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

    /// Whether no session but `own` receives what a session of `spec` would receive.
    ///
    /// # Errors
    /// `invalid_spec`; it names the session only if it is of `seen`.
    pub(crate) fn check_flow(
        &self,
        spec: &SessionSpec,
        seen: Grant,
        own: Option<u64>,
    ) -> Result<(), Problem> {
        // A quarantined one keeps its flow until its poller has handed it back.
        let holds = |it: &Session| {
            let is_living = self.sessions.get(it.id.0).is_some();
            is_living || it.is_with_a_poller()
        };
        let mut found = self.sessions.of_destination(spec.flow.destination);
        let is_other = |it: &&Session| holds(it) && it.listens_where(spec) && Some(it.id.0) != own;
        match found.find(is_other) {
            Some(other) => Err(other.has_the_flow(spec, seen)),
            None => Ok(()),
        }
    }

    /// Whether the shares allow it. Frees memory first that no process has any more, if that may
    /// help.
    ///
    /// # Errors
    /// `limit_reached`, with the share that is full.
    pub(crate) fn claim(&mut self, claim: Claim) -> Result<(), Problem> {
        let mut checked = self.holdings().check(claim);
        if checked.as_ref().is_err_and(Full::is_of_memory) {
            self.sweep_pending_reclaim();
            checked = self.holdings().check(claim);
        }
        checked.map_err(|full| self.refusals.refuse(full))
    }

    /// Destroys a session, at once or within a time until the deadline.
    pub(crate) fn begin_destroy(
        &mut self,
        id: u64,
        who: Who,
        wait: Option<(Instant, Duration)>,
        reply: Reply<Box<Certificate>>,
    ) {
        let operation = match wait {
            Some(_) => Operation::DestroyWait,
            None => Operation::Destroy,
        };
        let (deadline, wait) = wait.unzip();
        self.request(id, reply, |ticket| {
            Event::Destroy(Destroy {
                who,
                operation,
                deadline,
                deadline_ms: wait.map(millis),
                waits_for_turn: false,
                ticket,
            })
        });
    }
}

pub(crate) fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
