//! Evicts clients: their calls return `ESTALE`, their loaned frames are taken back, and frames that
//! they can still read stay out of use until the kernel says that they cannot.
//!
//! The control thread changes words and gates and sends wakes, at once. The owner of the ledger
//! takes the frames back: the control thread, or the poller, which answers.

use std::collections::BTreeSet;
use std::time::Instant;

use onair_api::{Eviction, EvictionCause, Problem, ProblemCode, ReconciledCause, StepName};
use onair_ipc::memory::AttachmentState;
use onair_mutant::mutant;

use crate::boundary::effect::PollerCommand;
use crate::boundary::event::Destroy;
use crate::boundary::note::Note;
use crate::boundary::runtime::{Evicted, Runtime};
use crate::boundary::ticket::EvictionTicket;
use crate::lifecycle::Place;
use crate::state::clients::evicted::EvictedClient;
use crate::state::{SessionCore, Turn};

impl<R: Runtime> SessionCore<R> {
    /// Evicts one client, or all. The answer is sent when their frames are taken back.
    pub(crate) fn evict(
        &mut self,
        turn: &mut Turn<'_, R>,
        one: Option<u64>,
        ticket: EvictionTicket,
    ) {
        let Some(number) = one else {
            return self.evict_these(turn, self.clients.evictable(), ticket);
        };
        if let Some(done) = self.eviction_of(number) {
            return turn.effects.answer([ticket.give(vec![done.clone()])]);
        }
        if !self.clients.is_evictable(number) && !self.clients.evicted.list.contains_key(&number) {
            let refused = ticket.refuse(Problem::new(
                ProblemCode::NoSuchAttachment,
                format!(
                    "session {} has no attachment {number}, or the client is already leaving",
                    self.name
                ),
            ));
            return turn.effects.answer([refused]);
        }
        self.evict_these(turn, BTreeSet::from([number]), ticket);
    }

    /// Evicts all clients and destroys the session; waits only for the poller.
    pub(crate) fn abort(&mut self, turn: &mut Turn<'_, R>, destroy: Destroy) {
        if let Some(other) = self.lifecycle.withdraw_destroy() {
            let problem = Problem::new(ProblemCode::StaleSession, "the session is aborted");
            turn.effects.answer([other.refuse(problem)]);
        }
        let evicted = self.clients.evictable();
        // Before the gates close: a caller that wakes up then learns that the close is final.
        for attachment in evicted
            .iter()
            .filter_map(|it| self.clients.attached.get(it))
        {
            attachment.memory.set_state(AttachmentState::Revoked);
        }
        self.stop(turn);
        if !self.drain(turn, destroy) {
            return;
        }
        for number in evicted {
            self.evict_one(turn, number, EvictionCause::Requested);
        }
        self.audit.note(StepName::Evicted, turn.moment());
        self.rescan.begin(turn.now());
        self.advance(turn);
    }

    /// A client wrote words that no client that follows the protocol writes: evicts it.
    pub(crate) fn violated(&mut self, turn: &mut Turn<'_, R>, number: u64) {
        if self.clients.is_evictable(number) {
            self.evict_one(turn, number, EvictionCause::Violation);
        }
    }

    /// Evicts the clients whose words are invalid.
    pub(crate) fn evict_violators(&mut self, turn: &mut Turn<'_, R>) {
        for (number, violation) in std::mem::take(&mut self.clients.violators) {
            turn.effects.note(Note::ProtocolBroken {
                attachment: number,
                violation,
            });
            self.violated(turn, number);
        }
    }

    /// A poller evicted a client and took its loaned frames back.
    pub(crate) fn evicted(&mut self, turn: &mut Turn<'_, R>, evicted: Evicted) {
        let lender = std::iter::once(&*evicted.lender);
        self.audit.ended(turn.view.totals(lender));
        let number = evicted.lender.attachment();
        let (revoked, set_aside) = turn.view.revoked(&evicted);
        self.taken_back(turn, number, revoked, set_aside);
    }

    /// The record of an attachment that was evicted earlier.
    fn eviction_of(&self, number: u64) -> Option<&Eviction> {
        let settled = self
            .clients
            .evicted
            .list
            .get(&number)
            .filter(|it| it.is_settled);
        let gone = || self.audit.evicted.iter().find(|it| it.attachment == number);
        settled.map(|it| &it.eviction).or_else(gone)
    }

