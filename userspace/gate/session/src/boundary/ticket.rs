//! Requests that wait for an answer, and their answers.

use std::marker::PhantomData;

use onair_api::{
    Certificate, Eviction, EvictionList, Flushed, Problem, ProblemCode, SessionView, Verdict,
};
use serde::{Deserialize, Serialize};

/// Number of a request that is answered with a `T`. The driver knows its requester. It is moved,
/// not copied: a request is answered once.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Ticket<T> {
    number: u64,
    #[serde(skip)]
    answer: PhantomData<fn(T)>,
}

impl<T> Ticket<T> {
    /// The ticket of the request `number`.
    #[must_use]
    pub fn new(number: u64) -> Self {
        let answer = PhantomData;
        Self { number, answer }
    }

    /// The ticket of a request that the daemon makes itself, number 0: the answer is discarded.
    #[must_use]
    pub fn unread() -> Self {
        Self::new(0)
    }

    /// Number of the request.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }
}

/// The answer to a request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The session does not start. A start is answered by [`Effect::Started`](crate::Effect::Started).
    NotStarted(Ticket<SessionView>, Problem),
    /// To a request for a verdict.
    Verdict(Ticket<Verdict>, Result<Verdict, Problem>),
    /// To a flush.
    Flushed(Ticket<Flushed>, Result<Flushed, Problem>),
    /// To a detach.
    Detached(Ticket<()>, Result<(), Problem>),
    /// To the eviction of one client.
    Evicted(Ticket<Eviction>, Result<Eviction, Problem>),
    /// To the eviction of all clients.
    AllEvicted(Ticket<EvictionList>, Result<EvictionList, Problem>),
    /// The session is not destroyed. The end of a session is
    /// [`Effect::Destroyed`](crate::Effect::Destroyed).
    NotDestroyed(Ticket<Box<Certificate>>, Problem),
}

/// The request that an eviction answers: each has an answer of its own type.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvictionTicket {
    /// One attachment is evicted.
    One(Ticket<Eviction>),
    /// All attachments are evicted.
    All(Ticket<EvictionList>),
}

impl EvictionTicket {
    pub(crate) fn give(self, mut done: Vec<Eviction>) -> Answer {
        match self {
            Self::One(ticket) => {
                let no_record =
                    || Problem::new(ProblemCode::Internal, "an eviction without a record");
                Answer::Evicted(ticket, done.pop().ok_or_else(no_record))
            }
            Self::All(ticket) => Answer::AllEvicted(ticket, Ok(EvictionList { evicted: done })),
        }
    }

    pub(crate) fn refuse(self, problem: Problem) -> Answer {
        match self {
            Self::One(ticket) => Answer::Evicted(ticket, Err(problem)),
            Self::All(ticket) => Answer::AllEvicted(ticket, Err(problem)),
        }
    }
}
