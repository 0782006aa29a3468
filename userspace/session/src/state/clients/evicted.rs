//! The evicted clients of a session, and the requesters that wait for an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use onair_api::{Direction, Eviction, Problem, ProblemCode};

use crate::boundary::reply::EvictionAnswer;
use crate::state::clients::attachment::Attachment;

/// An evicted attachment, until its process is dead or has unmapped its words.
#[derive(Debug)]
pub struct EvictedClient {
    /// The attachment.
    pub attachment: Attachment,
    /// Its frames are counted once they are taken back.
    pub eviction: Eviction,
    pub(crate) is_settled: bool,
    pub(crate) is_dead: bool,
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

    pub(crate) fn ask(
        &mut self,
        waits_for: BTreeSet<u64>,
        deadline: Instant,
        answer: EvictionAnswer,
    ) {
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
    pub(crate) fn answer(&mut self, eviction: &Eviction) {
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
    pub(crate) fn expire(&mut self, now: Instant) {
        let late = |request: &mut EvictionRequest| request.deadline <= now;
        for request in self.requests.extract_if(.., late) {
            request.answer.refuse(Problem::new(
                ProblemCode::DataplaneBusy,
                "the client is evicted, but the poller has not taken its frames back yet",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use onair_api::{EvictionCause, Timestamp};

    use super::*;
    use crate::boundary::reply::Reply;

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
