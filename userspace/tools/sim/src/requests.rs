//! Requests that wait for their answers: each gets one.

use std::cell::RefCell;
use std::collections::BTreeMap;

use onair_session::{Answer, EvictionTicket, Ticket};

use crate::world::violation;

/// State of a request.
#[derive(Debug)]
enum Request {
    /// It was made for this.
    Open(String),
    /// The answer, which its requester has not read yet: whether it was granted.
    Answered(bool),
}

#[derive(Debug, Default)]
struct Requests {
    last: u64,
    all: BTreeMap<u64, Request>,
}

thread_local! {
    static REQUESTS: RefCell<Requests> = RefCell::default();
}

fn with<T>(look: impl FnOnce(&mut Requests) -> T) -> T {
    REQUESTS.with(|requests| look(&mut requests.borrow_mut()))
}

/// The ticket of a request for `what`, which is to be answered.
pub(crate) fn ask<T>(what: impl Into<String>) -> Ticket<T> {
    with(|requests| {
        requests.last += 1;
        requests
            .all
            .insert(requests.last, Request::Open(what.into()));
        Ticket::new(requests.last)
    })
}

/// A request is answered.
pub(crate) fn answer<T>(ticket: &Ticket<T>, is_granted: bool) {
    let number = ticket.number();
    if number == Ticket::<T>::unread().number() {
        return;
    }
    let before = with(|requests| {
        let request = requests.all.get_mut(&number)?;
        Some(std::mem::replace(request, Request::Answered(is_granted)))
    });
    if let Some(Request::Answered(_)) = before {
        violation(format!("request {number} is answered twice"));
    }
}

/// Handles an answer of the core.
pub(crate) fn answered(answer_of_core: &Answer) {
    match answer_of_core {
        Answer::NotStarted(ticket, _) => answer(ticket, false),
        Answer::Verdict(ticket, it) => answer(ticket, it.is_ok()),
        Answer::Flushed(ticket, it) => answer(ticket, it.is_ok()),
        Answer::Detached(ticket, it) => answer(ticket, it.is_ok()),
        Answer::Evicted(ticket, it) => answer(ticket, it.is_ok()),
        Answer::AllEvicted(ticket, it) => answer(ticket, it.is_ok()),
        Answer::NotDestroyed(ticket, _) => answer(ticket, false),
    }
}

/// An eviction is refused.
pub(crate) fn refuse_eviction(ticket: &EvictionTicket) {
    match ticket {
        EvictionTicket::One(ticket) => answer(ticket, false),
        EvictionTicket::All(ticket) => answer(ticket, false),
    }
}

/// Whether the request was granted; `None`: it is still open, or the daemon that had it is dead.
pub(crate) fn granted(number: u64) -> Option<bool> {
    with(|requests| match requests.all.get(&number) {
        Some(Request::Answered(is_granted)) => Some(*is_granted),
        _ => None,
    })
}

/// The life is over: what is not answered by now never will be.
pub(crate) fn end() {
    let all = with(|requests| std::mem::take(&mut requests.all));
    for request in all.into_values() {
        if let Request::Open(what) = request {
            violation(format!("never answered: {what}"));
        }
    }
}

/// A life begins.
pub(crate) fn begin() {
    with(|requests| *requests = Requests::default());
}

/// The daemon that had them is dead. Later ones have other numbers: earlier ones may still be on their way.
pub(crate) fn clear() {
    with(|requests| requests.all.clear());
}
