//! Gives sessions other addresses. What all of them need is checked first, as it will be at the end.

use onair_api::operations::{RetargetSession, RetargetSessions};
use onair_api::{
    GroupPatch, ListedSession, Problem, ProblemCode, SessionList, SessionPatch, SessionRef,
    SessionSpec, SessionState, SessionView, SpecError,
};
use onair_session::Event;
use onair_settings::access::authority::Caller;

use super::groups::Answers;
use crate::engine::Engine;
use crate::inputs::Asked;
use crate::services::reply::Reply;
use crate::session::{RetargetTime, converted};
use crate::sessions::groups::of_member;

/// The place of a change in its request, its session, and what that becomes.
type Change = (usize, u64, SessionSpec);
/// Why the change at a place is refused.
type Refused = (usize, Problem);

/// Changes of the addresses of sessions.
pub(crate) struct Retargets<'a>(pub(super) &'a mut Engine);

impl Engine {
    /// The sessions, for a change of their addresses.
    pub(crate) fn retargets(&mut self) -> Retargets<'_> {
        Retargets(self)
    }
}

impl Retargets<'_> {
    /// One session.
    pub(crate) fn one(&mut self, id: u64, asked: Asked<RetargetSession>) {
        if asked.input.only_connects() {
            return self.connect(id, asked);
        }
        let SessionPatch {
            at_tai_ns,
            running,
            rejoin,
            ..
        } = *asked.input;
        let when = self.time(at_tai_ns);
        let checked = self.spec(id, &asked.input).and_then(|spec| {
            let when = when?;
            if running == Some(true) {
                self.check_start(id)?;
            }
            let session = &self.0.sessions[id];
            let by = (asked.caller.owner(), session.owner.uid);
            (session.home).check_room(&self.0.services, by, &session.spec, &spec)?;
            Ok((spec, when))
        });
        let Some(((spec, when), reply)) = asked.reply.or_refuse(checked) else {
            return;
        };
        let has_more = running.is_some() || rejoin;
        let spec = (!has_more || spec != self.0.sessions[id].spec).then_some(spec);
        let session = &self.0.sessions[id];
        let is_running = session.core.state() == SessionState::Running;
        match running {
            // The start follows the change, also that of a session that is about to stop.
            Some(true) if !is_running => {
                let reply = session.persist_desired_state(&mut self.0.services, true, reply);
                self.change_one(id, (spec, when), Reply::unread());
                self.0.start_session(id, reply);
            }
            Some(false) => {
                let reply = session.persist_desired_state(&mut self.0.services, false, reply);
                self.0.handle(id, Event::Stop);
                self.change_one(id, (spec, when), reply);
                self.0.handle(id, Event::Examine);
            }
            _ => self.change_one(id, (spec, when), reply),
        }
        if let Some((mut session, services)) = self.0.with(id).filter(|_| rejoin) {
            session.rejoin(services);
        }
    }

    /// Whether a session can start.
    ///
    /// # Errors
    /// The problems of a start.
    fn check_start(&mut self, id: u64) -> Result<(), Problem> {
        let Engine {
            sessions, services, ..
        } = &mut *self.0;
        sessions.leave_dead_thread(services, id)?;
        sessions[id].check_start(services)
    }

    /// Gives a session what was checked, if that is something else.
    fn change_one(
        &mut self,
        id: u64,
        (spec, when): (Option<SessionSpec>, RetargetTime),
        reply: Reply<SessionView>,
    ) {
        let Some(spec) = spec else {
            return reply.send(Ok(self.0.any(id).shown().view()));
        };
        let change = (spec, when);
        self.0
            .retarget_step(id, |it, services| it.retarget(services, change, reply));
    }

    /// Keeps what a controller has connected a session to, whose packets do not change.
    fn connect(&mut self, id: u64, asked: Asked<RetargetSession>) {
        let checked = asked.input.apply(&self.0.sessions[id].spec);
        let checked = checked.map_err(Problem::from);
        if let Some((spec, reply)) = asked.reply.or_refuse(checked) {
            self.0.retarget_step(id, |it, _| {
                it.spec.connected = spec.connected;
                Some(reply)
            });
        }
    }

    /// Several, which change together.
    pub(crate) fn several(&mut self, asked: Asked<RetargetSessions>) {
        let Asked {
            caller,
            input,
            reply,
            ..
        } = asked;
        let (mut ids, mut refused) = (Vec::new(), Vec::new());
        for (at, change) in input.sessions.iter().enumerate() {
            let session = SessionRef::Name(change.name.clone());
            match self.0.seen_by(&caller).find(&session) {
                Ok(id) => ids.push(id),
                Err(problem) => refused.push((at, problem)),
            }
        }
        self.0.note_requester::<RetargetSessions>(&ids, &caller);
        let found = all_or_none(&input, refused);
        let changes = found.and_then(|()| self.change(&caller, &ids, &input));
        if let Some((answers, reply)) = reply.or_refuse(changes) {
            answers.gather(
                &*self.0.services.machine,
                reply,
                |views: Vec<SessionView>| {
                    let sessions = views.iter().map(ListedSession::from).collect();
                    let next = None;
                    SessionList { sessions, next }
                },
            );
        }
    }

    /// Changes those of `ids` that `patch` names, which are all it may name. The answer of each of `ids`.
    ///
    /// # Errors
    /// The problems of a retarget, with a field of `patch` for each session that cannot change.
    pub(super) fn change(
        &mut self,
        caller: &Caller,
        ids: &[u64],
        patch: &GroupPatch,
    ) -> Result<Answers<SessionView>, Problem> {
        let named = self.time(patch.at_tai_ns)?;
        let changes = self.retargeted_specs(caller, ids, patch)?;
        let changed = changes.iter().map(|(_, id, _)| id);
        let when = match (named, self.0.groups().next_boundary(changed)) {
            (RetargetTime::Next, Some(at_ns)) => RetargetTime::With(at_ns),
            (named, _) => named,
        };
        let mut answers = Answers::new();
        for id in ids {
            let reply = answers.of(&self.0.sessions[*id].spec.name);
            match changes.iter().find(|(_, of, _)| of == id) {
                Some((.., spec)) => {
                    let change = (spec.clone(), when);
                    self.0
                        .retarget_step(*id, |it, services| it.retarget(services, change, reply));
                }
                None => reply.send(Ok(self.0.sessions[*id].shown().view())),
            }
        }
        Ok(answers)
    }

    /// The changed specifications of the sessions that `patch` names.
    fn retargeted_specs(
        &self,
        caller: &Caller,
        ids: &[u64],
        patch: &GroupPatch,
    ) -> Result<Vec<Change>, Problem> {
        let (mut changes, mut refused) = (Vec::<Change>::new(), Vec::new());
        for (at, member) in patch.sessions.iter().enumerate() {
            let name = &member.name;
            let is_it = |id: &&u64| self.0.sessions[**id].spec.name == *name;
            let found = ids.iter().find(is_it).ok_or("is no member of the group");
            let found = found.and_then(|id| match changes.iter().any(|(_, of, _)| of == id) {
                true => Err("has two changes"),
                false => Ok(*id),
            });
            let found = found.map_err(|what| {
                let detail = format!("session {name} {what}");
                Problem::new(ProblemCode::InvalidSpec, detail)
            });
            match found.and_then(|id| Ok((id, self.changed(caller, id, &member.change)?))) {
                Ok((id, spec)) => changes.push((at, id, spec)),
                Err(problem) => refused.push((at, problem)),
            }
        }
        all_or_none(patch, refused)?;
        Ok(changes)
    }

    /// When a change of addresses is to happen.
    ///
    /// # Errors
    /// `invalid_request`: too far ahead.
    fn time(&self, at_tai_ns: Option<u64>) -> Result<RetargetTime, Problem> {
        RetargetTime::named(at_tai_ns, self.0.services.tai_ns())
    }

    /// The session's specification with the changes, which is checked.
    ///
    /// # Errors
    /// The problems of a retarget.
    fn spec(&self, id: u64, patch: &SessionPatch) -> Result<SessionSpec, Problem> {
        let session = &self.0.sessions[id];
        converted::check_has_packets(&session.spec)?;
        let spec = patch.apply(&session.spec)?;
        self.0.check_service()?;
        session.check_retarget(&self.0.services, &spec)?;
        Ok(spec)
    }

    fn changed(
        &self,
        caller: &Caller,
        id: u64,
        patch: &SessionPatch,
    ) -> Result<SessionSpec, Problem> {
        let spec = self.spec(id, patch)?;
        let session = &self.0.sessions[id];
        let by = (caller.owner(), session.owner.uid);
        (session.home).check_room(&self.0.services, by, &session.spec, &spec)?;
        Ok(spec)
    }
}

/// One problem of all that are refused, with their fields.
fn all_or_none(patch: &GroupPatch, refused: Vec<Refused>) -> Result<(), Problem> {
    let Some((_, first)) = refused.first() else {
        return Ok(());
    };
    let code = first.code;
    let fields = refused.into_iter().flat_map(|(at, problem)| {
        let problem = of_member(&patch.sessions[at].name, problem);
        let own = |rest: &str, text| SpecError::new(format!("sessions[{at}]{rest}"), text);
        match problem.errors.is_empty() {
            true => vec![own("", problem.detail)],
            false => {
                let errors = problem.errors.into_iter();
                let errors = errors.map(|it| own(&format!(".change.{}", it.field), it.problem));
                errors.collect()
            }
        }
    });
    Err(Problem::of_fields(code, fields.collect()))
}
