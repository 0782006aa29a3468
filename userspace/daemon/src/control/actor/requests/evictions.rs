//! Forced ends: abort, quarantine.

use std::time::Instant;

use onair_api::{Certificate, Operation, Problem, ProblemCode, SessionRef, Who};
use onair_session::{Destroy, Event, QuarantineRequest};

use crate::config::ms;
use crate::control::actor::Actor;
use crate::services::reply::Reply;
use crate::session::Progress;

impl Actor {
    /// Evicts all clients and destroys the session at once.
    pub(crate) fn abort(&mut self, id: u64, who: Who, reply: Reply<Box<Certificate>>) {
        let deadline = Instant::now() + ms(self.services.config.timeouts.quiesce_ms);
        self.begin_abort(id, who, deadline, false, reply);
    }

    /// As [`Self::abort`], until `deadline`; `waits_for_turn`: it is destroyed when its turn comes.
    pub(crate) fn begin_abort(
        &mut self,
        id: u64,
        who: Who,
        deadline: Instant,
        waits_for_turn: bool,
        reply: Reply<Box<Certificate>>,
    ) {
        self.request(id, reply, |ticket| {
            Event::Abort(Destroy {
                who,
                operation: Operation::Abort,
                deadline: Some(deadline),
                deadline_ms: None,
                waits_for_turn,
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
        let looking = |id| Some(self.sessions.get(id)?.core.is_looking_at_sites());
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
}
