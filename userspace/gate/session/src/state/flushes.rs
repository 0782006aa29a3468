//! The open flushes of one session: asked of the poller by a number, answered to the requester by a ticket.
//!
//! A deadline answers the requester only: the entry stays until the poller has answered, or has given the session back.
//! When each begins and ends: `flushing.rs`.

use std::time::Instant;

use onair_api::{Flushed, Problem, ProblemCode};
use serde::{Deserialize, Serialize};

use crate::boundary::ticket::{Answer, Ticket};

/// A flush that the poller has not answered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Flush {
    pub(crate) ticket: u64,
    #[serde(with = "crate::clock::at")]
    pub(crate) asked: Instant,
    #[serde(with = "crate::clock::at")]
    pub(crate) deadline: Instant,
    /// Frames that the session had sent and dropped at the time of the request.
    pub(crate) before: (u64, u64),
    /// `None` once the requester has been told that the deadline passed.
    pub(crate) request: Option<Ticket<Flushed>>,
}

/// The flushes of one session.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Flushes {
    pub(crate) list: Vec<Flush>,
    pub(crate) tickets: u64,
}

impl Flushes {
    /// When the first requester times out.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let waiting = self.list.iter().filter(|it| it.request.is_some());
        waiting.map(|it| it.deadline).min()
    }

    /// Answers the requesters whose deadline has passed.
    pub(crate) fn expire(&mut self, now: Instant) -> impl Iterator<Item = Answer> {
        let late = self.list.iter_mut().filter(move |it| it.deadline <= now);
        late.filter_map(|it| it.request.take()).map(|request| {
            let what =
                "the deadline passed before all submitted frames were sent; the session continues";
            Answer::Flushed(
                request,
                Err(Problem::new(ProblemCode::DeadlinePassed, what)),
            )
        })
    }

    pub(crate) fn take(&mut self, ticket: u64) -> Option<Flush> {
        let at = self.list.iter().position(|it| it.ticket == ticket)?;
        Some(self.list.remove(at))
    }
}
