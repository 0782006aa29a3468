//! Evicts clients: their calls return `ESTALE`, their loaned frames are taken back, and frames that
//! they can still read stay out of use until the kernel says that they cannot.
//!
//! The control thread changes words and gates and sends wakes, at once. The owner of the ledger
//! takes the frames back: the control thread, or the poller, which answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use onair_api::{
    Direction, EventKind, Eviction, EvictionCause, EvictionList, Problem, ProblemCode,
    ReconciledCause, StepName,
};
use onair_ipc::memory::AttachmentState;
use onair_mutant::mutant;

use crate::boundary::effect::PollerCommand;
use crate::boundary::event::Destroy;
use crate::boundary::reply::Reply;
use crate::boundary::runtime::{Evicted, Runtime};
use crate::clients::attachment::Attachment;
use crate::ending::drain::refuse;
use crate::lifecycle::Place;
use crate::session_core::{SessionCore, Turn};

/// An evicted attachment, until its process is dead or has unmapped its words.
#[derive(Debug)]
pub struct EvictedClient {
    /// The attachment.
    pub attachment: Attachment,
    /// Its frames are counted once they are taken back.
    pub eviction: Eviction,
    is_settled: bool,
    is_dead: bool,
}

impl EvictedClient {
    /// Whether frames are out of use for this client, or may have to be.
    fn holds_its_place(&self) -> bool {
        !self.is_settled || self.eviction.frames_set_aside > 0
    }
}

/// The evicted clients, and the requesters that wait for an answer.
#[derive(Debug, Default)]
pub(crate) struct EvictedClients {
    pub(crate) list: BTreeMap<u64, EvictedClient>,
    requests: Vec<EvictionRequest>,
}

#[derive(Debug)]
struct EvictionRequest {
    waits_for: BTreeSet<u64>,
    done: Vec<Eviction>,
    deadline: Instant,
    answer: EvictionAnswer,
}

/// Destination of the answer to an eviction.
#[derive(Debug)]
pub enum EvictionAnswer {
    /// One attachment is evicted.
    One(Reply<Eviction>),
    /// All attachments are evicted.
    All(Reply<EvictionList>),
}

impl EvictionAnswer {
    fn give(self, mut done: Vec<Eviction>) {
        match self {
            Self::One(reply) => {
                reply.send(done.pop().ok_or_else(|| {
                    Problem::new(ProblemCode::Internal, "an eviction without a record")
                }));
            }
            Self::All(reply) => reply.send(Ok(EvictionList { evicted: done })),
        }
    }

    /// Answers with `problem`.
    pub fn refuse(self, problem: Problem) {
        match self {
            Self::One(reply) => reply.send(Err(problem)),
            Self::All(reply) => reply.send(Err(problem)),
        }
    }
}

impl EvictedClients {
    /// Places for attachments that they still take.
    pub(crate) fn places(&self, direction: Direction) -> u64 {
        match direction {
            Direction::Receive => {
                let placed = self.list.values().filter(|it| it.holds_its_place());
                placed.count() as u64
            }
            // A sender's frames are its own, and leave with it.
            Direction::Send => 0,
        }
    }

    /// When the first requester times out.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        self.requests.iter().map(|request| request.deadline).min()
    }

    fn ask(&mut self, waits_for: BTreeSet<u64>, deadline: Instant, answer: EvictionAnswer) {
        if waits_for.is_empty() {
            answer.give(Vec::new());
            return;
        }
        self.requests.push(EvictionRequest {
            waits_for,
            done: Vec::new(),
            deadline,
            answer,
        });
    }

    /// Answers the requesters that wait for this eviction.
    fn answer(&mut self, eviction: &Eviction) {
        for request in &mut self.requests {
            if request.waits_for.remove(&eviction.attachment) {
                request.done.push(eviction.clone());
            }
        }
        let over = |request: &mut EvictionRequest| request.waits_for.is_empty();
        for request in self.requests.extract_if(.., over) {
            request.answer.give(request.done);
        }
    }

    /// Answers the requesters whose poller took too long.
    fn expire(&mut self, now: Instant) {
        let late = |request: &mut EvictionRequest| request.deadline <= now;
        for request in self.requests.extract_if(.., late) {
            request.answer.refuse(Problem::new(
                ProblemCode::DataplaneBusy,
                "the client is evicted, but the poller has not taken its frames back yet",
            ));
        }
    }
}

impl<R: Runtime> SessionCore<R> {
    /// Evicts one client, or all. The answer is sent when their frames are taken back.
    pub(crate) fn evict(
        &mut self,
        turn: &mut Turn<'_, R>,
        one: Option<u64>,
        answer: EvictionAnswer,
    ) {
        let Some(number) = one else {
            return self.evict_these(turn, self.clients.evictable(), answer);
        };
        if let Some(done) = self.eviction_of(number) {
            answer.give(vec![done.clone()]);
            return;
        }
        if !self.clients.is_evictable(number) && !self.clients.evicted.list.contains_key(&number) {
            answer.refuse(Problem::new(
                ProblemCode::NoSuchAttachment,
                format!(
                    "session {} has no attachment {number}, or the client is already leaving",
                    self.name
                ),
            ));
            return;
        }
        self.evict_these(turn, BTreeSet::from([number]), answer);
    }

