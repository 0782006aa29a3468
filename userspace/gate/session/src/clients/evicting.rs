//! Evicts clients: their calls return `ESTALE`, their loaned frames are taken back, and frames that
//! they can still read stay out of use until the kernel says that they cannot.
//!
//! The control thread changes words and gates and sends wakes, at once. The owner of the ledger
//! takes the frames back: the control thread, or the poller, which answers.

use std::collections::BTreeSet;
use std::time::Instant;

use onair_api::{Eviction, EvictionCause, Problem, ProblemCode, ReconciledCause};
use onair_ipc::memory::AttachmentState;
use onair_mutant::mutant;

use crate::boundary::effect::PollerCommand;
use crate::boundary::note::Note;
use crate::boundary::runtime::{Evicted, Runtime};
use crate::boundary::ticket::EvictionTicket;
use crate::lifecycle::RuntimeHolder;
use crate::state::Turn;
use crate::state::audit::Audit;
use crate::state::clients::Clients;
use crate::state::clients::evicted::{EvictedClient, EvictedClients};

impl Clients {
    /// Evicts one client, or all. The answer is sent when their frames are taken back.
    pub(crate) fn evict<R: Runtime>(
        &mut self,
        turn: &mut Turn<R>,
        one: Option<u64>,
        ticket: EvictionTicket,
    ) {
        let Some(number) = one else {
            return self.evict_these(turn, self.evictable(), ticket);
        };
        if let Some(done) = self.evicted.record(&turn.life.audit, number) {
            return turn.effects.answer([ticket.give(vec![done.clone()])]);
        }
        if !self.is_evictable(number) && !self.evicted.list.contains_key(&number) {
            let refused = ticket.refuse(Problem::new(
                ProblemCode::NoSuchAttachment,
                format!(
                    "session {} has no attachment {number}, or the client is already leaving",
                    turn.life.name
                ),
            ));
            return turn.effects.answer([refused]);
        }
        self.evict_these(turn, BTreeSet::from([number]), ticket);
    }

    /// A client wrote words that no client that follows the protocol writes: evicts it.
    pub(crate) fn violated<R: Runtime>(&mut self, turn: &mut Turn<R>, number: u64) {
        if self.is_evictable(number) {
            self.evict_one(turn, number, EvictionCause::Violation);
        }
    }

    /// Evicts the clients whose words are invalid.
    pub(crate) fn evict_violators<R: Runtime>(&mut self, turn: &mut Turn<R>) {
        for (number, violation) in std::mem::take(&mut self.violators) {
            turn.effects.note(Note::ProtocolBroken {
                attachment: number,
                violation,
            });
            self.violated(turn, number);
        }
    }

    /// The owner of the ledger evicted a client and took its loaned frames back.
    pub(crate) fn note_evicted<R: Runtime>(&mut self, turn: &mut Turn<R>, evicted: Evicted) {
        let lender = std::iter::once(&*evicted.lender);
        turn.life.audit.ended(turn.view.totals(lender));
        let number = evicted.lender.attachment();
        let (revoked, set_aside) = turn.view.revoked(&evicted);
        self.evicted.taken_back(turn, number, revoked, set_aside);
    }

    fn evict_these<R: Runtime>(
        &mut self,
        turn: &mut Turn<R>,
        numbers: BTreeSet<u64>,
        ticket: EvictionTicket,
    ) {
        let deadline = turn.now() + turn.facts.timeouts.quiesce;
        let asked = self.evicted.ask(numbers.clone(), deadline, ticket);
        turn.effects.answer(asked);
        for number in numbers {
            self.evict_one(turn, number, EvictionCause::Requested);
        }
    }

    pub(crate) fn evict_one<R: Runtime>(
        &mut self,
        turn: &mut Turn<R>,
        number: u64,
        cause: EvictionCause,
    ) {
        let Some(attachment) = self.attached.remove(&number) else {
            return;
        };
        // Before the close: it sends the callers out.
        let callers_inside = turn.view.calls(&attachment.memory);
        attachment.close(AttachmentState::Revoked, &mut turn.effects);
        let who = &attachment.who;
        turn.effects.note(Note::Evicted {
            attachment: number,
            pid: who.pid,
            command: who.command.clone(),
            cause,
        });
        let eviction = Eviction {
            attachment: number,
            pid: who.pid,
            command: who.command.clone(),
            at: turn.moment().wall,
            cause,
            callers_inside,
            frames_revoked: 0,
            frames_set_aside: 0,
        };
        let evicted_client = EvictedClient {
            attachment,
            eviction,
            is_settled: false,
            is_dead: false,
        };
        self.evicted.list.insert(number, evicted_client);
        turn.life.rescan.begin(turn.now());
        match turn.life.lifecycle.place() {
            RuntimeHolder::Here(_) => self.settle_evictions(turn),
            RuntimeHolder::Poller | RuntimeHolder::Returning
                if mutant!("evict: the poller is not told") => {}
            RuntimeHolder::Poller | RuntimeHolder::Returning => {
                turn.effects.poller(PollerCommand::Evict(number))
            }
        }
    }

