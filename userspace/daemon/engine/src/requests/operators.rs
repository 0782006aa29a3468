//! Creates, starts, stops and ends sessions.

use std::time::{Duration, Instant};

use onair_api::{
    Certificate, DestroyWait, NewSession, Operation, Problem, ProblemCode, SessionRef, SessionSpec,
    SessionView, SpecError, Who,
};
use onair_session::{Destroy, Event, QuarantineRequest};
use onair_settings::access::authority::Caller;
use onair_settings::access::peer::this_daemon;
use onair_settings::config::ms;

use crate::engine::Engine;
use crate::inputs::ConnectionId;
use crate::schedule::TURN;
use crate::services::Services;
use crate::services::reply::Reply;
use crate::session::{converted, memory_bytes, persist_flow, sweep};
use crate::sessions::ending::millis;
use crate::sessions::{SessionMut, Users};
use crate::shares::{Claim, Full, Holdings};

/// How long a destroy that does not wait for users waits for the daemon's own converter: it may be amid a frame.
const CONVERTER_LEAVES: Duration = Duration::from_millis(500);
/// Pause before another try to destroy a session that ends with its creator, if the last one was refused.
const AGAIN: Duration = Duration::from_secs(1);

impl Engine {
    pub(crate) fn create(
        &mut self,
        caller: &Caller,
        session: NewSession,
        connection: Option<u64>,
        reply: Reply<SessionView>,
    ) {
        let spec = self.seen_by(caller).complete(session);
        let made = spec.and_then(|spec| self.make_new(spec, Users::of(caller, connection)));
        if let Some((id, reply)) = reply.or_refuse(made) {
            let reply = self.sessions[id].persist(&mut self.services, reply);
            self.request(id, reply, Event::Start);
        }
    }

    /// As [`Self::make`], at a request. One that is restored waits for the program that converts.
    pub(crate) fn make_new(&mut self, spec: SessionSpec, users: Users) -> Result<u64, Problem> {
        if spec.convert.is_some() {
            let checked = self.services.machine.check_converter();
            checked.map_err(|why| {
                let detail = format!("cannot convert: {why}");
                Problem::new(ProblemCode::NoConverter, detail)
            })?;
        }
        self.make(spec, users)
    }

    /// Makes a session, stopped. Returns its id.
    pub(crate) fn make(&mut self, spec: SessionSpec, users: Users) -> Result<u64, Problem> {
        self.check_service()?;
        self.sessions.check_new(&spec)?;
        let creator = users.connection.filter(|_| spec.ends_with_creator);
        let is_timed = creator.is_none() && spec.ends_with_creator;
        if is_timed && spec.duration_ms.is_none() || spec.ends_with_creator && spec.persistent {
            let problem = "is for a client on the attach socket, or together with duration_ms; not with persistent";
            return Err(SpecError::new("ends_with_creator", problem).into());
        }
        let bytes = memory_bytes(&spec, &self.services);
        self.claim(Claim::Session(users.charged, bytes))?;
        let id = self.sessions.make(&mut self.services, spec, users)?;
        self.creators.extend(creator.map(|it| (it, id)));
        Ok(id)
    }

    /// Whether the shares allow it. Frees memory first that no process has any more, if that may
    /// help.
    ///
    /// # Errors
    /// `limit_reached`, with the share that is full.
    pub(crate) fn claim(&mut self, claim: Claim) -> Result<(), Problem> {
        let check =
            |it: &Self| Holdings::of(&it.services, &it.sessions, it.recorder.users()).check(claim);
        let mut checked = check(self);
        if checked.as_ref().is_err_and(Full::is_of_memory) {
            let until = self.services.machine.now() + TURN;
            sweep(&mut self.services, until);
            checked = check(self);
        }
        checked.map_err(|full| self.refusals.refuse(full))
    }

    /// Stops a session; the session as it is then.
    ///
    /// # Errors
    /// `stale_session`: it waited for this to be destroyed.
    pub(crate) fn stop_session(&mut self, id: u64) -> Result<SessionView, Problem> {
        self.handle(id, Event::Stop);
        let view = self.sessions.get(id).map(|it| it.shown().view());
        self.handle(id, Event::Examine);
        view.ok_or_else(|| Problem::new(ProblemCode::StaleSession, "destroyed meanwhile"))
    }

    /// Starts a session.
    pub(crate) fn start_session(&mut self, id: u64, reply: Reply<SessionView>) {
        self.sessions.look_for_source(&mut self.services, id);
        self.request(id, reply, Event::Start);
    }