    /// Evicts all clients and destroys the session; waits only for the poller.
    pub(crate) fn abort(&mut self, turn: &mut Turn<'_, R>, destroy: Destroy) {
        if let Some(other) = self.lifecycle.withdraw_destroy() {
            refuse(
                other,
                Problem::new(ProblemCode::StaleSession, "the session is aborted"),
            );
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
        self.audit.note(StepName::Evicted, turn.now());
        self.rescan.begin(turn.now().instant);
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
        for (number, what) in std::mem::take(&mut self.clients.violators) {
            tracing::error!(session = %self.id, attachment = number, ?what, "a client broke the protocol");
            self.violated(turn, number);
        }
    }

    /// A poller evicted a client and took its loaned frames back.
    pub(crate) fn evicted(&mut self, turn: &mut Turn<'_, R>, evicted: Evicted) {
        self.audit.ended(&evicted.lender);
        let number = evicted.lender.attachment();
        self.taken_back(turn, number, evicted.revoked, evicted.set_aside);
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
        answer: EvictionAnswer,
    ) {
        let deadline = turn.now().instant + turn.view.timeouts().quiesce;
        self.clients.evicted.ask(numbers.clone(), deadline, answer);
        for number in numbers {
            self.evict_one(turn, number, EvictionCause::Requested);
        }
    }

    fn evict_one(&mut self, turn: &mut Turn<'_, R>, number: u64, cause: EvictionCause) {
        let Some(attachment) = self.clients.attached.remove(&number) else {
            return;
        };
        let inside = attachment.memory.slots();
        attachment.close(AttachmentState::Revoked, &mut turn.effects);
        let who = &attachment.who;
        tracing::warn!(
            session = %self.id, attachment = number, pid = who.pid, command = %who.command, %cause,
            "evicted"
        );
        let eviction = Eviction {
            attachment: number,
            pid: who.pid,
            command: who.command.clone(),
            at: turn.now().wall,
            cause,
            callers_inside: inside.iter().map(|slot| slot.calls()).sum(),
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
        self.rescan.begin(turn.now().instant);
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
        self.clients.evicted.answer(&eviction);
        self.audit.evict(eviction.clone());
        turn.effects.publish(EventKind::Evicted { eviction });
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
        self.clients.evicted.expire(now);
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
        let slots = evicted_client.attachment.memory.slots();
        let slots = slots.iter().filter(|slot| slot.count > 0).count() as u64;
        self.part(turn, evicted_client.attachment, cause, (0, slots));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use onair_api::Timestamp;

    use super::*;

    fn eviction(attachment: u64) -> Eviction {
        Eviction {
            attachment,
            pid: 1,
            command: "t".into(),
            at: Timestamp::now(),
            cause: EvictionCause::Requested,
            callers_inside: 0,
            frames_revoked: 0,
            frames_set_aside: 0,
        }
    }

    #[test]
    fn requests_for_the_same_eviction_then_answered_when_complete() {
        let mut evicted_clients = EvictedClients::default();
        let long = Instant::now() + Duration::from_secs(60);
        let (one, mut first) = Reply::new();
        let (all, mut second) = Reply::new();
        evicted_clients.ask(BTreeSet::from([1]), long, EvictionAnswer::One(one));
        evicted_clients.ask(BTreeSet::from([1, 2]), long, EvictionAnswer::All(all));
        evicted_clients.answer(&eviction(1));
        assert_eq!(first.try_recv().unwrap().unwrap().attachment, 1);
        assert!(second.try_recv().is_err());
        evicted_clients.answer(&eviction(2));
        let all = second.try_recv().unwrap().unwrap().evicted;
        let numbers: Vec<u64> = all.iter().map(|it| it.attachment).collect();
        assert_eq!(numbers, [1, 2]);
        assert!(evicted_clients.wake_at().is_none());
    }

    #[test]
    fn request_without_a_client_is_answered_at_once() {
        let mut evicted_clients = EvictedClients::default();
        let (all, mut answer) = Reply::new();
        evicted_clients.ask(BTreeSet::new(), Instant::now(), EvictionAnswer::All(all));
        assert!(answer.try_recv().unwrap().unwrap().evicted.is_empty());
    }

    #[test]
    fn request_that_no_poller_answers_then_refused_at_the_deadline() {
        let mut evicted_clients = EvictedClients::default();
        let (one, mut answer) = Reply::new();
        evicted_clients.ask(
            BTreeSet::from([1]),
            Instant::now() + Duration::from_secs(1),
            EvictionAnswer::One(one),
        );
        let due = evicted_clients.wake_at().unwrap();
        evicted_clients.expire(due - Duration::from_millis(1));
        assert!(answer.try_recv().is_err());
        evicted_clients.expire(due);
        let problem = answer.try_recv().unwrap().unwrap_err();
        assert_eq!(problem.code, ProblemCode::DataplaneBusy);
        evicted_clients.answer(&eviction(1));
    }
}
