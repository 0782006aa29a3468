//! The clients of a session: attached, leaving, evicted.

pub(crate) mod attachment;
pub(crate) mod evicted;
pub(crate) mod site_looks;
pub(crate) mod thread_looks;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use onair_api::Direction;
use onair_ipc::lender::Violation;
use onair_ipc::memory::{AttachmentMemory, AttachmentState};
use onair_mutant::mutant;
use serde::{Deserialize, Serialize};

use self::attachment::{Attachment, Leaving};
use self::evicted::{EvictedClient, EvictedClients};
use crate::boundary::effect::{Effect, Effects};
use crate::boundary::ticket::Answer;
use crate::state::life::Life;

/// Kicks without effect after which the client's kicks are answered only once per rescan.
const FRUITLESS: u32 = 4;

/// The clients of a session, by attachment number. A client is attached or evicted, never both; one that leaves is
/// attached until its ledger is settled.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Clients {
    pub(crate) attached: BTreeMap<u64, Attachment>,
    /// Attached clients whose lenders are on the way here.
    pub(crate) leaving: BTreeMap<u64, Leaving>,
    /// Evicted clients that still have something of the session.
    pub(crate) evicted: EvictedClients,
    /// Clients whose words are invalid, found while the ledgers are here.
    pub(crate) violators: BTreeMap<u64, Violation>,
    /// The disconnected attachment that was examined last.
    pub(crate) swept: u64,
}

impl Clients {
    /// The words of the attached clients.
    pub(crate) fn memories(&self) -> impl Iterator<Item = &AttachmentMemory> {
        self.attached.values().map(|it| &*it.memory)
    }

    /// The attachments, without evicted ones.
    pub fn attached(&self) -> impl Iterator<Item = &Attachment> {
        self.attached.values()
    }

    /// The attachment `number`, unless it was evicted.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&Attachment> {
        self.attached.get(&number)
    }

    /// Evicted clients that still have something of the session.
    pub fn evicted(&self) -> impl Iterator<Item = &EvictedClient> {
        self.evicted.list.values()
    }

    /// Whether this attachment was evicted and still has something of the session.
    #[must_use]
    pub fn is_evicted(&self, number: u64) -> bool {
        self.evicted.list.contains_key(&number)
    }

    /// Whether the ends of threads of the process `tgid` (in the first pid namespace) may change something.
    /// Not in a session that is being destroyed and waits for no users: no caller is there that died before
    /// its kick, and its end wakes all sleepers. A caller that comes later finds the gate closed; an
    /// examination that sees it looks for dead threads.
    pub(crate) fn are_followed<R>(&self, life: &Life<R>, tgid: u32) -> bool {
        (life.rescan.awaits_users || life.lifecycle.destroy().is_none()) && self.has_process(tgid)
    }

    /// Whether the kernel process `tgid` (in the first pid namespace) is a client.
    #[must_use]
    pub fn has_process(&self, tgid: u32) -> bool {
        let mut watched = self.attached.values().map(|it| it.watched);
        watched.any(|it| it == Some(tgid))
    }

    /// Every caller gets `ESTALE` from now on; the clients keep their memory.
    pub(crate) fn close_all<R>(&self, effects: &mut Effects<R>) {
        for attachment in self.attached.values() {
            attachment.close(AttachmentState::Gone, effects);
        }
    }

    /// Whether helper threads are looking at sites.
    #[must_use]
    pub fn is_looking_at_sites(&self) -> bool {
        self.attached.values().any(|it| it.sites.is_asked)
    }

    /// All attachments that may have memory of the session mapped.
    pub fn holders(&self) -> impl Iterator<Item = &Attachment> {
        let evicted = self.evicted.list.values().map(|it| &it.attachment);
        let evicted =
            evicted.filter(|_| !mutant!("destroy: memory of evicted clients is left out"));
        self.attached.values().chain(evicted)
    }

    /// An attached or just-evicted client: one that was evicted after a question to the poller stays here until the
    /// poller answers the eviction, which comes after the answer to that question.
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

    /// Whether a client has left that still takes a place: until its poller has handed its ledger
    /// back, and as long as the process has the memory.
    #[must_use]
    pub fn is_settling(&self) -> bool {
        !self.leaving.is_empty() || self.has_disconnected()
    }

    /// Whether one may release its memory without a message.
    pub(crate) fn awaits_a_release(&self) -> bool {
        !self.evicted.list.is_empty() || self.has_disconnected()
    }

    fn has_disconnected(&self) -> bool {
        self.attached.values().any(|it| it.disconnected)
    }

    /// A caller of `attachment` left while the session drains.
    pub(crate) fn kicked<R>(&mut self, effects: &mut Effects<R>, attachment: u64) {
        let Some(kicker) = self.attached.get_mut(&attachment) else {
            return;
        };
        if kicker.fruitless_kicks >= FRUITLESS || mutant!("drain: a kick changes nothing") {
            return;
        }
        kicker.fruitless_kicks += 1;
        effects.push(Effect::Examine);
    }

    /// Each client's next kicks have the session examined again: something changed, or a rescan has passed.
    pub(crate) fn forgive_kicks(&mut self) {
        for attachment in self.attached.values_mut() {
            attachment.fruitless_kicks = 0;
        }
    }
}