    fn evict_these(
        &mut self,
        turn: &mut Turn<'_, R>,
        numbers: BTreeSet<u64>,
        ticket: EvictionTicket,
    ) {
        let deadline = turn.now() + turn.facts.timeouts.quiesce;
        let asked = self.clients.evicted.ask(numbers.clone(), deadline, ticket);
        turn.effects.answer(asked);
        for number in numbers {
            self.evict_one(turn, number, EvictionCause::Requested);
        }
    }

    fn evict_one(&mut self, turn: &mut Turn<'_, R>, number: u64, cause: EvictionCause) {
        let Some(attachment) = self.clients.attached.remove(&number) else {
            return;
        };
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
        self.clients.evicted.list.insert(number, evicted_client);
        self.rescan.begin(turn.now());
        match self.lifecycle.place() {
            Place::Here(_) => self.settle_evictions(turn),
            Place::Poller | Place::Returning if mutant!("evict: the poller is not told") => {}
            Place::Poller | Place::Returning => turn.effects.poller(PollerCommand::Evict(number)),
        }
    }

    /// Now that the ledgers are here, takes back what evicted clients still have on loan, and frees
    /// frames that are no longer retained for any client.
    pub(crate) fn settle_evictions(&mut self, turn: &mut Turn<'_, R>) {
        let due = self
            .clients
            .evicted
            .list
            .iter()
            .filter(|(_, it)| !it.is_settled);
        let due: Vec<u64> = due.map(|(number, _)| *number).collect();
        for number in due {
            let Some(runtime) = self.lifecycle.runtime_mut() else {
                return;
            };
            match runtime.evict(number) {
                Some(evicted) => self.evicted(turn, evicted),
                // The attachment never arrived there: it has no loans.
                None => self.taken_back(turn, number, 0, 0),
            }
        }
        if let Some(runtime) = self.lifecycle.runtime_mut() {
            runtime.release(|number| !self.clients.evicted.list.contains_key(&number));
        }
    }

    fn taken_back(&mut self, turn: &mut Turn<'_, R>, number: u64, revoked: u64, aside: u64) {
        let Some(evicted_client) = self.clients.evicted.list.get_mut(&number) else {
            return;
        };
        evicted_client.is_settled = true;
        evicted_client.eviction.frames_revoked = revoked;
        evicted_client.eviction.frames_set_aside = aside;
        let (eviction, is_dead) = (evicted_client.eviction.clone(), evicted_client.is_dead);
        turn.effects.answer(self.clients.evicted.answer(&eviction));
        self.audit.evict(eviction.clone());
        turn.effects.note(Note::TakenBack { eviction });
        if is_dead {
            self.evicted_client_gone(turn, number, ReconciledCause::ProcessDied);
        }
    }

    /// The process of an evicted client is dead. Returns whether there was one.
    pub(crate) fn evicted_client_died(&mut self, turn: &mut Turn<'_, R>, number: u64) -> bool {
        let Some(evicted_client) = self.clients.evicted.list.get_mut(&number) else {
            return false;
        };
        evicted_client.is_dead = true;
        if evicted_client.is_settled {
            self.evicted_client_gone(turn, number, ReconciledCause::ProcessDied);
        }
        true
    }

    /// Removes evicted clients that have unmapped their words, and answers requesters that have
    /// waited long enough.
    pub(crate) fn sweep_evicted_clients(&mut self, turn: &mut Turn<'_, R>, now: Instant) {
        turn.effects.answer(self.clients.evicted.expire(now));
        let apart = self
            .clients
            .evicted
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
            self.evicted_client_gone(turn, number, ReconciledCause::Detached);
        }
    }

    /// Frees the frames retained for an evicted client.
    fn evicted_client_gone(&mut self, turn: &mut Turn<'_, R>, number: u64, cause: ReconciledCause) {
        let Some(evicted_client) = self.clients.evicted.list.remove(&number) else {
            return;
        };
        if evicted_client.eviction.frames_set_aside > 0 {
            match self.lifecycle.place() {
                Place::Here(runtime) => runtime.release(|it| it == number),
                // If the runtime is in transit to here, the frames are released on arrival.
                Place::Poller | Place::Returning => {
                    turn.effects.poller(PollerCommand::Release(number))
                }
            }
        }
        let slots = turn.view.counting_slots(&evicted_client.attachment.memory);
        self.part(turn, evicted_client.attachment, cause, (0, slots));
    }
}
