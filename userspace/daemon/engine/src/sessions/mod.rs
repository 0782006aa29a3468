//! All sessions, and how they are found: by id, by name, by a client's connection, by due time.

pub mod ending;
mod find;
pub mod groups;
mod index;
mod numbers;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::{self, Deref, DerefMut};

use onair_api::{
    EventKind, Problem, ProblemCode, SessionId, SessionName, SessionRef, SessionSpec, Who,
};
use onair_ipc::event::EventKind as ClientEvent;
use onair_mutant::mutant;
use onair_session::{Event, Trace};
use onair_settings::access::authority::Caller;
use onair_settings::access::peer::this_daemon;
use onair_settings::config::Policy;
use onair_shares::Owner;

use self::index::Index;
use crate::services::Services;
use crate::services::rooms::Admission;
use crate::session::{Session, converted};

pub use self::find::VisibleSessions;
pub use self::index::Taken;
pub use self::numbers::{Numbers, stale};

/// Ended sessions whose traces are kept.
const ENDED: usize = 16;

/// The sessions that exist, and those in quarantine, which have no name any more.
#[derive(Debug)]
pub struct Sessions {
    /// Boxed: a session has kilobytes, and a walk over the ids would pass them all.
    living: BTreeMap<u64, Box<Session>>,
    quarantined: BTreeMap<u64, Box<Session>>,
    names: HashMap<SessionName, u64>,
    ended: EndedTraces,
    /// Facts of all sessions, without a walk over them.
    pub(crate) index: Index,
    pub(crate) numbers: Numbers,
}

/// A session that may be changed. What the index has of it is brought up to date at the end.
#[derive(Debug)]
pub struct SessionMut<'a> {
    session: &'a mut Session,
    index: &'a mut Index,
}

impl Deref for SessionMut<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session
    }
}

impl DerefMut for SessionMut<'_> {
    fn deref_mut(&mut self) -> &mut Session {
        self.session
    }
}

impl Drop for SessionMut<'_> {
    fn drop(&mut self) {
        self.index.note(self.session);
    }
}

impl Sessions {
    /// None, of a daemon with this incarnation.
    pub fn new(incarnation: u32) -> Self {
        Self {
            living: BTreeMap::new(),
            quarantined: BTreeMap::new(),
            names: HashMap::new(),
            ended: EndedTraces::default(),
            index: Index::default(),
            numbers: Numbers::new(incarnation),
        }
    }

    /// Number of those that exist.
    pub fn count(&self) -> usize {
        self.living.len()
    }

    /// A session that exists.
    pub fn get(&self, id: u64) -> Option<&Session> {
        self.living.get(&id).map(|it| &**it)
    }

