//! The sessions that the shutdown ends, as far as it knows them.

use std::collections::{BTreeMap, VecDeque};

use onair_api::SessionState;
use onair_mutant::mutant;

use super::boundary::{LastUnits, ToEnd};

/// All sessions that existed when the shutdown began.
#[derive(Debug)]
pub(super) struct Roster {
    members: BTreeMap<u64, Member>,
    /// Their ids by priority, of each the senders first, and those that wait for them last.
    order: Vec<u64>,
}

#[derive(Debug)]
struct Member {
    priority: u8,
    last_units: LastUnits,
    /// `None`: it is gone.
    state: Option<SessionState>,
    /// It was quarantined, also if its memory was free at once and it is gone.
    was_set_aside: bool,
}

impl Roster {
    pub(super) fn new(mut sessions: Vec<ToEnd>) -> Self {
        sessions.sort_unstable_by_key(|it| (it.priority, it.last_units, it.id));
        if mutant!("shutdown: the highest number goes first") {
            sessions.reverse();
        }
        let member = |it: &ToEnd| Member {
            priority: it.priority,
            last_units: it.last_units,
            state: Some(it.state),
            was_set_aside: false,
        };
        Self {
            order: sessions.iter().map(|it| it.id).collect(),
            members: sessions.iter().map(|it| (it.id, member(it))).collect(),
        }
    }

    /// All, in the order of their stops.
    pub(super) fn order(&self) -> impl Iterator<Item = u64> {
        self.order.iter().copied()
    }

    /// All, by priority.
    pub(super) fn classes(&self) -> VecDeque<VecDeque<u64>> {
        let classes = self
            .order
            .chunk_by(|a, b| self.priority(*a) == self.priority(*b));
        classes
            .map(|class| class.iter().copied().collect())
            .collect()
    }

    pub(super) fn priority(&self, id: u64) -> Option<u8> {
        self.members.get(&id).map(|it| it.priority)
    }

    /// Whether a stop of this session finishes units.
    pub(super) fn is_running_sender(&self, id: u64) -> bool {
        let found = self.members.get(&id);
        let sends = |it: &Member| it.last_units == LastUnits::Sends;
        found.is_some_and(|it| sends(it) && it.state == Some(SessionState::Running))
    }

    /// Whether it may receive the last units.
    pub(super) fn receives(&self, id: u64) -> bool {
        let found = self.members.get(&id);
        found.is_some_and(|it| it.last_units == LastUnits::Receives)
    }

    /// `None`: it is gone.
    pub(super) fn set(&mut self, id: u64, state: Option<SessionState>) {
        if let Some(member) = self.members.get_mut(&id) {
            member.state = state;
            member.was_set_aside |= state == Some(SessionState::Quarantined);
        }
    }

    pub(super) fn was_set_aside(&self, id: u64) -> bool {
        self.members.get(&id).is_some_and(|it| it.was_set_aside)
    }

    /// `None`: it is gone.
    pub(super) fn state(&self, id: u64) -> Option<SessionState> {
        self.members.get(&id)?.state
    }

    /// Whether it exists, and not in quarantine.
    pub(super) fn is_living(&self, id: u64) -> bool {
        self.state(id)
            .is_some_and(|it| it != SessionState::Quarantined)
    }

    /// Whether a destroy waits for its users. One that a blind probe blocks does not drain: nothing
    /// can end it.
    pub(super) fn is_draining(&self, id: u64) -> bool {
        self.state(id) == Some(SessionState::Draining)
    }

    /// Whether it exists and no destroy is in progress.
    pub(super) fn is_idle(&self, id: u64) -> bool {
        self.is_living(id) && !self.is_draining(id)
    }

    /// Sessions that exist, by priority.
    pub(super) fn living(&self) -> Vec<u64> {
        self.order().filter(|id| self.is_living(*id)).collect()
    }
}
