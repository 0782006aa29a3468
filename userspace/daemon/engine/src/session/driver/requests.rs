//! The requests of a session that its core has not answered yet.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Debug;

use onair_api::Problem;
use onair_dataplane::{Command, PollerEvent, Runtime};
use onair_session::{Answer, Event, PollerCommand, Ticket};

use crate::services::reply::Reply;

/// Who waits for which answer of the session's core. If the session is dropped, they get
/// `internal`.
#[derive(Debug, Default)]
pub(crate) struct OpenRequests {
    last: u64,
    replies: BTreeMap<u64, Box<dyn OpenReply>>,
}

/// A reply of any answer's type, so that all fit one map.
trait OpenReply: Any + Debug {
    fn is_unwanted(&self) -> bool;
}

impl<T: Debug + 'static> OpenReply for Reply<T> {
    fn is_unwanted(&self) -> bool {
        Self::is_unwanted(self)
    }
}

impl OpenRequests {
    /// Keeps the reply until the core answers the ticket, which comes with the event.
    pub(crate) fn keep<T: Debug + 'static>(&mut self, reply: Reply<T>) -> Ticket<T> {
        self.last += 1;
        self.replies.insert(self.last, Box::new(reply));
        Ticket::new(self.last)
    }

    /// The requester of an answered ticket; one that reads nothing for [`Ticket::unread`].
    pub(crate) fn take<T: 'static>(&mut self, ticket: &Ticket<T>) -> Reply<T> {
        let reply = self.replies.remove(&ticket.number());
        let reply = reply.and_then(|it| (it as Box<dyn Any>).downcast().ok());
        reply.map_or_else(Reply::unread, |it| *it)
    }

    /// Those whose requesters are gone, or never wanted an answer.
    pub(crate) fn left(&self) -> Vec<u64> {
        let left = self.replies.iter().filter(|(_, it)| it.is_unwanted());
        left.map(|(number, _)| *number).collect()
    }

    /// Sends an answer of the core.
    pub(crate) fn answer(&mut self, answer: Answer) {
        match answer {
            Answer::NotStarted(ticket, problem) => self.send(&ticket, Err(problem)),
            Answer::Verdict(ticket, verdict) => self.send(&ticket, verdict),
            Answer::Flushed(ticket, flushed) => self.send(&ticket, flushed),
            Answer::Detached(ticket, detached) => self.send(&ticket, detached),
            Answer::Evicted(ticket, evicted) => self.send(&ticket, evicted),
            Answer::AllEvicted(ticket, evicted) => self.send(&ticket, evicted),
            Answer::NotDestroyed(ticket, problem) => self.send(&ticket, Err(problem)),
        }
    }

    fn send<T: 'static>(&mut self, ticket: &Ticket<T>, answer: Result<T, Problem>) {
        self.take(ticket).send(answer);
    }
}

/// The event for the core of a session, with the session's id. What means more to the daemon than that comes back.
///
/// # Errors
/// The poller's event as it is.
pub fn event(event: PollerEvent) -> Result<(u64, Event<Runtime>), PollerEvent> {
    Ok(match event {
        PollerEvent::LenderBack {
            session, lender, ..
        } => (session, Event::LenderBack(lender)),
        PollerEvent::AttachRefused {
            session,
            lender,
            frames,
            reason,
        } => {
            let refused = Event::AttachRefused {
                lender,
                frames,
                reason,
            };
            (session, refused)
        }
        PollerEvent::Violation {
            session,
            attachment,
            ..
        } => (session, Event::Violated(attachment)),
        PollerEvent::Evicted { session, evicted } => (session, Event::Evicted(evicted)),
        PollerEvent::Flushed { session, flushed } => (session, Event::Flushed(flushed)),
        PollerEvent::ThreadCredited {
            session,
            attachment,
            ticket,
            frames,
        } => {
            let credited = Event::ThreadCredited {
                attachment,
                ticket,
                frames,
            };
            (session, credited)
        }
        other => return Err(other),
    })
}

/// The command of a session's core.
pub(super) fn command(session: u64, command: PollerCommand<Runtime>) -> Command {
    match command {
        PollerCommand::Start(runtime) => Command::Start(runtime),
        PollerCommand::Quiesce => Command::Quiesce(session),
        PollerCommand::Attach { lender, frames } => Command::Attach {
            session,
            lender,
            frames,
        },
        PollerCommand::Detach(attachment) => Command::Detach {
            session,
            attachment,
        },
        PollerCommand::Evict(attachment) => Command::Evict {
            session,
            attachment,
        },
        PollerCommand::Release(attachment) => Command::Release {
            session,
            attachment,
        },
        PollerCommand::CreditThread {
            attachment,
            ticket,
            slot,
        } => Command::CreditThread {
            session,
            attachment,
            ticket,
            slot,
        },
        PollerCommand::Flush { ticket } => Command::Flush { session, ticket },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_goes_to_its_requester_once() {
        let mut open = OpenRequests::default();
        let (first, mut at_first) = Reply::new();
        let (second, at_second) = Reply::new();
        let (first, second) = (open.keep(first), open.keep(second));
        assert!(open.left().is_empty());
        drop(at_second);
        assert_eq!(open.left(), [second.number()]);
        open.answer(Answer::Detached(first, Ok(())));
        assert!(matches!(at_first.try_recv(), Ok(Some(Ok(())))));
        open.answer(Answer::Detached(second, Ok(())));
        assert!(open.replies.is_empty());
    }

    #[test]
    fn session_dropped_then_its_requesters_learn_it() {
        let mut open = OpenRequests::default();
        let (reply, mut answer) = Reply::<()>::new();
        let _ticket = open.keep(reply);
        drop(open);
        assert!(!matches!(answer.try_recv(), Ok(Some(_))));
    }
}
