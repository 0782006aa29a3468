//! The evicted clients of a session, and the requesters that wait for an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use onair_api::{Direction, Eviction, Problem, ProblemCode};
use serde::{Deserialize, Serialize};

use crate::boundary::ticket::{Answer, EvictionTicket};
use crate::state::clients::attachment::Attachment;

/// An evicted attachment, until its process is dead or has unmapped its words.
#[derive(Debug, Serialize, Deserialize)]
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
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct EvictedClients {
    pub(crate) list: BTreeMap<u64, EvictedClient>,
    requests: Vec<EvictionRequest>,
}

#[derive(Debug, Serialize, Deserialize)]
struct EvictionRequest {
    waits_for: BTreeSet<u64>,
    done: Vec<Eviction>,
    #[serde(with = "crate::clock::at")]
    deadline: Instant,
    ticket: EvictionTicket,
}

impl EvictedClients {
    /// Places for attachments that they still take.
    pub(crate) fn places(&self, direction: Direction) -> u64 {
        match direction {
            Direction::Receive | Direction::Local => {
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
        ticket: EvictionTicket,
    ) -> Option<Answer> {
        if waits_for.is_empty() {
            return Some(ticket.give(Vec::new()));
        }
        self.requests.push(EvictionRequest {
            waits_for,
            done: Vec::new(),
            deadline,
            ticket,
        });
        None
    }

    /// Answers the requesters that wait for this eviction.
    pub(crate) fn answer(&mut self, eviction: &Eviction) -> Vec<Answer> {
        for request in &mut self.requests {
            if request.waits_for.remove(&eviction.attachment) {
                request.done.push(eviction.clone());
            }
        }
        let over = |request: &mut EvictionRequest| request.waits_for.is_empty();
        let over = self.requests.extract_if(.., over);
        over.map(|it| it.ticket.give(it.done)).collect()
    }

    /// Answers the requesters whose poller took too long.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Answer> {
        let late = |request: &mut EvictionRequest| request.deadline <= now;
        let late = self.requests.extract_if(.., late);
        let what = "the client is evicted, but the poller has not taken its frames back yet";
        let problem = || Problem::new(ProblemCode::DataplaneBusy, what);
        late.map(|it| it.ticket.refuse(problem())).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use onair_api::{EvictionCause, EvictionList, Timestamp};

    use super::*;
    use crate::boundary::ticket::Ticket;

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
        let one = EvictionTicket::One(Ticket::new(1));
        let all = EvictionTicket::All(Ticket::new(2));
        let asked = [
            evicted_clients.ask(BTreeSet::from([1]), long, one),
            evicted_clients.ask(BTreeSet::from([1, 2]), long, all),
        ];
        assert!(asked.iter().all(Option::is_none));
        let answers = evicted_clients.answer(&eviction(1));
        let [Answer::Evicted(one, Ok(first))] = answers.as_slice() else {
            panic!("{answers:?}");
        };
        assert_eq!((one.number(), first.attachment), (1, 1));
        let answers = evicted_clients.answer(&eviction(2));
        let [Answer::AllEvicted(_, Ok(EvictionList { evicted: all }))] = answers.as_slice() else {
            panic!("{answers:?}");
        };
        let numbers: Vec<u64> = all.iter().map(|it| it.attachment).collect();
        assert_eq!(numbers, [1, 2]);
        assert!(evicted_clients.wake_at().is_none());
    }

    #[test]
    fn request_without_a_client_is_answered_at_once() {
        let mut evicted_clients = EvictedClients::default();
        let all = EvictionTicket::All(Ticket::new(1));
        let answer = evicted_clients.ask(BTreeSet::new(), Instant::now(), all);
        let is_empty = |all: &EvictionList| all.evicted.is_empty();
        assert!(matches!(answer, Some(Answer::AllEvicted(_, Ok(all))) if is_empty(&all)));
    }

    #[test]
    fn request_that_no_poller_answers_then_refused_at_the_deadline() {
        let mut evicted_clients = EvictedClients::default();
        let one = EvictionTicket::One(Ticket::new(1));
        let late = Instant::now() + Duration::from_secs(1);
        assert!(
            evicted_clients
                .ask(BTreeSet::from([1]), late, one)
                .is_none()
        );
        let due = evicted_clients.wake_at().unwrap();
        assert!(
            evicted_clients
                .expire(due - Duration::from_millis(1))
                .is_empty()
        );
        let answers = evicted_clients.expire(due);
        let [Answer::Evicted(_, Err(problem))] = answers.as_slice() else {
            panic!("{answers:?}");
        };
        assert_eq!(problem.code, ProblemCode::DataplaneBusy);
        assert!(evicted_clients.answer(&eviction(1)).is_empty());
    }
}
