//! Packets that were lost, late or not sent, since the last reset.

use std::collections::HashMap;

use onair_api::SessionId;

/// Set of a count: a method of the feature set asks for one set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Receiver: packets that never arrived.
    Lost,
    /// Receiver: packets that arrived too late.
    Late,
    /// Sender: what was not sent in time.
    Unsent,
}

/// A count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Its set.
    pub set: Set,
    /// Its name, one of a kind in the session.
    pub name: String,
    /// Its meaning.
    pub help: &'static str,
    /// Its value.
    pub value: u64,
}

/// All counts of a session at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    /// The session that counts from zero.
    pub(super) session: SessionId,
    /// Packets so far: fewer than before are those of a daemon that took the session over.
    pub(super) packets: u64,
    /// The counts.
    pub(super) all: Vec<Count>,
}

/// The counts, and what they were at the last reset.
#[derive(Debug)]
pub(super) struct Counters {
    now: Counts,
    at_reset: HashMap<String, u64>,
}

impl Counters {
    pub(super) fn new(now: Counts) -> Self {
        Self {
            now,
            at_reset: HashMap::new(),
        }
    }

    pub(super) fn observe(&mut self, now: Counts) {
        if now.session != self.now.session || now.packets < self.now.packets {
            self.at_reset.clear();
        }
        self.now = now;
    }

    pub(super) fn reset(&mut self) {
        let all = self.now.all.iter();
        self.at_reset = all.map(|it| (it.name.clone(), it.value)).collect();
    }

    /// Those of a set, since the last reset.
    pub(super) fn of(&self, set: Set) -> impl Iterator<Item = Count> {
        let own = self.now.all.iter().filter(move |it| it.set == set);
        own.map(|it| {
            let before = self.at_reset.get(&it.name).copied().unwrap_or_default();
            // A lost packet that arrived late is taken back from the count.
            let value = it.value.saturating_sub(before);
            Count {
                value,
                ..it.clone()
            }
        })
    }
}
