//! The socket for clients: SOCK_SEQPACKET, one attachment a connection.
//!
//! A connection task parses what its client says, does what needs waiting (arming the probe, the
//! client's answer to the challenge), and sends [`AttachAction`]s to the actor. It holds no session
//! state. The messages are those of [`onair_ipc::message`].

mod connection;
mod identify;
mod listener;
mod places;
mod requests;
mod silent;
mod wire;

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::time::Duration;

use onair_ipc::message::Attached;
use onair_types::{Certificate, Flushed, Problem, SessionRef, SessionSpec, SessionView, Who};
use tokio::sync::oneshot;

use crate::authority::Caller;
use crate::reply::Reply;
use crate::session::attachment::{Client, Watched};

pub use connection::Limits;
pub use listener::Listener;

/// Names one connection for the daemon's life.
pub type ConnectionId = u64;

/// What the probe is to do for a client that attaches.
#[derive(Clone, Debug)]
pub enum Watching {
    /// Watch it, or refuse it.
    Required(onair_probe::Probe),
    /// Watch it if that can be done.
    Preferred(onair_probe::Probe),
    /// The probe is not used.
    Off,
}

/// A reservation of one attachment.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// The session's id.
    pub session: u64,
    /// What the probe is to do.
    pub watching: Watching,
}

/// The answer to who wants a reservation.
#[derive(Debug)]
pub enum Reserved {
    /// It is reserved.
    Reservation(Reservation),
    /// The session is full, and a client that has left it is being settled: ask again. If there is no time
    /// for that, this is the refusal.
    NotYet(Problem),
}

/// What the actor answers to an admitted client: the message, and `ctl`, `seg`, `frames`.
pub type Admission = (Attached, [OwnedFd; 3]);

/// What connections ask of the actor.
#[derive(Debug)]
pub enum AttachAction {
    /// Create a session that this connection owns.
    Create {
        /// Who asks.
        caller: Caller,
        /// Which connection.
        connection: ConnectionId,
        /// What it shall be.
        spec: Box<SessionSpec>,
        /// The new session.
        reply: Reply<SessionView>,
    },
    /// Reserve an attachment, before the client is proven.
    Reserve {
        /// Who asks.
        caller: Caller,
        /// To what.
        session: SessionRef,
        /// The reservation.
        reply: Reply<Reserved>,
    },
    /// Give a reservation back.
    Release {
        /// The session's id.
        session: u64,
    },
    /// Make an attachment of a reservation.
    Admit {
        /// The session's id.
        session: u64,
        /// The process.
        client: Box<Client>,
        /// What the probe knows of it.
        watched: Option<Box<Watched>>,
        /// What the client gets.
        reply: Reply<Admission>,
    },
    /// Give the connection's attachment back.
    Detach {
        /// Which connection.
        connection: ConnectionId,
        /// Done.
        reply: Reply<()>,
    },
    /// Wait until what was submitted to the connection's session is sent.
    Flush {
        /// Which connection.
        connection: ConnectionId,
        /// How long.
        wait: Duration,
        /// What was sent.
        reply: Reply<Flushed>,
    },
    /// Destroy the session that the connection is attached to and owns.
    Destroy {
        /// Which connection.
        connection: ConnectionId,
        /// Who asks.
        who: Who,
        /// How long to wait for users.
        wait: Option<Duration>,
        /// The proof.
        reply: Reply<Box<Certificate>>,
    },
    /// Abort the session that the connection is attached to and owns.
    Abort {
        /// Which connection.
        connection: ConnectionId,
        /// Who asks.
        who: Who,
        /// The proof.
        reply: Reply<Box<Certificate>>,
    },
    /// A caller of the connection's attachment left while the session drains.
    Kick {
        /// Which connection.
        connection: ConnectionId,
    },
    /// The connection closed; its process may live on.
    HungUp {
        /// Which connection.
        connection: ConnectionId,
        /// Dropped when the connection's attachment has ended: nothing more is asked of it then.
        attached: oneshot::Sender<Infallible>,
    },
    /// The process behind the connection is dead.
    ProcessEnded {
        /// Which connection.
        connection: ConnectionId,
    },
}
