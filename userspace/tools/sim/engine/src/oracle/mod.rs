//! Invariants that must hold in any order.
//!
//! - Each request is answered, within its time and some more; one that is refused at once has changed nothing.
//! - Events, lists, health and answers say the same.
//! - No session is destroyed under a client that is inside or holds a frame. Each that is has one certificate, which
//!   verifies, and says that memory is given back only if no process has it.
//! - A group changes as a whole, or not at all.
//! - The next daemon has the persistent sessions as they were, and no other one, also after a power cut. Numbers of
//!   sessions and of their runs go on from there, if the disk took them.
//! - A client is told which frames lack packets. Each frame that it hands in is sent, or counts as dropped.
//! - The sessions of a poller that dies stop, and start again on another one.
//! - When all is gone, nothing is left.
//!
//! The rig panics if the control thread spins or never ends: that is a violation, too.

mod answers;
mod certificates;
mod end;
mod facts;
mod frames;
mod pollers;
mod restored;
mod views;

use std::task::{Context, Poll, Waker};

use onair_api::{Event, EventKind};
use onair_ipc::caller::Refusal;

pub(crate) use self::facts::Facts;
use crate::stage::Stage;

impl Stage {
    /// Notes what must not be.
    pub(crate) fn violate(&mut self, what: String) {
        self.note(|| format!("VIOLATION {what}"));
        self.facts.violations.push(what);
    }

    /// Looks at the events and the answers that have come.
    pub(crate) fn observe(&mut self) {
        while let Some(event) = self.next_event() {
            self.note(|| format!("  event {} {}", event.sequence, told(&event)));
            if let Err(what) = self.facts.apply(&event) {
                self.violate(what);
            }
            match event.kind {
                EventKind::Destroyed { .. } => self.check_destroyed(&event),
                EventKind::CertificateCompleted { .. } => self.check_completed(&event),
                _ => {}
            }
        }
        self.poll_requests();
    }

    fn next_event(&mut self) -> Option<std::sync::Arc<Event>> {
        let next = std::pin::pin!(self.events.next());
        match next.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(event) => event,
            Poll::Pending => None,
        }
    }

    /// A client was told this by a call that does not wait.
    pub(crate) fn check_call(&mut self, at: usize, told: Result<(), Refusal>) {
        self.note(|| format!("take: {told:?}"));
        let guest = &self.guests[at];
        let (session, number) = (guest.session(), guest.number());
        let is_out = guest.is_hung_up || self.facts.is_evicted(session, number);
        let state = self.facts.runs(session);
        let is_stopped_by_itself = guest.client.attachment.is_stopped();
        match (told, state) {
            (Ok(()) | Err(Refusal::TimedOut), Some(false)) => {
                self.violate(format!(
                    "a call into a stopped session {session:x}: {told:?}"
                ));
            }
            (Ok(()) | Err(Refusal::TimedOut | Refusal::Again), None) => {
                self.violate(format!("a call into a session that is gone: {told:?}"));
            }
            (Err(Refusal::Again), Some(true)) if !is_out && !is_stopped_by_itself => {
                self.violate(format!("session {session:x} runs, and a call is refused"));
            }
            _ => {}
        }
    }
}

/// An event, for the trace: what is the same in each life of a seed.
fn told(event: &Event) -> String {
    let name = event.name.as_ref().map(ToString::to_string);
    format!("{} {}", name.unwrap_or_default(), event.kind.name())
}
