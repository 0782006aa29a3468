//! All sessions, and how they are found: by id, by name, by destination, by a client's connection, by
//! due time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddrV4;
use std::ops::{self, Deref, DerefMut};
use std::time::Instant;

use onair_api::{SessionName, SessionState};

use crate::control::attach::ConnectionId;
use crate::session::{ConnectionChange, Session};

/// The sessions that exist, and those in quarantine, which have no name any more.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    living: BTreeMap<u64, Session>,
    quarantined: BTreeMap<u64, Session>,
    names: HashMap<SessionName, u64>,
    index: Index,
}

/// What is kept of each session so that no request and no turn walks over all of them.
#[derive(Debug, Default)]
struct Index {
    facts: HashMap<u64, Facts>,
    /// Due times and ids.
    due: BTreeSet<(Instant, u64)>,
    /// Destinations, with the sessions that have them or are about to.
    destinations: BTreeSet<(SocketAddrV4, u64)>,
    /// Connections, with the session of the attachment that each carries.
    carried: BTreeSet<(ConnectionId, u64)>,
    /// What each user has.
    users: BTreeMap<u32, Taken>,
    /// Frame memory of all.
    bytes: u64,
    /// A session was started, stopped or removed, or got its first client, or lost its last one, since the last
    /// look.
    has_changed: bool,
}

/// What one user has of the limits for all sessions, also in quarantine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Sessions.
    pub(super) sessions: u64,
    /// Their frame memory.
    pub(super) bytes: u64,
    /// The part of it that clients have which left or were evicted.
    pub(super) left_bytes: u64,
}

/// What the index has of a session.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    wake_at: Option<Instant>,
    destinations: [Option<SocketAddrV4>; 2],
    charged_to: Option<u32>,
    bytes: u64,
    left_bytes: u64,
    course: Option<(SessionState, u64, bool)>,
}

impl Facts {
    fn of(session: &Session) -> Self {
        Self {
            wake_at: session.core.wake_at(),
            destinations: session.destinations(),
            charged_to: Some(session.charged_to),
            bytes: session.taken_bytes(),
            left_bytes: session.core.left_frame_bytes(),
            course: Some((
                session.state(),
                session.core.generation(),
                session.has_clients(),
            )),
        }
    }
}

impl Index {
    /// Notes what a session is now.
    fn note(&mut self, session: &mut Session) {
        let id = session.id.0;
        for change in session.take_connection_changes() {
            self.carry(id, change);
        }
        self.replace(id, Some(Facts::of(session)));
    }

    /// The session is gone.
    fn forget(&mut self, session: &mut Session) {
        session.close_connections();
        self.note(session);
        self.replace(session.id.0, None);
    }

    fn carry(&mut self, id: u64, change: ConnectionChange) {
        let carried = (change.connection, id);
        if change.is_carried {
            self.carried.insert(carried);
        } else {
            self.carried.remove(&carried);
        }
    }

    fn replace(&mut self, id: u64, now: Option<Facts>) {
        let before = match now {
            Some(facts) => self.facts.insert(id, facts),
            None => self.facts.remove(&id),
        };
        let (before, now) = (before.unwrap_or_default(), now.unwrap_or_default());
        if before.wake_at != now.wake_at {
            if let Some(at) = before.wake_at {
                self.due.remove(&(at, id));
            }
            self.due.extend(now.wake_at.map(|at| (at, id)));
        }
        if before.destinations != now.destinations {
            for destination in before.destinations.into_iter().flatten() {
                self.destinations.remove(&(destination, id));
            }
            let destinations = now.destinations.into_iter().flatten();
            self.destinations.extend(destinations.map(|it| (it, id)));
        }
        self.bytes = self.bytes - before.bytes + now.bytes;
        self.charge(before, now);
        self.has_changed |= before.course != now.course;
    }

