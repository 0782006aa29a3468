//! Converted sessions and their sources.

use std::collections::BTreeMap;

use onair_api::{NewSession, Problem, SessionId, SessionRef, SessionSpec, SessionState};
use onair_dataplane::Runtime;

use crate::access::authority::{Caller, Grant};
use crate::control::actor::Actor;

impl Actor {
    /// The complete specification of a session: a converted one has its port, video and addresses from its
    /// source, to which the caller must have the right to attach. Creating sessions is another right.
    pub(crate) fn complete(
        &self,
        caller: &Caller,
        session: NewSession,
    ) -> Result<SessionSpec, Problem> {
        let mut converted = match session {
            NewSession::OfPackets(spec) => return Ok(*spec),
            NewSession::Converted(converted) => converted,
        };
        let from = SessionRef::Name(converted.convert.from.clone());
        let caller = Caller {
            grant: caller.attach,
            ..caller.clone()
        };
        let source = &self.sessions[self.find(&caller, &from)?];
        converted.convert.source_owner = match caller.attach {
            Grant::Any => None,
            Grant::OwnedBy(uid) => Some(uid),
        };
        source.check_source(&source.spec.format)?;
        Ok(converted.of(&source.spec))
    }

    /// Connects a converted session that has no source with the session of that name: one that is new or
    /// stopped, or just comes back from its converter with `runtime`. Without a source it gets no frames, and
    /// its problems say why.
    pub(crate) fn look_for_source(&mut self, id: u64, runtime: Option<&mut Runtime>) {
        let is_there = |source: SessionId| self.sessions.get(source.0).is_some();
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        if session.source().is_some_and(is_there) || !session.may_look_for_source() {
            return;
        }
        let Some(convert) = &session.spec.convert else {
            return;
        };
        let format = session.spec.format.clone();
        let found = match self.sessions.named(&convert.from) {
            Some(source) if !convert.may_have(source.owner.uid) => {
                Err("the session of that name is another user's".to_owned())
            }
            Some(source) => source
                .check_source(&format)
                .map(|()| source.id)
                .map_err(|it| it.detail),
            None => Err("no session has that name".to_owned()),
        };
        match found {
            Ok(source) => self.connect(id, source, runtime),
            Err(reason) => {
                tracing::info!(session = %session.spec.name, reason, "a converted session has no source");
                if let Some(mut session) = self.sessions.get_mut(id) {
                    session.note_no_source(reason);
                }
            }
        }
    }

    fn connect(&mut self, id: u64, source: SessionId, runtime: Option<&mut Runtime>) {
        let source = (source, self.sessions[source.0].spec.quota);
        let feed = self
            .with(id)
            .and_then(|(mut session, services)| session.connect_to(services, source, runtime));
        if let Some(feed) = feed
            && let Some((mut source, services)) = self.with(source.0.0)
        {
            source.add_feed(services, feed);
        }
    }

    /// Before a start: a converted session whose converter has died gets another one.
    ///
    /// # Errors
    /// `limit_reached`.
    pub(crate) fn leave_dead_thread(&mut self, id: u64) -> Result<(), Problem> {
        self.with(id).map_or(Ok(()), |(mut session, services)| {
            session.leave_dead_thread(services)
        })
    }

    /// A quarantined session needs no source, whose place for a client becomes free.
    pub(crate) fn disconnect_quarantined(&mut self, id: u64) {
        if self.sessions.quarantined(id).is_some()
            && let Some((mut session, _)) = self.with(id)
        {
            session.disconnect();
        }
    }

    /// Tells each converted session what its source does.
    pub(crate) fn note_sources(&mut self) {
        let all = self.sessions.living().filter(|it| it.is_converted());
        let states: BTreeMap<u64, Option<SessionState>> = all
            .map(|it| {
                let source = it.source().and_then(|source| self.sessions.get(source.0));
                (it.id.0, source.map(|source| source.state()))
            })
            .collect();
        for (id, state) in states {
            if let Some(mut session) = self.sessions.get_mut(id) {
                session.note_source(state);
            }
        }
    }
}
