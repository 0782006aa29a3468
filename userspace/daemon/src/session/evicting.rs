//! Cutting clients off: their calls return `ESTALE`, what was lent to them is taken back, and what
//! they may still read stays out of use until the kernel says that they cannot.
//!
//! Words, gates and wakes are the control thread's, and done at once. The frames are taken back by
//! whoever has the ledger: here, or the poller, which answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use onair_ipc::memory::State;
use onair_types::{
    AttachmentState, AttachmentView, Direction, EventKind, Eviction, EvictionCause, EvictionList,
    Problem, ProblemCode, ReconciledCause, StepName, Timestamp,
};

use super::attachment::Attachment;
use super::drain::refuse;
use super::{Destroy, Place, Progress, Session};
use crate::dataplane::{Command, Evicted};
use crate::reply::Reply;
use crate::services::Services;

/// An attachment that was cut off, until its process is dead or has let go of its words.
#[derive(Debug)]
pub(super) struct EvictedClient {
    pub(super) attachment: Attachment,
    /// Its frames are counted once they are taken back.
    eviction: Eviction,
    is_settled: bool,
    is_dead: bool,
}

impl EvictedClient {
    /// As the API shows it.
    pub(super) fn view(&self) -> AttachmentView {
        AttachmentView {
            state: AttachmentState::Revoked,
            ..self.attachment.view(self.eviction.frames_set_aside)
        }
    }

    /// Whether frames are out of use for its sake, or may have to be.
    fn holds_its_seat(&self) -> bool {
        !self.is_settled || self.eviction.frames_set_aside > 0
    }
}

/// Those who were cut off, and whoever waits to hear of it.
#[derive(Debug, Default)]
pub(super) struct EvictedClients {
    pub(super) list: BTreeMap<u64, EvictedClient>,
    requests: Vec<Request>,
}

#[derive(Debug)]
struct Request {
    waits_for: BTreeSet<u64>,
    done: Vec<Eviction>,
    deadline: Instant,
    answer: Answer,
}

/// Where the answer to an eviction goes.
#[derive(Debug)]
pub enum Answer {
    /// One attachment was meant.
    One(Reply<Eviction>),
    /// All were.
    All(Reply<EvictionList>),
}

impl Answer {
    fn give(self, mut done: Vec<Eviction>) {
        // The requester may have gone.
        match self {
            Self::One(reply) => {
                reply.send(done.pop().ok_or_else(|| {
                    Problem::new(ProblemCode::Internal, "an eviction without a record")
                }));
            }
            Self::All(reply) => {
                reply.send(Ok(EvictionList { evicted: done }));
            }
        }
    }

    /// Refuses.
    pub fn refuse(self, problem: Problem) {
        // The requester may have gone.
        match self {
            Self::One(reply) => {
                reply.send(Err(problem));
            }
            Self::All(reply) => {
                reply.send(Err(problem));
            }
        }
    }
}

impl EvictedClients {
    /// Seats that they still take.
    pub(super) fn seats(&self, direction: Direction) -> u64 {
        match direction {
            Direction::Receive => {
                let seated = self.list.values().filter(|it| it.holds_its_seat());
                seated.count() as u64
            }
            // A sender's frames are its own, and leave with it.
            Direction::Send => 0,
        }
    }

    /// When the first requester gives up.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.requests.iter().map(|request| request.deadline).min()
    }

    fn ask(&mut self, waits_for: BTreeSet<u64>, patience: Duration, answer: Answer) {
        if waits_for.is_empty() {
            answer.give(Vec::new());
            return;
        }
        self.requests.push(Request {
            waits_for,
            done: Vec::new(),
            deadline: Instant::now() + patience,
            answer,
        });
    }

    /// Tells those who wait for it.
    fn tell(&mut self, eviction: &Eviction) {
        for request in &mut self.requests {
            if request.waits_for.remove(&eviction.attachment) {
                request.done.push(eviction.clone());
            }
        }
        let over = |request: &mut Request| request.waits_for.is_empty();
        for request in self.requests.extract_if(.., over) {
            request.answer.give(request.done);
        }
    }

    /// Answers those whose poller took too long.
    fn expire(&mut self, now: Instant) {
        let late = |request: &mut Request| request.deadline <= now;
        for request in self.requests.extract_if(.., late) {
            request.answer.refuse(Problem::new(
                ProblemCode::DataplaneBusy,
                "the client is cut off, and the poller has not taken its frames back yet",
            ));
        }
    }
}

impl Session {
    /// Cuts one client off, or everybody. The answer is sent when their frames are taken back.
    pub fn evict(&mut self, services: &mut Services, one: Option<u64>, answer: Answer) {
        let Some(number) = one else {
            return self.evict_these(services, self.evictable(), answer);
        };
        if let Some(done) = self.eviction_of(number) {
            answer.give(vec![done.clone()]);
            return;
        }
        let is_there =
            self.attachments.contains_key(&number) && !self.leaving.contains_key(&number);
        if !is_there && !self.evicted_clients.list.contains_key(&number) {
            answer.refuse(Problem::new(
                ProblemCode::NoSuchAttachment,
                format!(
                    "session {} has no attachment {number}, or it is leaving by itself",
                    self.spec.name
                ),
            ));
            return;
        }
        self.evict_these(services, BTreeSet::from([number]), answer);
    }

