//! Requests of clients on the attach socket.

use std::os::fd::OwnedFd;
use std::time::Duration;

use onair_api::{Certificate, Flushed, GroupName, NewSession, SessionRef, SessionView, Who};
use onair_ipc::message::{Attached, DESCRIPTORS, Member};
use onair_settings::access::authority::Caller;

use crate::machine::Watching;
use crate::services::reply::Reply;
use crate::session::attachment::{ClientProcess, NoPlace, Outlived, Watched};

/// Identifies one connection for the daemon's lifetime.
pub type ConnectionId = u64;

/// A reservation of one attachment.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// The session's id.
    pub session: u64,
    /// How the probe treats the client.
    pub watching: Watching,
    /// It takes a place, which [`AttachAction::Release`] gives back.
    pub takes_place: bool,
}

/// The actor's answer to an admitted client: the message, and `ctl`, `seg`, `frames`.
pub type Admission = (Attached, [OwnedFd; DESCRIPTORS]);

/// A request of a connection to the actor.
#[derive(Debug)]
pub enum AttachAction {
    /// Create a session that this connection owns.
    Create {
        /// The requester and its grant.
        caller: Caller,
        /// The requesting connection.
        connection: ConnectionId,
        /// The specification.
        session: Box<NewSession>,
        /// The new session.
        reply: Reply<SessionView>,
    },
    /// List the members of a group to attach to.
    ListMembers {
        /// The requester and its grant.
        caller: Caller,
        /// The group.
        group: GroupName,
        /// Its members; else `no_such_group`, or `forbidden` if the grant covers not all of them.
        reply: Reply<Vec<Member>>,
    },
    /// Reserve an attachment, before the client is proven.
    Reserve {
        /// The requester and its grant.
        caller: Caller,
        /// The session's id or name.
        session: SessionRef,
        /// Layout that the buffers must have; `None`: as the session has them.
        layout: Option<String>,
        /// To fill the frames of a local session.
        fills: bool,
        /// The reservation, or the refusal, after which the requester may ask again.
        reply: Reply<Result<Reservation, NoPlace>>,
    },
    /// Give a reservation back.
    Release {
        /// The session's id.
        session: u64,
    },
    /// Turn a reservation into an attachment.
    Admit {
        /// The session's id.
        session: u64,
        /// The process that attaches.
        client: Box<ClientProcess>,
        /// The probe's data about the process.
        watched: Option<Box<Watched>>,
        /// The message and the descriptors for the client.
        reply: Reply<Admission>,
    },
    /// Give the connection's attachment back.
    Detach {
        /// The requesting connection.
        connection: ConnectionId,
        /// Sent once the attachment is given back.
        reply: Reply<()>,
    },
    /// Wait until what was submitted to the connection's session is sent.
    Flush {
        /// The requesting connection.
        connection: ConnectionId,
        /// Maximum time to wait.
        wait: Duration,
        /// Frames sent.
        reply: Reply<Flushed>,
    },
    /// Destroy the session that the connection is attached to and owns.
    Destroy {
        /// The requesting connection.
        connection: ConnectionId,
        /// The requester.
        who: Who,
        /// Maximum time to wait for users; `None` does not wait.
        wait: Option<Duration>,
        /// The certificate.
        reply: Reply<Box<Certificate>>,
    },
    /// Abort the session that the connection is attached to and owns.
    Abort {
        /// The requesting connection.
        connection: ConnectionId,
        /// The requester.
        who: Who,
        /// The certificate.
        reply: Reply<Box<Certificate>>,
    },
    /// A caller of the connection's attachment left while the session drains.
    Kick {
        /// The connection of the attachment.
        connection: ConnectionId,
    },
    /// The connection closed; its process may live on.
    HungUp {
        /// The connection that closed.
        connection: ConnectionId,
        /// Dropped when the connection's attachment has ended: no requests follow it.
        attached: Outlived,
    },
    /// The process behind the connection is dead.
    ProcessEnded {
        /// The connection of the dead process.
        connection: ConnectionId,
    },
    /// A connection that was not attached has ended.
    Left {
        /// The connection.
        connection: ConnectionId,
    },
}