    /// As [`Self::get`], to change it.
    pub fn get_mut(&mut self, id: u64) -> Option<SessionMut<'_>> {
        let session = self.living.get_mut(&id)?;
        let index = &mut self.index;
        Some(SessionMut { session, index })
    }

    /// One in quarantine.
    pub fn quarantined(&self, id: u64) -> Option<&Session> {
        self.quarantined.get(&id).map(|it| &**it)
    }

    /// A session that exists or is in quarantine.
    pub fn any(&self, id: u64) -> Option<&Session> {
        self.get(id).or_else(|| self.quarantined(id))
    }

    /// As [`Self::any`], to change it.
    pub fn any_mut(&mut self, id: u64) -> Option<SessionMut<'_>> {
        let found = self.living.get_mut(&id);
        let session = found.or_else(|| self.quarantined.get_mut(&id))?;
        let index = &mut self.index;
        Some(SessionMut { session, index })
    }

    /// The one that exists under a name.
    pub fn named(&self, name: &SessionName) -> Option<&Session> {
        self.get(*self.names.get(name)?)
    }

    /// The session of the attachment that a connection carries, even if it was evicted, and the
    /// attachment's number.
    pub fn carried_by(&self, connection: u64) -> Option<(u64, u64)> {
        let mut carried = self.index.carried_by(connection);
        carried.find_map(|id| Some((id, self.any(id)?.connected.carried_by(connection)?)))
    }

    /// Ids of those that exist.
    pub fn ids(&self) -> impl Iterator<Item = u64> {
        self.living.keys().copied()
    }

    /// The sessions that exist.
    pub fn living(&self) -> impl Iterator<Item = &Session> {
        self.living.values().map(|it| &**it)
    }

    /// Those in quarantine.
    pub fn in_quarantine(&self) -> impl Iterator<Item = &Session> {
        self.quarantined.values().map(|it| &**it)
    }

    /// The sessions that exist, then those in quarantine.
    pub fn all(&self) -> impl Iterator<Item = &Session> {
        self.living().chain(self.in_quarantine())
    }

    /// Changes each that exists.
    pub fn change_each(&mut self, mut change: impl FnMut(&mut Session)) {
        for session in self.living.values_mut() {
            change(session);
            self.index.note(session);
        }
    }

    /// Changes those of `ids` that exist or are in quarantine, together.
    pub fn change_together<T>(
        &mut self,
        ids: &BTreeSet<u64>,
        change: impl FnOnce(Vec<&mut Session>) -> T,
    ) -> T {
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else {
            return change(Vec::new());
        };
        let living = self.living.range_mut(first..=last);
        let all = living.chain(self.quarantined.range_mut(first..=last));
        let wanted = all.filter(|(id, _)| ids.contains(id));
        let changed = change(wanted.map(|(_, session)| &mut **session).collect());
        for id in ids {
            // Dropped at once, which brings the index up to date.
            self.any_mut(*id);
        }
        changed
    }

    /// Adds one whose name no other has.
    pub fn insert(&mut self, mut session: Session) {
        self.index.note(&mut session);
        self.names.insert(session.spec.name.clone(), session.id.0);
        self.living.insert(session.id.0, Box::new(session));
    }

    /// Takes its name from one that exists, which stays in quarantine.
    pub fn set_aside(&mut self, id: u64) -> Option<&Session> {
        let mut session = self.living.remove(&id)?;
        self.names.remove(&session.spec.name);
        self.part_from_source(&mut session);
        Some(self.quarantined.entry(id).or_insert(session))
    }

    /// Removes one that has ended, from those that exist or those in quarantine.
    pub fn remove(&mut self, id: u64) -> Option<Box<Session>> {
        let living = self.living.remove(&id);
        if let Some(session) = &living {
            self.names.remove(&session.spec.name);
        }
        let mut session = living.or_else(|| self.quarantined.remove(&id))?;
        self.part_from_source(&mut session);
        self.ended.keep(&mut session);
        if !mutant!("engine: the share of a session that ended stays taken") {
            self.index.forget(&mut session);
        }
        self.numbers.ended(session.index);
        Some(session)
    }

    /// The trace of a session; of a name, the last session that has or had it.
    pub fn trace(&self, session: &SessionRef) -> Option<String> {
        let present = match session {
            SessionRef::Id(id) => self.any(id.0),
            SessionRef::Name(name) => self.named(name),
        };
        if let Some(present) = present {
            return Some(present.core.trace());
        }
        let mut ended = self.ended.0.iter().rev();
        let is_it = |it: &&EndedTrace| session.names(it.id, &it.name);
        ended.find(is_it).map(|it| it.trace.text(it.id, &it.name))
    }

    /// Whether a session of this specification could be made, as far as its name and its layout decide it.
    ///
    /// # Errors
    /// `name_taken`, `invalid_spec`.
    pub fn check_new(&self, spec: &SessionSpec) -> Result<(), Problem> {
        if self.named(&spec.name).is_some() {
            let detail = format!("a session named {} exists", spec.name);
            return Err(Problem::new(ProblemCode::NameTaken, detail));
        }
        converted::check(spec)
    }

    /// Makes a session that was checked, stopped, with its source if it is converted. Returns its id.
    ///
    /// # Errors
    /// `invalid_spec`, `limit_reached`, `no_such_port`, `poller_full`.
    pub fn make(
        &mut self,
        services: &mut Services,
        spec: SessionSpec,
        users: Users,
    ) -> Result<u64, Problem> {
        let is_empty = |index: u32| {
            let blocked = services.machine.blocked(index);
            blocked.is_none_or(|it| it.is_ok_and(|n| n == 0))
        };
        let (id, index) = self.numbers.issue(is_empty)?;
        let made = Session::create(id, spec, users.owner, users.connection, index, services);
        let made = made.and_then(|mut session| {
            let (owner, admission) = (users.charged, users.admission);
            (session.home).take_room(services, &session.spec, owner, admission)?;
            Ok(session)
        });
        let mut session = made.inspect_err(|_| self.numbers.not_made(index))?;
        session.settle_groups(services);
        let created = EventKind::SessionCreated {
            direction: session.spec.direction,
            port: session.spec.port.clone(),
            owner: session.owner.clone(),
        };
        services.hub.publish(Some(session.subject()), created);
        self.insert(session);
        self.look_for_source(services, id.0);
        Ok(id.0)
    }

    /// Announces the shutdown to the clients of a session, before their calls return it.
    pub fn announce_end(&self, id: u64) {
        if mutant!("shutdown: clients get no draining event") {
            return;
        }
        let session = self.get(id).into_iter();
        for attachment in session.flat_map(|it| it.core.clients().attached()) {
            attachment.memory.notify(ClientEvent::Draining, 0);
        }
    }

    /// Stops a session. It is examined when its destroy begins.
    pub fn stop_at_end(&mut self, services: &mut Services, id: u64) {
        if let Some(mut session) = self.get_mut(id) {
            session.requested_by = this_daemon(0).uid;
            let _ = session.handle(services, Event::CancelTimer);
            let _ = session.handle(services, Event::Stop);
        }
    }

    /// Logs that a session stays in use.
    pub fn warn_in_use(&self, id: u64, policy: Policy) {
        if let Some(session) = self.get(id) {
            tracing::warn!(session = %session.id, name = %session.spec.name, ?policy, "still in use");
        }
    }
}

