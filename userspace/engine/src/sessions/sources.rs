//! Converted sessions and their sources.

use std::collections::BTreeMap;

use onair_api::{NewSession, Problem, SessionId, SessionRef, SessionSpec, SessionState};
use onair_dataplane::Runtime;
use onair_session::NamedSource;
use onair_settings::access::authority::{Caller, Grant};

use super::Sessions;
use super::find::Seen;
use crate::services::Services;

impl Seen<'_> {
    /// The complete specification of a session: a converted one has its port, video and addresses from its
    /// source, to which the caller must have the right to attach. Creating sessions is another right.
    ///
    /// # Errors
    /// Those of [`Self::find`] for the source; `invalid_spec`, `limit_reached`, `draining`.
    pub fn complete(&self, session: NewSession) -> Result<SessionSpec, Problem> {
        let mut converted = match session {
            NewSession::Complete(spec) => return Ok(*spec),
            NewSession::Converted(converted) => converted,
        };
        let from = SessionRef::Name(converted.convert.from.clone());
        let caller = Caller {
            grant: self.caller.attach,
            ..self.caller.clone()
        };
        let seen = self.sessions.seen_by(&caller, self.archive);
        let source = &self.sessions[seen.find(&from)?];
        converted.convert.source_owner = match caller.attach {
            Grant::Any => None,
            Grant::OwnedBy(uid) => Some(uid),
        };
        source.check_source(&source.spec.format)?;
        Ok(converted.of(&source.spec))
    }
}

impl Sessions {
    /// Connects a converted session that has no source with the session of that name: one that is new or
    /// stopped, or just comes back from its converter with `runtime`. Without a source it gets no frames, and
    /// its problems say why.
    pub fn look_for_source(
        &mut self,
        services: &mut Services,
        id: u64,
        runtime: Option<&mut Runtime>,
    ) {
        let Some(session) = self.get(id) else {
            return;
        };
        let source = session.source.id();
        let has_source = source.is_some_and(|it| self.get(it.0).is_some());
        let Some(convert) = &session.spec.convert else {
            return;
        };
        if !session.source.search(&session.spec, has_source).is_due() {
            return;
        }
        let format = &session.spec.format;
        let named = match self.named(&convert.from) {
            None => NamedSource::Missing,
            Some(it) if !convert.may_have(it.owner.uid) => NamedSource::OfAnotherUser,
            Some(it) => match it.check_source(format) {
                Ok(()) => NamedSource::Usable(it.id),
                Err(problem) => NamedSource::Refused(problem.detail),
            },
        };
        match named.connectable() {
            Ok(source) => self.connect(services, id, source, runtime),
            Err(reason) => {
                let (lines, now) = (&services.lines.sessions, services.machine.now());
                if let Some(more) = lines.note_caused(session.requested_by, now) {
                    let session = &session.spec.name;
                    tracing::info!(%session, reason, more, "a converted session has no source");
                }
                if let Some(mut session) = self.get_mut(id) {
                    session.source.note_none(reason);
                }
            }
        }
    }

    fn connect(
        &mut self,
        services: &mut Services,
        id: u64,
        source: SessionId,
        runtime: Option<&mut Runtime>,
    ) {
        let from = (source, self[source.0].spec.quota);
        let session = self.any_mut(id);
        let feed = session.and_then(|mut it| it.connect_to(services, from, runtime));
        if let Some(feed) = feed
            && let Some(mut source) = self.any_mut(source.0)
        {
            source.add_feed(services, feed);
        }
    }

    /// Before a start: a converted session whose converter has died gets another one.
    ///
    /// # Errors
    /// `limit_reached`.
    pub fn leave_dead_thread(&mut self, services: &mut Services, id: u64) -> Result<(), Problem> {
        self.any_mut(id)
            .map_or(Ok(()), |mut it| it.leave_dead_thread(services))
    }

    /// A quarantined session needs no source, whose place for a client becomes free.
    pub fn disconnect_quarantined(&mut self, id: u64) {
        if self.quarantined(id).is_some()
            && let Some(mut session) = self.any_mut(id)
        {
            session.disconnect();
        }
    }

    /// Tells each converted session what its source does.
    pub fn note_sources(&mut self) {
        let all = self.living().filter(|it| it.spec.convert.is_some());
        let states: BTreeMap<u64, Option<SessionState>> = all
            .map(|it| {
                let source = it.source.id().and_then(|source| self.get(source.0));
                (it.id.0, source.map(|source| source.state()))
            })
            .collect();
        for (id, state) in states {
            if let Some(mut session) = self.get_mut(id) {
                session.source.note(state);
            }
        }
    }
}