    /// Takes a step of a change of addresses. Once it is done, the step returns the reply to answer.
    pub(crate) fn retarget_step(
        &mut self,
        id: u64,
        step: impl FnOnce(&mut SessionMut<'_>, &mut Services) -> Option<Reply<SessionView>>,
    ) {
        let done = self
            .with(id)
            .and_then(|(mut session, services)| step(&mut session, services));
        let (Some(reply), Some(session)) = (done, self.sessions.any(id)) else {
            return;
        };
        let view = session.shown().view();
        let reply = match self.sessions.get(id) {
            Some(living) => persist_flow(&mut self.services, &living.spec, reply),
            None => reply,
        };
        reply.send(Ok(view));
    }

    /// Destroys a session, at once or within a time until the deadline.
    pub(crate) fn begin_destroy(
        &mut self,
        id: u64,
        who: Who,
        wait: Option<(Instant, Duration)>,
        stops: bool,
        reply: Reply<Box<Certificate>>,
    ) {
        let operation = match wait {
            Some(_) => Operation::DestroyWait,
            None => Operation::Destroy,
        };
        let (deadline, wait) = wait.unzip();
        let leaves_at = self.services.machine.now() + CONVERTER_LEAVES;
        let has_converter = converted::converters(&self.any(id).core) > 0;
        let deadline = deadline.or(has_converter.then_some(leaves_at));
        self.request(id, reply, |ticket| {
            Event::Destroy(Destroy {
                who,
                operation,
                deadline,
                deadline_ms: wait.map(millis),
                waits_for_turn: false,
                stops,
                ticket,
            })
        });
    }

    /// A connection has ended: what it created to end with it is destroyed.
    pub(crate) fn creator_gone(&mut self, connection: ConnectionId) {
        let now = self.services.machine.now();
        let created = self
            .creators
            .range((connection, 0)..=(connection, u64::MAX));
        let created: Vec<_> = created.map(|(_, id)| *id).collect();
        for id in created {
            self.creators.remove(&(connection, id));
            if let Some(mut session) = self.sessions.any_mut(id) {
                session.creator_gone = true;
            }
            self.end_with_creator(id, now);
        }
    }

    /// Stops a session that ends with its creator, and destroys it once it has no user; tries again what hinders that.
    pub(crate) fn end_with_creator(&mut self, id: u64, now: Instant) {
        if let Some(again) = self.sessions.index.outlived.get_mut(&id) {
            *again = Some(now + AGAIN);
        }
        let Some(session) = self.sessions.get(id).filter(|it| it.outlives_creator()) else {
            return;
        };
        let name = session.spec.name.clone();
        drop(self.stop_session(id));
        let (reply, ended) = Reply::new();
        let wait = Duration::from_millis(DestroyWait::MAX_MS);
        self.begin_destroy(id, this_daemon(0), Some((now + wait, wait)), false, reply);
        // While this waits for the answer, the destroy is wanted.
        let work = async move {
            if let Ok(Err(problem)) = ended.await {
                tracing::warn!(session = %name, %problem, "its creator is gone, not destroyed yet");
            }
        };
        self.services.machine.spawn(Box::pin(work));
    }

    /// Evicts all clients and destroys the session at once.
    pub(crate) fn abort(&mut self, id: u64, who: Who, reply: Reply<Box<Certificate>>) {
        let deadline = self.services.machine.now() + ms(self.services.config.timeouts.quiesce_ms);
        self.request(id, reply, |ticket| {
            Event::Abort(Destroy {
                who,
                operation: Operation::Abort,
                deadline: Some(deadline),
                deadline_ms: None,
                waits_for_turn: false,
                stops: false,
                ticket,
            })
        });
    }

    /// Quarantines a session with its users: its name becomes free. If helper threads are looking
    /// at its clients' sites, it waits for their answers: the certificate records what the
    /// witnesses see.
    pub(crate) fn quarantine(&mut self, session: u64, who: Who, reply: Reply<Box<Certificate>>) {
        self.handle(session, Event::LookAtSites);
        self.quarantines.ask(QuarantineRequest {
            session,
            who,
            reply,
        });
        self.quarantine_ready_sessions();
    }

    /// Quarantines the sessions that no longer wait for an answer about sites.
    pub(crate) fn quarantine_ready_sessions(&mut self) {
        let looking = |id| Some(self.sessions.get(id)?.core.clients().is_looking_at_sites());
        for asked in self.quarantines.due(looking) {
            let done = self.quarantine_now(asked.session, asked.who);
            if let Some((certificate, reply)) = asked.reply.or_refuse(done) {
                self.services.answer_when_durable(certificate, reply);
            }
        }
    }

    /// Quarantines a stopped session.
    ///
    /// # Errors
    /// `stale_session`, or those of the core.
    pub(crate) fn quarantine_now(
        &mut self,
        id: u64,
        who: Who,
    ) -> Result<Box<Certificate>, Problem> {
        let Some(mut session) = self.sessions.get_mut(id) else {
            let gone = "the session is gone";
            return Err(Problem::new(ProblemCode::StaleSession, gone));
        };
        let via = who.via;
        let certificate = session.quarantine(&mut self.services, who)?;
        drop(session);
        if let Some(session) = self.sessions.set_aside(id) {
            session.gone(&mut self.services, via);
        }
        self.services.machine.convert(self.sessions.conversions());
        self.taps().session_gone(id);
        // Possibly no process had any of its memory.
        self.handle(id, Event::Examine);
        let session = SessionRef::Id(certificate.session);
        let completed = self.services.archive.find(&session);
        Ok(completed.cloned().map_or(certificate, Box::new))
    }
}
