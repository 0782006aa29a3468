//! Inputs of the actor: requests of the sockets, events of the pollers, the probe, the helper threads, the
//! recordings, and commands of the shutdown.

mod action;
mod attach;

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use onair_api::{Certificate, EventKind, SessionOutcome, SessionSummary};
use onair_probe::ProbeEvent;
use serde_json::Value;

use crate::clients::inspection::Finding;
use crate::machine::RecorderEvent;
use crate::services::Services;

pub use self::action::{Action, Asked};
pub use self::attach::{Admission, AttachAction, ConnectionId, Reservation};
pub use crate::session::attachment::NoPlace;

/// One input.
#[derive(Debug)]
pub enum Input {
    /// From the shutdown coordinator.
    Command(ActorCommand),
    /// From the HTTP socket.
    Action(Action),
    /// From the attach socket.
    Attach(AttachAction),
    /// The pollers may have sent an event.
    Pollers,
    /// From the probe.
    Probe(Vec<ProbeEvent>),
    /// A client changed its memory with a system call.
    MemoryTouched,
    /// From a recording's thread.
    Recorder(RecorderEvent),
    /// The answer of a helper thread.
    Finding(Finding),
    /// Certificates that earlier daemons left in the archive.
    Certificates(Vec<Arc<Certificate>>),
}

/// A command from the coordinator to the actor.
#[derive(Debug)]
pub enum ActorCommand {
    /// Tell every client that the service ends.
    Announce,
    /// Stop and destroy all sessions, then exit.
    Drain(Drain),
    /// Publish an event.
    Publish(EventKind),
    /// Report health, and each session with its blockers.
    Dump(SyncSender<Value>),
    /// Run this between two turns.
    Run(ActorTask),
}

/// A task that the control thread runs between two turns. A panic in it ends the control thread.
pub struct ActorTask(Box<dyn FnOnce(&mut Services) + Send>);

impl ActorTask {
    /// `run` must not block: every session waits for it.
    pub fn new(run: impl FnOnce(&mut Services) + Send + 'static) -> Self {
        Self(Box::new(run))
    }

    pub(crate) fn run(self, services: &mut Services) {
        (self.0)(services);
    }
}

impl std::fmt::Debug for ActorTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ActorTask")
    }
}

/// The command to shut down.
#[derive(Debug)]
pub struct Drain {
    /// Until when the daemon waits for users.
    pub deadline: Instant,
    /// Receives the result when the actor ends.
    pub reply: SyncSender<Drained>,
}

/// The result of the shutdown for the sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Sessions that existed when the shutdown began, in the order of their stops.
    pub sessions: Vec<SessionSummary>,
    /// Sessions destroyed during the daemon's lifetime.
    pub destroyed: u64,
}

impl Drained {
    /// Sessions that were still in use.
    pub fn abandoned(&self) -> impl Iterator<Item = &SessionSummary> {
        let all = self.sessions.iter();
        all.filter(|it| it.outcome == SessionOutcome::Abandoned)
    }
}
