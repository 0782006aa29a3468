//! Index of the sessions, which saves a walk over all of them, and the use of limits by each user.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use onair_api::SessionState;

use crate::session::{ConnectionChange, Session};

/// Facts of each session, kept so that no request and no turn walks over all of them.
#[derive(Debug, Default)]
pub(crate) struct Index {
    facts: HashMap<u64, Facts>,
    /// Due times and ids.
    pub(crate) due: BTreeSet<(Instant, u64)>,
    /// Connections, with the session of the attachment that each carries.
    carried: BTreeSet<(u64, u64)>,
    /// Use of the limits by each user.
    pub(crate) users: BTreeMap<u32, Taken>,
    /// Frame memory of all.
    pub(crate) bytes: u64,
    /// Sessions that outlive their creator, each with the time of the next try to destroy it; `None`: at once.
    pub(crate) outlived: BTreeMap<u64, Option<Instant>>,
    /// Changes of state since the last look, once the shutdown follows them; `None`: removed.
    pub(crate) states: Option<Vec<(u64, Option<SessionState>)>>,
}

/// One user's use of the limits for all sessions, also in quarantine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Sessions.
    pub sessions: u64,
    /// Their frame memory, and that of its clients which left any session or were evicted.
    pub bytes: u64,
    /// The part of [`Self::bytes`] that clients which left or were evicted still take.
    pub left_bytes: u64,
}

/// The indexed facts of a session.
#[derive(Clone, Debug, Default)]
struct Facts {
    wake_at: Option<Instant>,
    charged_to: Option<u32>,
    bytes: u64,
    /// Frames of clients that left or were evicted, in bytes, with the client's user.
    left: Vec<(u32, u64)>,
    state: Option<SessionState>,
    outlives_creator: bool,
}

impl Facts {
    fn of(session: &Session) -> Self {
        Self {
            wake_at: session.core.wake_at(),
            charged_to: Some(session.owner.uid),
            bytes: session.memory_bytes,
            left: session.core.left_frame_bytes().collect(),
            state: Some(session.core.state()),
            outlives_creator: session.outlives_creator(),
        }
    }
}

impl Facts {
    fn all_bytes(&self) -> u64 {
        let left = self.left.iter().map(|(_, bytes)| bytes);
        self.bytes + left.sum::<u64>()
    }
}

impl Index {
    /// The sessions of the attachments that a connection carries.
    pub(super) fn carried_by(&self, connection: u64) -> impl Iterator<Item = u64> {
        let found = self.carried.range((connection, 0)..=(connection, u64::MAX));
        found.map(|(_, id)| *id)
    }

    /// Notes what a session is now.
    pub(super) fn note(&mut self, session: &mut Session) {
        let id = session.id.0;
        for change in session.connected.take_changes() {
            self.carry(id, change);
        }
        self.replace(id, Some(Facts::of(session)));
    }

    /// The session is gone.
    pub(super) fn forget(&mut self, session: &mut Session) {
        session.connected.clear();
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
        let before = match &now {
            Some(facts) => self.facts.insert(id, facts.clone()),
            None => self.facts.remove(&id),
        };
        let (before, now) = (before.unwrap_or_default(), now.unwrap_or_default());
        if before.wake_at != now.wake_at {
            if let Some(at) = before.wake_at {
                self.due.remove(&(at, id));
            }
            self.due.extend(now.wake_at.map(|at| (at, id)));
        }
        self.bytes = self.bytes - before.all_bytes() + now.all_bytes();
        self.charge(&before, &now);
        match (before.outlives_creator, now.outlives_creator) {
            (false, true) => drop(self.outlived.insert(id, None)),
            (true, false) => drop(self.outlived.remove(&id)),
            _ => {}
        }
        if before.state != now.state
            && let Some(states) = &mut self.states
        {
            states.push((id, now.state));
        }
    }

    fn charge(&mut self, before: &Facts, now: &Facts) {
        if let Some(uid) = now.charged_to {
            let taken = self.users.entry(uid).or_default();
            taken.sessions += 1;
            taken.bytes += now.bytes;
        }
        for (uid, bytes) in &now.left {
            let taken = self.users.entry(*uid).or_default();
            taken.bytes += bytes;
            taken.left_bytes += bytes;
        }
        if let Some(uid) = before.charged_to {
            self.discharge(uid, |taken| {
                taken.sessions -= 1;
                taken.bytes -= before.bytes;
            });
        }
        for (uid, bytes) in &before.left {
            self.discharge(*uid, |taken| {
                taken.bytes -= bytes;
                taken.left_bytes -= bytes;
            });
        }
    }

    fn discharge(&mut self, uid: u32, change: impl FnOnce(&mut Taken)) {
        if let Some(taken) = self.users.get_mut(&uid) {
            change(taken);
            if *taken == Taken::default() {
                self.users.remove(&uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

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
                    charged_to: Some(u32::from(port)),
                    bytes,
                    left: (bytes > 500).then_some((u32::from(port) / 2, bytes / 2)).into_iter().collect(),
                    state: None,
                    outlives_creator: false,
                });
                index.replace(id, facts.clone());
                match facts {
                    Some(facts) => all.insert(id, facts),
                    None => all.remove(&id),
                };
                let due = all.iter().filter_map(|(id, it)| Some((it.wake_at?, *id)));
                let mut due: Vec<_> = due.collect();
                due.sort_unstable();
                prop_assert_eq!(Vec::from_iter(index.due.iter().copied()), due);
                prop_assert_eq!(index.bytes, all.values().map(Facts::all_bytes).sum::<u64>());
                let mut users = BTreeMap::<u32, Taken>::new();
                for it in all.values() {
                    let taken = users.entry(it.charged_to.unwrap()).or_default();
                    taken.sessions += 1;
                    taken.bytes += it.bytes;
                    for (uid, bytes) in &it.left {
                        let taken = users.entry(*uid).or_default();
                        taken.bytes += bytes;
                        taken.left_bytes += bytes;
                    }
                }
                prop_assert_eq!(&index.users, &users);
                prop_assert_eq!(index.facts.len(), all.len());
            }
        }
    }
}
