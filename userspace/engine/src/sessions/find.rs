//! Which session a request means, and whether its caller may have it.

use onair_api::{Certificate, Problem, ProblemCode, SessionRef};
use onair_settings::access::authority::Caller;
use onair_settings::access::etag::etag;

use super::{Sessions, stale};
use crate::persistence::Archive;

impl Sessions {
    /// The existing session, if the caller's grant covers it.
    ///
    /// # Errors
    /// `no_such_session`, `stale_session`, `quarantined`; `forbidden`, `precondition_failed`.
    pub fn find(
        &self,
        caller: &Caller,
        session: &SessionRef,
        archive: &Archive,
    ) -> Result<u64, Problem> {
        let found = match session {
            SessionRef::Id(id) => self.get(id.0),
            SessionRef::Name(name) => self.named(name),
        };
        if let Some(found) = found {
            caller.require(Some(found.owner.uid))?;
            caller.require_tag(|| etag(&found.shown().view()))?;
            return Ok(found.id.0);
        }
        let quarantined = match session {
            SessionRef::Id(id) => self.quarantined(id.0).map(|it| &it.spec.name),
            SessionRef::Name(_) => None,
        };
        let has_certificate = archive.find(session).is_some();
        Err(self.numbers.missing(session, quarantined, has_certificate))
    }

    /// As [`Self::find`], for a client: its handle on a quarantined session is stale, and there is nothing to wait for.
    ///
    /// # Errors
    /// As [`Self::find`], without `quarantined`.
    pub fn find_for_client(
        &self,
        caller: &Caller,
        session: &SessionRef,
        archive: &Archive,
    ) -> Result<u64, Problem> {
        let found = self.find(caller, session, archive);
        found.map_err(|problem| match problem.code {
            ProblemCode::Quarantined => stale(session),
            _ => problem,
        })
    }

    /// The session, existing or quarantined, if the caller's grant covers it; a name finds only
    /// existing ones.
    ///
    /// # Errors
    /// As [`Self::find`], without `quarantined`.
    pub fn find_any(
        &self,
        caller: &Caller,
        session: &SessionRef,
        archive: &Archive,
    ) -> Result<u64, Problem> {
        if let SessionRef::Id(id) = session
            && let Some(found) = self.quarantined(id.0)
        {
            caller.require(Some(found.owner.uid))?;
            return Ok(id.0);
        }
        self.find(caller, session, archive)
    }

    /// The session of `connection`'s client, and the attachment, unless the client was evicted.
    ///
    /// # Errors
    /// `stale_session`.
    pub fn attached_by(&self, connection: u64) -> Result<(u64, u64), Problem> {
        let carried = self.carried_by(connection);
        let carried =
            carried.filter(|(id, number)| self.get(*id).is_some_and(|it| it.has(*number)));
        carried.ok_or_else(|| {
            let gone = "the session is gone, or this client was evicted";
            Problem::new(ProblemCode::StaleSession, gone)
        })
    }

    /// As [`Self::attached_by`], if `connection`'s process created the session.
    ///
    /// # Errors
    /// `stale_session`, `forbidden`.
    pub fn owned_by(&self, connection: u64) -> Result<(u64, u64), Problem> {
        let (id, number) = self.attached_by(connection)?;
        if self[id].owner_connection != Some(connection) {
            return Err(Problem::new(
                ProblemCode::Forbidden,
                "only the process that created the session destroys it here; operators use the \
                 control socket",
            ));
        }
        Ok((id, number))
    }

    /// Whether the caller may follow the events of a session, which exists or has left a certificate.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn check_audience(
        &self,
        caller: &Caller,
        session: &SessionRef,
        archive: &Archive,
    ) -> Result<(), Problem> {
        let Err(problem) = self.find(caller, session, archive) else {
            return Ok(());
        };
        let certificate = archive.find(session).ok_or(problem)?;
        caller.require(Some(certificate.requester.uid))
    }

    /// The certificate of a session that has ended; a name means the last one that left one.
    ///
    /// # Errors
    /// `certificate_pending`: it still exists; or those of [`Self::find`].
    pub fn certificate(
        &self,
        caller: &Caller,
        session: &SessionRef,
        archive: &Archive,
    ) -> Result<Box<Certificate>, Problem> {
        let living = self.find(caller, session, archive);
        let is_named = matches!(session, SessionRef::Name(_));
        if (is_named || living.is_err())
            && let Some(certificate) = archive.present(session)
        {
            caller.require(Some(certificate.owner_uid()))?;
            return Ok(Box::new(certificate));
        }
        let detail = format!("session {} still exists", self[living?].spec.name);
        Err(Problem::new(ProblemCode::CertificatePending, detail))
    }
}