    fn charge(&mut self, before: Facts, now: Facts) {
        if let Some(uid) = now.charged_to {
            let taken = self.users.entry(uid).or_default();
            taken.sessions += 1;
            taken.bytes += now.bytes;
            taken.left_bytes += now.left_bytes;
        }
        if let Some(uid) = before.charged_to
            && let Some(taken) = self.users.get_mut(&uid)
        {
            taken.sessions -= 1;
            taken.bytes -= before.bytes;
            taken.left_bytes -= before.left_bytes;
            if taken.sessions == 0 {
                self.users.remove(&uid);
            }
        }
    }
}

/// A session that may be changed. What the index has of it is brought up to date at the end.
#[derive(Debug)]
pub(super) struct SessionMut<'a> {
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
    /// What each user has, by uid.
    pub(super) fn taken(&self) -> impl Iterator<Item = (u32, Taken)> {
        self.index.users.iter().map(|(uid, taken)| (*uid, *taken))
    }

    /// Number of those that exist.
    pub(super) fn len(&self) -> usize {
        self.living.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.living.is_empty()
    }

    /// One that exists.
    pub(super) fn get(&self, id: u64) -> Option<&Session> {
        self.living.get(&id)
    }

    /// As [`Self::get`], to change it.
    pub(super) fn get_mut(&mut self, id: u64) -> Option<SessionMut<'_>> {
        let session = self.living.get_mut(&id)?;
        let index = &mut self.index;
        Some(SessionMut { session, index })
    }

    /// One in quarantine.
    pub(super) fn quarantined(&self, id: u64) -> Option<&Session> {
        self.quarantined.get(&id)
    }

    /// One that exists or is in quarantine.
    pub(super) fn any(&self, id: u64) -> Option<&Session> {
        self.living.get(&id).or_else(|| self.quarantined.get(&id))
    }

    /// As [`Self::any`], to change it.
    pub(super) fn any_mut(&mut self, id: u64) -> Option<SessionMut<'_>> {
        let found = self.living.get_mut(&id);
        let session = found.or_else(|| self.quarantined.get_mut(&id))?;
        let index = &mut self.index;
        Some(SessionMut { session, index })
    }

    /// The one that exists under a name.
    pub(super) fn named(&self, name: &SessionName) -> Option<&Session> {
        self.get(*self.names.get(name)?)
    }

    /// The session of the attachment that a connection carries, even if it was evicted, and the
    /// attachment's number.
    pub(super) fn carried_by(&self, connection: ConnectionId) -> Option<(u64, u64)> {
        let carried = self.index.carried.range((connection, 0)..);
        let mut carried = carried.take_while(|(of, _)| *of == connection);
        carried.find_map(|(_, id)| Some((*id, self.any(*id)?.attachment_of(connection)?)))
    }

    /// Those, existing or in quarantine, that have this destination or are about to.
    pub(super) fn of_destination(&self, wanted: SocketAddrV4) -> impl Iterator<Item = &Session> {
        let all = self.index.destinations.range((wanted, 0)..);
        let all = all.take_while(move |(destination, _)| *destination == wanted);
        all.filter_map(|(_, id)| self.any(*id))
    }

    /// Frame memory of all.
    pub(super) fn taken_bytes(&self) -> u64 {
        self.index.bytes
    }

    /// Whether a session was started, stopped or removed, or got its first client, or lost its last one, since
    /// [`Self::set_changed`].
    pub(super) fn has_changed(&self) -> bool {
        self.index.has_changed
    }

    /// What [`Self::has_changed`] says until the next change.
    pub(super) fn set_changed(&mut self, has_changed: bool) {
        self.index.has_changed = has_changed;
    }

    /// Due times and ids, the first one first.
    pub(super) fn due(&self) -> impl Iterator<Item = (Instant, u64)> {
        self.index.due.iter().copied()
    }

    /// Ids of those that exist.
    pub(super) fn ids(&self) -> impl Iterator<Item = u64> {
        self.living.keys().copied()
    }

    /// Those that exist.
    pub(super) fn living(&self) -> impl Iterator<Item = &Session> {
        self.living.values()
    }

    /// Those in quarantine.
    pub(super) fn in_quarantine(&self) -> impl Iterator<Item = &Session> {
        self.quarantined.values()
    }

    /// Those that exist, then those in quarantine.
    pub(super) fn all(&self) -> impl Iterator<Item = &Session> {
        self.living().chain(self.in_quarantine())
    }

    /// Changes each that exists.
    pub(super) fn change_each(&mut self, mut change: impl FnMut(&mut Session)) {
        for session in self.living.values_mut() {
            change(session);
            self.index.note(session);
        }
    }

    /// Changes those of `ids` that exist or are in quarantine, together.
    pub(super) fn change_together<T>(
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
        let changed = change(wanted.map(|(_, session)| session).collect());
        for id in ids {
            // Dropped at once, which brings the index up to date.
            self.any_mut(*id);
        }
        changed
    }

    /// Adds one whose name no other has.
    pub(super) fn insert(&mut self, mut session: Session) {
        self.index.note(&mut session);
        self.names.insert(session.spec.name.clone(), session.id.0);
        self.living.insert(session.id.0, session);
    }

    /// Takes its name from one that exists, which stays in quarantine.
    pub(super) fn set_aside(&mut self, id: u64) -> Option<&Session> {
        let session = self.living.remove(&id)?;
        self.names.remove(&session.spec.name);
        Some(self.quarantined.entry(id).or_insert(session))
    }

    /// Removes one that exists.
    pub(super) fn remove(&mut self, id: u64) -> Option<Session> {
        let mut session = self.living.remove(&id)?;
        self.names.remove(&session.spec.name);
        self.index.forget(&mut session);
        Some(session)
    }

    /// Removes one in quarantine.
    pub(super) fn remove_quarantined(&mut self, id: u64) -> Option<Session> {
        let mut session = self.quarantined.remove(&id)?;
        self.index.forget(&mut session);
        Some(session)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn destination(port: u16) -> SocketAddrV4 {
        SocketAddrV4::new([239, 0, 0, 1].into(), 5000 + port)
    }

    proptest! {
        #[test]
        fn any_changes_then_due_times_and_bytes_are_those_of_a_walk(
            changes in proptest::collection::vec(
                (0..8_u64, proptest::option::of((proptest::option::of(0..20_u64), 0..4_u16, 0..1000_u64))),
                0..60,
            ),
        ) {
            let start = Instant::now();
            let (mut index, mut all) = (Index::default(), BTreeMap::new());
            for (id, change) in changes {
                let facts = change.map(|(at, port, bytes)| Facts {
                    wake_at: at.map(|at| start + Duration::from_secs(at)),
                    destinations: [Some(destination(port)), (port > 1).then(|| destination(port / 2))],
                    charged_to: Some(u32::from(port)),
                    bytes,
                    left_bytes: bytes / 2,
                    course: None,
                });
                index.replace(id, facts);
                match facts {
                    Some(facts) => all.insert(id, facts),
                    None => all.remove(&id),
                };
                let due = all.iter().filter_map(|(id, it)| Some((it.wake_at?, *id)));
                let mut due: Vec<_> = due.collect();
                due.sort_unstable();
                prop_assert_eq!(Vec::from_iter(index.due.iter().copied()), due);
                let destinations = all.iter().flat_map(|(id, it)| {
                    it.destinations.into_iter().flatten().map(|destination| (destination, *id))
                });
                prop_assert_eq!(&index.destinations, &destinations.collect());
                prop_assert_eq!(index.bytes, all.values().map(|it| it.bytes).sum::<u64>());
                let mut users = BTreeMap::<u32, Taken>::new();
                for it in all.values() {
                    let taken = users.entry(it.charged_to.unwrap()).or_default();
                    taken.sessions += 1;
                    taken.bytes += it.bytes;
                    taken.left_bytes += it.left_bytes;
                }
                prop_assert_eq!(&index.users, &users);
                prop_assert_eq!(index.facts.len(), all.len());
            }
        }
    }
}