    /// Now that the ledgers are here, takes back what evicted clients still have on loan, and frees
    /// frames that are no longer retained for any client.
    pub(crate) fn settle_evictions<R: Runtime>(&mut self, turn: &mut Turn<R>) {
        let due = self.evicted.list.iter().filter(|(_, it)| !it.is_settled);
        let due: Vec<u64> = due.map(|(number, _)| *number).collect();
        for number in due {
            let Some(runtime) = turn.life.lifecycle.runtime_mut() else {
                return;
            };
            match runtime.evict(number) {
                Some(evicted) => self.note_evicted(turn, evicted),
                // The attachment never arrived there: it has no loans.
                None => self.evicted.taken_back(turn, number, 0, 0),
            }
        }
        if let Some(runtime) = turn.life.lifecycle.runtime_mut() {
            runtime.release(|number| !self.evicted.list.contains_key(&number));
        }
    }
}

impl EvictedClients {
    /// The record of an attachment that was evicted earlier.
    fn record<'a>(&'a self, audit: &'a Audit, number: u64) -> Option<&'a Eviction> {
        let settled = self.list.get(&number).filter(|it| it.is_settled);
        let gone = || audit.evicted.iter().find(|it| it.attachment == number);
        settled.map(|it| &it.eviction).or_else(gone)
    }

    pub(crate) fn taken_back<R: Runtime>(
        &mut self,
        turn: &mut Turn<R>,
        number: u64,
        revoked: u64,
        aside: u64,
    ) {
        let Some(evicted_client) = self.list.get_mut(&number) else {
            return;
        };
        evicted_client.is_settled = true;
        evicted_client.eviction.frames_revoked = revoked;
        evicted_client.eviction.frames_set_aside = aside;
        let (eviction, is_dead) = (evicted_client.eviction.clone(), evicted_client.is_dead);
        turn.effects.answer(self.answer(&eviction));
        turn.life.audit.evict(eviction.clone());
        turn.effects.note(Note::TakenBack { eviction });
        if is_dead {
            self.gone(turn, number, ReconciledCause::ProcessDied);
        }
    }

    /// The process of an evicted client is dead. Returns whether there was one.
    pub(crate) fn died<R: Runtime>(&mut self, turn: &mut Turn<R>, number: u64) -> bool {
        let Some(evicted_client) = self.list.get_mut(&number) else {
            return false;
        };
        evicted_client.is_dead = true;
        if evicted_client.is_settled {
            self.gone(turn, number, ReconciledCause::ProcessDied);
        }
        true
    }

    /// Removes evicted clients that have unmapped their words, and answers requesters that have
    /// waited long enough.
    pub(crate) fn sweep<R: Runtime>(&mut self, turn: &mut Turn<R>, now: Instant) {
        turn.effects.answer(self.expire(now));
        let apart = self
            .list
            .values()
            .filter(|it| it.is_settled && turn.view.is_released(&it.attachment.memory));
        let mut apart: Vec<u64> = apart.map(|it| it.eviction.attachment).collect();
        if apart.is_empty() {
            return;
        }
        // As long as the kernel counts a caller of it, the probe's reading must exclude that
        // caller.
        let blocked = turn.view.blocked();
        apart.retain(|number| !blocked.contains(number));
        for number in apart {
            self.gone(turn, number, ReconciledCause::Detached);
        }
    }

    /// Frees the frames retained for an evicted client.
    fn gone<R: Runtime>(&mut self, turn: &mut Turn<R>, number: u64, cause: ReconciledCause) {
        let Some(evicted_client) = self.list.remove(&number) else {
            return;
        };
        if evicted_client.eviction.frames_set_aside > 0 {
            match turn.life.lifecycle.place() {
                RuntimeHolder::Here(runtime) => runtime.release(|it| it == number),
                // If the runtime is in transit to here, the frames are released on arrival.
                RuntimeHolder::Poller | RuntimeHolder::Returning => {
                    turn.effects.poller(PollerCommand::Release(number))
                }
            }
        }
        let slots = turn.view.counting_slots(&evicted_client.attachment.memory);
        turn.part(evicted_client.attachment, cause, (0, slots));
    }
}