    /// Cuts everybody off and destroys the session, waiting for nobody but the poller.
    pub fn abort(&mut self, services: &mut Services, destroy: Destroy) -> Progress {
        if let Some(other) = self.lifecycle.withdraw_destroy() {
            refuse(
                other,
                Problem::new(ProblemCode::StaleSession, "the session is aborted"),
            );
        }
        let everybody = self.evictable();
        // Before the gates close: whoever wakes up then is told that it is for good.
        for attachment in everybody.iter().filter_map(|it| self.attachments.get(it)) {
            attachment.memory.set_state(State::Revoked);
        }
        self.stop(services);
        if !self.drain(destroy) {
            return Progress::Lives;
        }
        for number in everybody {
            self.cut_off(services, number, EvictionCause::Requested);
        }
        self.audit.note(StepName::Evicted);
        self.rescan.begin();
        self.advance(services)
    }

    /// A client wrote words that no client following the protocol writes: it is cut off.
    pub fn violated(&mut self, services: &mut Services, number: u64) {
        if !self.leaving.contains_key(&number) {
            self.cut_off(services, number, EvictionCause::Violation);
        }
    }

    /// Cuts off those whose words were found to be wrong.
    pub(super) fn evict_violators(&mut self, services: &mut Services) {
        for (number, what) in std::mem::take(&mut self.violators) {
            tracing::error!(session = %self.id, attachment = number, ?what, "a client broke the protocol");
            self.violated(services, number);
        }
    }

    /// A poller cut a client off, and took back what was lent to it.
    pub fn evicted(&mut self, services: &mut Services, evicted: Evicted) {
        self.audit.ended(&evicted.lender);
        let number = evicted.lender.attachment();
        self.taken_back(services, number, evicted.revoked, evicted.set_aside);
    }

    /// What became of an attachment that was cut off before.
    fn eviction_of(&self, number: u64) -> Option<&Eviction> {
        let settled = self
            .evicted_clients
            .list
            .get(&number)
            .filter(|it| it.is_settled);
        let gone = || self.audit.evicted.iter().find(|it| it.attachment == number);
        settled.map(|it| &it.eviction).or_else(gone)
    }

    /// Those who leave by themselves are settled as such.
    fn evictable(&self) -> BTreeSet<u64> {
        let all = self.attachments.keys().copied();
        all.filter(|number| !self.leaving.contains_key(number))
            .collect()
    }

    fn evict_these(&mut self, services: &mut Services, numbers: BTreeSet<u64>, answer: Answer) {
        let patience = Duration::from_millis(services.config.timeouts.quiesce_ms);
        self.evicted_clients.ask(numbers.clone(), patience, answer);
        for number in numbers {
            self.cut_off(services, number, EvictionCause::Requested);
        }
    }

