//! Which session a request means, and whether its caller may have it.

use onair_api::{Certificate, Problem, ProblemCode, RecordingRef, SessionRef};

use crate::access::authority::Caller;
use crate::access::etag::etag;
use crate::control::actor::Actor;
use crate::control::attach::ConnectionId;

impl Actor {
    /// The existing session, if the caller's grant covers it.
    pub(crate) fn find(&self, caller: &Caller, session: &SessionRef) -> Result<u64, Problem> {
        let found = match session {
            SessionRef::Id(id) => self.sessions.get(id.0),
            SessionRef::Name(name) => self.sessions.named(name),
        };
        if let Some(found) = found {
            caller.require(Some(found.owner.uid))?;
            caller.require_tag(|| etag(&found.view()))?;
            return Ok(found.id.0);
        }
        let quarantined = match session {
            SessionRef::Id(id) => self.sessions.quarantined(id.0).map(|it| &it.spec.name),
            SessionRef::Name(_) => None,
        };
        let has_certificate = self.services.archive.find(session).is_some();
        Err(self.numbers.missing(session, quarantined, has_certificate))
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

    /// The session that `connection`'s process created, and the attachment.
    pub(crate) fn owned_by(&self, connection: ConnectionId) -> Result<(u64, u64), Problem> {
        let gone = || Problem::new(ProblemCode::StaleSession, "the session is gone");
        let (id, number) = self.sessions.carried_by(connection).ok_or_else(gone)?;
        let session = self.sessions.get(id).filter(|it| it.has(number));
        if session.ok_or_else(gone)?.owner_connection != Some(connection) {
            return Err(Problem::new(
                ProblemCode::Forbidden,
                "only the process that created the session destroys it here; operators use the \
                 control socket",
            ));
        }
        Ok((id, number))
    }

    /// The recording, if the caller's grant covers its session.
    pub(crate) fn find_recording(
        &self,
        caller: &Caller,
        recording: &RecordingRef,
    ) -> Result<u64, Problem> {
        let (id, owner) = self.recorder.find(recording)?;
        caller.require(owner)?;
        Ok(id)
    }

    /// The certificate of a session that has ended; a name means the last one that left one.
    pub(crate) fn certificate(
        &self,
        caller: &Caller,
        session: &SessionRef,
    ) -> Result<Box<Certificate>, Problem> {
        let living = self.find(caller, session);
        let is_named = matches!(session, SessionRef::Name(_));
        if (is_named || living.is_err())
            && let Some(certificate) = self.services.archive.present(session)
        {
            caller.require(Some(certificate.owner_uid()))?;
            return Ok(Box::new(certificate));
        }
        let detail = format!("session {} still exists", self.sessions[living?].spec.name);
        Err(Problem::new(ProblemCode::CertificatePending, detail))
    }

    /// Whether the daemon takes requests that begin something.
    ///
    /// # Errors
    /// `shutting_down`.
    pub(crate) fn check_service(&self) -> Result<(), Problem> {
        match self.shutdown.is_shutting_down() {
            true => Err(crate::shutdown::ShuttingDown.into()),
            false => Ok(()),
        }
    }
}
