//! Converted sessions and their sources.

use std::collections::BTreeMap;

use onair_api::{NewSession, Problem, SessionRef, SessionSpec, SessionState};
use onair_session::NamedSource;
use onair_settings::access::authority::{Caller, Grant};

use super::Sessions;
use super::find::VisibleSessions;
use crate::services::Services;
use crate::session::Session;

impl VisibleSessions<'_> {
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
        let seen = VisibleSessions {
            caller: &caller,
            ..*self
        };
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
    /// Connects a converted session that has no source with the session of that name, when it is made, started or comes
    /// back. Without a source it gets no frames, and its problems say why.
    pub fn look_for_source(&mut self, services: &mut Services, id: u64) {
        let Some(session) = self.get(id) else {
            return;
        };
        let has_source = self.source_of(session).is_some();
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
            Ok(source) => {
                if let Some(mut session) = self.get_mut(id) {
                    session.source.connect(source);
                }
                if let Some(mut source) = self.get_mut(source.0) {
                    source.places.conversions += 1;
                }
                services.machine.convert(self.conversions());
            }
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

    /// The session that has the frames of a converted one, if it still exists.
    pub(super) fn source_of(&self, session: &Session) -> Option<&Session> {
        self.get(session.source.id()?.0)
    }

    /// The converted sessions, each with its source.
    pub(crate) fn conversions(&self) -> BTreeMap<u64, u64> {
        let linked = self
            .living()
            .filter_map(|it| Some((it, self.source_of(it)?)));
        linked.map(|(it, source)| (it.id.0, source.id.0)).collect()
    }

    /// A converted session has ended or is quarantined: its place among its source's clients becomes free.
    pub(super) fn part_from_source(&mut self, session: &mut Session) {
        if let Some(source) = session.source.part()
            && let Some(mut source) = self.get_mut(source.0)
        {
            source.places.conversions -= 1;
        }
    }

    /// Before a start: a session whose poller has died gets another one, if it has its runtime.
    ///
    /// # Errors
    /// `poller_down`.
    pub fn leave_dead_thread(&mut self, services: &mut Services, id: u64) -> Result<(), Problem> {
        let Some(mut session) = self.any_mut(id) else {
            return Ok(());
        };
        let it = &mut *session;
        if it.home.is_live(services) || it.core.runtime().is_none() {
            return Ok(());
        }
        it.home.leave(services, &it.spec, it.charged_to)
    }

    /// Tells each converted session what its source does, and the converter which sessions there are.
    pub fn note_sources(&mut self, services: &Services) {
        let all = self.living().filter(|it| it.spec.convert.is_some());
        let state = |it: &Session| Some(self.source_of(it)?.core.state());
        let states: Vec<(u64, Option<SessionState>)> = all.map(|it| (it.id.0, state(it))).collect();
        services.machine.convert(self.conversions());
        for (id, state) in states {
            if let Some(mut session) = self.get_mut(id) {
                session.source.note(state);
            }
        }
    }
}