    fn cut_off(&mut self, services: &mut Services, number: u64, cause: EvictionCause) {
        let Some(mut attachment) = self.attachments.remove(&number) else {
            return;
        };
        let inside = attachment.memory.slots();
        attachment.close(State::Revoked, services);
        let who = &attachment.client.who;
        tracing::warn!(
            session = %self.id, attachment = number, pid = who.pid, command = %who.command, %cause,
            "evicted"
        );
        let eviction = Eviction {
            attachment: number,
            pid: who.pid,
            command: who.command.clone(),
            at: Timestamp::now(),
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
        self.evicted_clients.list.insert(number, evicted_client);
        self.rescan.begin();
        match self.lifecycle.place() {
            Place::Here(_) => self.settle_evictions(services),
            Place::Poller | Place::Returning => services.command(
                self.poller,
                Command::Evict {
                    session: self.id.0,
                    attachment: number,
                },
            ),
        }
    }

    /// Takes back, now that the ledgers are here, what is still lent to those who were cut off, and
    /// gives back to use what is set aside for nobody any more.
    pub(super) fn settle_evictions(&mut self, services: &mut Services) {
        let due = self
            .evicted_clients
            .list
            .iter()
            .filter(|(_, it)| !it.is_settled);
        let due: Vec<u64> = due.map(|(number, _)| *number).collect();
        for number in due {
            let Some(runtime) = self.lifecycle.runtime_mut() else {
                return;
            };
            match runtime.evict(number) {
                Some(evicted) => self.evicted(services, evicted),
                // It never came there: nothing was lent to it.
                None => self.taken_back(services, number, 0, 0),
            }
        }
        if let Some(runtime) = self.lifecycle.runtime_mut() {
            runtime.release(|number| !self.evicted_clients.list.contains_key(&number));
        }
    }

    fn taken_back(&mut self, services: &mut Services, number: u64, revoked: u64, aside: u64) {
        let Some(evicted_client) = self.evicted_clients.list.get_mut(&number) else {
            return;
        };
        evicted_client.is_settled = true;
        evicted_client.eviction.frames_revoked = revoked;
        evicted_client.eviction.frames_set_aside = aside;
        let (eviction, is_dead) = (evicted_client.eviction.clone(), evicted_client.is_dead);
        self.evicted_clients.tell(&eviction);
        self.audit.evict(eviction.clone());
        self.tell(services, EventKind::Evicted { eviction });
        if is_dead {
            self.evicted_client_gone(services, number, ReconciledCause::ProcessDied);
        }
    }

    /// The process of one that was cut off is dead. Whether there was one.
    pub(super) fn evicted_client_died(&mut self, services: &mut Services, number: u64) -> bool {
        let Some(evicted_client) = self.evicted_clients.list.get_mut(&number) else {
            return false;
        };
        evicted_client.is_dead = true;
        if evicted_client.is_settled {
            self.evicted_client_gone(services, number, ReconciledCause::ProcessDied);
        }
        true
    }

    /// Lets those go who have let go of their words, and answers whoever has waited long enough.
    pub(super) fn sweep_evicted_clients(&mut self, services: &mut Services, now: Instant) {
        self.evicted_clients.expire(now);
        let apart = self
            .evicted_clients
            .list
            .values()
            .filter(|it| it.is_settled && it.attachment.memory.is_sole_user().unwrap_or(false));
        let mut apart: Vec<u64> = apart.map(|it| it.eviction.attachment).collect();
        if apart.is_empty() {
            return;
        }
        // As long as the kernel counts a caller of it, the probe's reading has to leave that out.
        let waiters = services.probe.waiters(self.id.0);
        apart.retain(|number| waiters.iter().all(|waiter| waiter.attachment != *number));
        for number in apart {
            self.evicted_client_gone(services, number, ReconciledCause::Detached);
        }
    }

    /// Nobody reads any more what was set aside for the sake of one that was cut off.
    fn evicted_client_gone(
        &mut self,
        services: &mut Services,
        number: u64,
        cause: ReconciledCause,
    ) {
        let Some(evicted_client) = self.evicted_clients.list.remove(&number) else {
            return;
        };
        if evicted_client.eviction.frames_set_aside > 0 {
            match self.lifecycle.place_mut() {
                Place::Here(runtime) => runtime.release(|it| it == number),
                // If it is on its way here, the frames are released when it comes.
                Place::Poller | Place::Returning => services.command(
                    self.poller,
                    Command::Release {
                        session: self.id.0,
                        attachment: number,
                    },
                ),
            }
        }
        let slots = evicted_client.attachment.memory.slots();
        let slots = slots.iter().filter(|slot| slot.count > 0).count() as u64;
        let who = &evicted_client.attachment.client.who;
        let reconciled = self.audit.reconcile(who, None, cause, 0, slots);
        self.tell_reconciled(services, reconciled);
        let gone = EventKind::ClientLeft {
            attachment: number,
            pid: who.pid,
            command: who.command.clone(),
            cause,
        };
        self.tell(services, gone);
        tracing::info!(session = %self.id, attachment = number, "an evicted client is gone");
        self.part(services, evicted_client.attachment);
    }
}

#[cfg(test)]
mod tests {
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
    fn outcasts_several_ask_for_the_same_then_each_is_answered_once_all_of_his_are_in() {
        let mut evicted_clients = EvictedClients::default();
        let long = Duration::from_secs(60);
        let (one, mut first) = Reply::new();
        let (all, mut second) = Reply::new();
        evicted_clients.ask(BTreeSet::from([1]), long, Answer::One(one));
        evicted_clients.ask(BTreeSet::from([1, 2]), long, Answer::All(all));
        evicted_clients.tell(&eviction(1));
        assert_eq!(first.try_recv().unwrap().unwrap().attachment, 1);
        assert!(second.try_recv().is_err());
        evicted_clients.tell(&eviction(2));
        let all = second.try_recv().unwrap().unwrap().evicted;
        let numbers: Vec<u64> = all.iter().map(|it| it.attachment).collect();
        assert_eq!(numbers, [1, 2]);
        assert!(evicted_clients.wake_at().is_none());
    }

    #[test]
    fn outcasts_nobody_to_wait_for_then_answered_at_once() {
        let mut evicted_clients = EvictedClients::default();
        let (all, mut answer) = Reply::new();
        evicted_clients.ask(BTreeSet::new(), Duration::ZERO, Answer::All(all));
        assert!(answer.try_recv().unwrap().unwrap().evicted.is_empty());
    }

    #[test]
    fn outcasts_the_poller_says_nothing_then_refused_at_the_deadline() {
        let mut evicted_clients = EvictedClients::default();
        let (one, mut answer) = Reply::new();
        evicted_clients.ask(
            BTreeSet::from([1]),
            Duration::from_secs(1),
            Answer::One(one),
        );
        let due = evicted_clients.wake_at().unwrap();
        evicted_clients.expire(due - Duration::from_millis(1));
        assert!(answer.try_recv().is_err());
        evicted_clients.expire(due);
        let problem = answer.try_recv().unwrap().unwrap_err();
        assert_eq!(problem.code, ProblemCode::DataplaneBusy);
        evicted_clients.tell(&eviction(1));
    }
}