impl ops::Index<u64> for Sessions {
    type Output = Session;

    /// # Panics
    /// If it does not exist: only for one that was just found.
    fn index(&self, id: u64) -> &Session {
        self.get(id).expect("just found")
    }
}

/// The traces of ended sessions, the last one at the end.
#[derive(Debug, Default)]
struct EndedTraces(VecDeque<EndedTrace>);

impl EndedTraces {
    /// A session is removed.
    fn keep(&mut self, session: &mut Session) {
        self.add(EndedTrace {
            id: session.id,
            name: session.spec.name.clone(),
            uid: session.owner.uid,
            trace: session.core.take_trace(),
        });
    }

    /// Of too many, the user with the most loses the oldest.
    fn add(&mut self, ended: EndedTrace) {
        self.0.push_back(ended);
        if self.0.len() <= ENDED {
            return;
        }
        let of = |uid| self.0.iter().filter(|it| it.uid == uid).count();
        let greatest = self.0.iter().map(|it| it.uid).max_by_key(|uid| of(*uid));
        let oldest = self.0.iter().position(|it| Some(it.uid) == greatest);
        oldest.map(|at| self.0.remove(at));
    }
}

#[derive(Debug)]
struct EndedTrace {
    id: SessionId,
    name: SessionName,
    /// The user whose shares it took.
    uid: u32,
    trace: Trace,
}

// Makes sessions: a number, memory and room on a poller, then the name in the list, then the event.
//
// All that can be refused is asked before the session is in the list, and a number whose session was not made is given
// back: a refused request leaves nothing. It is stopped; who asked for it starts it.

/// The users of a new session.
#[derive(Clone, Debug)]
pub struct Users {
    /// The user that it belongs to.
    pub owner: Who,
    /// The user whose shares it takes.
    pub charged: Owner,
    /// The connection that creates it.
    pub connection: Option<u64>,
    /// How its poller's room is looked at.
    pub admission: Admission,
}

impl Users {
    /// A session that belongs to `caller`.
    #[must_use]
    pub fn of(caller: &Caller, connection: Option<u64>) -> Self {
        Self {
            owner: caller.who.clone(),
            charged: caller.owner(),
            connection,
            admission: Admission::Checked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_ends_many_sessions_then_traces_of_others_stay() {
        let mut ended = EndedTraces::default();
        let of = |number: u64, uid| EndedTrace {
            id: SessionId(number),
            name: "cam".parse().unwrap(),
            uid,
            trace: Trace::default(),
        };
        ended.add(of(1, 0));
        (2..100).for_each(|number| ended.add(of(number, 7)));
        let kept: Vec<u64> = ended.0.iter().map(|it| it.id.0).collect();
        assert_eq!(kept.len(), ENDED);
        assert_eq!((kept[0], kept[1], kept[ENDED - 1]), (1, 85, 99));
    }
}
