//! The clients of a session: attached, leaving, evicted.

pub(crate) mod attachment;
pub(crate) mod evicted;
pub(crate) mod site_looks;
pub(crate) mod thread_looks;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use onair_api::Direction;
use onair_ipc::lender::Violation;
use onair_ipc::memory::AttachmentMemory;
use onair_mutant::mutant;
use serde::{Deserialize, Serialize};

use self::attachment::{Attachment, Leaving};
use self::evicted::EvictedClients;
use crate::boundary::effect::Effects;
use crate::boundary::ticket::Answer;

/// The clients of a session, by attachment number.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Clients {
    pub(crate) attached: BTreeMap<u64, Attachment>,
    /// Attached clients whose lenders are on the way here.
    pub(crate) leaving: BTreeMap<u64, Leaving>,
    /// Evicted clients that still have something of the session.
    pub(crate) evicted: EvictedClients,
    /// Clients whose words are invalid, found while the ledgers are here.
    pub(crate) violators: BTreeMap<u64, Violation>,
    /// Number of requests for credit so far.
    pub(crate) tickets: u64,
    /// The disconnected attachment that was examined last.
    pub(crate) swept: u64,
}

impl Clients {
    /// The words of the attached clients.
    pub(crate) fn memories(&self) -> impl Iterator<Item = &AttachmentMemory> {
        self.attached.values().map(|it| &*it.memory)
    }

    /// All that may have memory of the session mapped.
    pub(crate) fn holders(&self) -> impl Iterator<Item = &Attachment> {
        let evicted = self.evicted.list.values().map(|it| &it.attachment);
        let evicted =
            evicted.filter(|_| !mutant!("destroy: memory of evicted clients is left out"));
        self.attached.values().chain(evicted)
    }

    /// One that is attached, or was evicted: a client that was evicted after the poller was asked
    /// stays here until the poller answers the eviction, which is later.
    pub(crate) fn holder_mut(&mut self, number: u64) -> Option<&mut Attachment> {
        let evicted = self.evicted.list.get_mut(&number);
        let evicted = evicted.map(|it| &mut it.attachment);
        self.attached.get_mut(&number).or(evicted)
    }

    /// Whether this one can be evicted: one that is leaving already is settled as leaving.
    pub(crate) fn is_evictable(&self, number: u64) -> bool {
        self.attached.contains_key(&number) && !self.leaving.contains_key(&number)
    }

    /// The attached clients that are not leaving.
    pub(crate) fn evictable(&self) -> BTreeSet<u64> {
        let all = self.attached.keys().copied();
        all.filter(|number| self.is_evictable(*number)).collect()
    }

    /// An attached client leaves. Whether its lender is to be fetched: not if it is on the way.
    pub(crate) fn begin_leaving<R>(
        &mut self,
        effects: &mut Effects<R>,
        number: u64,
        how: Leaving,
    ) -> bool {
        let not_kept = match self.leaving.entry(number) {
            _ if !self.attached.contains_key(&number) => how,
            Entry::Vacant(entry) => {
                entry.insert(how);
                return true;
            }
            // It died while it detached: the death settles it.
            Entry::Occupied(mut entry) if matches!(entry.get(), Leaving::Detach(_)) => {
                entry.insert(how)
            }
            Entry::Occupied(_) => how,
        };
        if let Leaving::Detach(request) = not_kept {
            effects.answer([Answer::Detached(request, Ok(()))]);
        }
        false
    }

    /// Places of `max_attachments` in use: also by evicted clients that may still read frames.
    pub(crate) fn places(&self, direction: Direction) -> u64 {
        self.attached.len() as u64 + self.evicted.places(direction)
    }

    /// Whether one has left that still takes a place.
    pub(crate) fn is_settling(&self) -> bool {
        !self.leaving.is_empty() || self.has_disconnected()
    }

    /// Whether one may release its memory without a message.
    pub(crate) fn awaits_a_release(&self) -> bool {
        !self.evicted.list.is_empty() || self.has_disconnected()
    }

    fn has_disconnected(&self) -> bool {
        self.attached.values().any(|it| it.disconnected)
    }

    /// Each client's next kicks have the session examined again: something changed, or a rescan has passed.
    pub(crate) fn forgive_kicks(&mut self) {
        for attachment in self.attached.values_mut() {
            attachment.fruitless_kicks = 0;
        }
    }
}
