//! Inputs of the actor: requests of the sockets, events of the pollers, the probe, the helper threads, the
//! recordings, and commands of the shutdown.

mod action;
mod attach;
mod command;

use std::sync::Arc;

use onair_api::Certificate;
use onair_probe::ProbeEvent;

pub use self::action::{Action, Asked};
pub use self::attach::{Admission, AttachAction, ConnectionId, Reservation};
pub use self::command::{ActorCommand, ActorTask, Drain, Drained};
use crate::clients::inspection::Finding;
use crate::machine::RecorderEvent;
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
