//! Which session a request means, and whether its caller may have it.

use std::collections::BTreeMap;

use onair_api::{
    Certificate, GroupName, NewSession, Problem, ProblemCode, SessionRef, SessionSpec, SessionState,
};
use onair_ipc::message::Member;
use onair_settings::access::authority::{Caller, Grant};
use onair_settings::access::etag::etag;

use super::{Sessions, stale};
use crate::persistence::Archive;
use crate::services::Services;
use crate::session::{Session, converted};

/// The sessions as a caller sees them: one that its grant does not cover is refused.
#[derive(Clone, Copy)]
pub struct VisibleSessions<'a> {
    pub(crate) sessions: &'a Sessions,
    pub(crate) caller: &'a Caller,
    pub(crate) archive: &'a Archive,
}

impl Sessions {
    /// The session of `connection`'s client, and the attachment, unless the client was evicted.
    ///
    /// # Errors
    /// `stale_session`.
    pub fn attached_by(&self, connection: u64) -> Result<(u64, u64), Problem> {
        let carried = self.carried_by(connection);
        let attachment = |id, number| self.get(id)?.core.clients().get(number);
        let carried = carried.filter(|(id, number)| attachment(*id, *number).is_some());
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

    /// Connects a converted session that has no source with the session of that name, when it is made, started or comes
    /// back. Without a source it gets no frames, and its problems say why.
    pub fn look_for_source(&mut self, services: &mut Services, id: u64) {
        let Some(session) = self.get(id) else {
            return;
        };
        let Some(convert) = &session.spec.convert else {
            return;
        };
        if self.source_of(session).is_some() {
            return;
        }
        let format = &session.spec.format;
        let named = match self.named(&convert.from) {
            None => Err("no session has that name".to_owned()),
            Some(it) if !convert.may_have(it.owner.uid) => {
                Err("the session of that name is another user's".to_owned())
            }
            Some(it) => it
                .check_source(format)
                .map(|()| it.id)
                .map_err(|it| it.detail),
        };
        match named {
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
        it.home.leave(services, &it.spec, it.owner.uid)
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

impl VisibleSessions<'_> {
    /// The existing session, if the caller's grant covers it.
    ///
    /// # Errors
    /// `no_such_session`, `stale_session`, `quarantined`; `forbidden`, `precondition_failed`.
    pub fn find(&self, session: &SessionRef) -> Result<u64, Problem> {
        let found = match session {
            SessionRef::Id(id) => self.sessions.get(id.0),
            SessionRef::Name(name) => self.sessions.named(name),
        };
        if let Some(found) = found {
            self.caller.require(Some(found.owner.uid))?;
            self.caller.require_tag(|| etag(&found.shown().view()))?;
            return Ok(found.id.0);
        }
        let quarantined = match session {
            SessionRef::Id(id) => self.sessions.quarantined(id.0).map(|it| &it.spec.name),
            SessionRef::Name(_) => None,
        };
        let has_certificate = self.archive.find(session).is_some();
        Err(self
            .sessions
            .numbers
            .missing(session, quarantined, has_certificate))
    }

    /// As [`Self::find`], for a client: its handle on a quarantined session is stale, and there is nothing to wait for.
    ///
    /// # Errors
    /// As [`Self::find`], without `quarantined`.
    pub fn find_for_client(&self, session: &SessionRef) -> Result<u64, Problem> {
        let found = self.find(session);
        found.map_err(|problem| match problem.code {
            ProblemCode::Quarantined => stale(session),
            _ => problem,
        })
    }

    /// The session with the frames of `source` in a layout, which may be `source` itself: of several the first one with a
    /// free place.
    ///
    /// # Errors
    /// `not_converted`, or those of creating such a session.
    pub fn in_layout(&self, source: u64, layout: &str) -> Result<u64, Problem> {
        let (source, wanted) = (&self.sessions[source], layout.parse().ok());
        let has_it = |it: &&Session| {
            let is_of = it.id == source.id || it.source.id() == Some(source.id);
            is_of && wanted.is_some() && converted::layout(&it.spec) == wanted
        };
        let all = self.sessions.living().filter(has_it);
        let all = all.filter(|it| self.caller.grant.covers(Some(it.owner.uid)));
        let all = all.filter(|it| it.id == source.id || !it.core.life().is_draining());
        let is_full = |it: &Session| it.places.are_taken(&it.spec, &it.core, false);
        let found = all.min_by_key(|it| (is_full(it), it.id));
        let found = found.map(|it| it.id.0);
        found.ok_or_else(|| source.not_converted(layout))
    }

    /// The session, existing or quarantined, if the caller's grant covers it; a name finds only
    /// existing ones.
    ///
    /// # Errors
    /// As [`Self::find`], without `quarantined`.
    pub fn find_any(&self, session: &SessionRef) -> Result<u64, Problem> {
        if let SessionRef::Id(id) = session
            && let Some(found) = self.sessions.quarantined(id.0)
        {
            self.caller.require(Some(found.owner.uid))?;
            return Ok(id.0);
        }
        self.find(session)
    }

    /// Whether the caller may follow the events of a session, which exists or has left a certificate.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn check_audience(&self, session: &SessionRef) -> Result<(), Problem> {
        let Err(problem) = self.find(session) else {
            return Ok(());
        };
        let certificate = self.archive.find(session).ok_or(problem)?;
        self.caller.require(Some(certificate.requester.uid))
    }

    /// The certificate of a session that has ended; a name means the last one that left one.
    ///
    /// # Errors
    /// `certificate_pending`: it still exists; or those of [`Self::find`].
    pub fn certificate(&self, session: &SessionRef) -> Result<Box<Certificate>, Problem> {
        let living = self.find(session);
        let is_named = matches!(session, SessionRef::Name(_));
        if (is_named || living.is_err())
            && let Some(certificate) = self.archive.present(session)
        {
            self.caller.require(Some(certificate.owner.uid))?;
            return Ok(Box::new(certificate));
        }
        let detail = format!("session {} still exists", self.sessions[living?].spec.name);
        Err(Problem::new(ProblemCode::CertificatePending, detail))
    }

    /// The ids of the members of a group that exists, if the caller's grant covers all of them.
    ///
    /// # Errors
    /// `no_such_group`, `forbidden`.
    pub fn find_group(&self, group: &GroupName) -> Result<Vec<u64>, Problem> {
        let mut ids = Vec::new();
        for member in self.sessions.members(group) {
            self.caller.require(Some(member.owner.uid))?;
            ids.push(member.id.0);
        }
        if ids.is_empty() {
            let detail = format!("no session is a member of a group {group}");
            return Err(Problem::new(ProblemCode::NoSuchGroup, detail));
        }
        Ok(ids)
    }

    /// The members of a group that exists, for a client that attaches to each of them.
    ///
    /// # Errors
    /// As [`Self::find_group`].
    pub fn to_attach(&self, group: &GroupName) -> Result<Vec<Member>, Problem> {
        let ids = self.find_group(group)?.into_iter();
        let members = ids.map(|id| {
            let session = &self.sessions[id];
            Member {
                session: session.id.to_string(),
                name: session.spec.name.to_string(),
                essence: session.spec.format.kind().name().to_owned(),
            }
        });
        Ok(members.collect())
    }

    /// The complete specification of a session: a converted one has its port, video and addresses from its
    /// source, to which the caller must have the right to attach. Creating sessions is another right.
    ///
    /// # Errors
    /// Those of [`Self::find`] for the source; `invalid_spec`, `limit_reached`, `draining`.
    pub fn complete(&self, session: NewSession) -> Result<SessionSpec, Problem> {
        let mut new = match session {
            NewSession::Complete(spec) => return Ok(*spec),
            NewSession::Converted(new) => new,
        };
        let from = SessionRef::Name(new.convert.from.clone());
        let caller = Caller {
            grant: self.caller.attach,
            ..self.caller.clone()
        };
        let seen = VisibleSessions {
            caller: &caller,
            ..*self
        };
        let source = &self.sessions[seen.find(&from)?];
        new.convert.source_owner = match caller.attach {
            Grant::Any => None,
            Grant::OwnedBy(uid) => Some(uid),
        };
        source.check_source(&source.spec.format)?;
        Ok(new.of(&source.spec))
    }
}
