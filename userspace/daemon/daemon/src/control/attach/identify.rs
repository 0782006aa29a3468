//! Identifies the connected process, and how to detect its death.

use std::os::fd::{BorrowedFd, OwnedFd};

use onair_api::{Problem, ProblemCode, Via};
use onair_ipc::sys;
use onair_settings::access::peer::Peer;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio_seqpacket::UnixSeqpacket;

use super::unproven::{Unproven, name_senders};
use crate::converter::{BridgeConnection, BridgeEnd};

/// A connected process.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) peer: Peer,
    pub(super) pidfd: OwnedFd,
    /// Before Linux 6.5: the pidfd may be another process's.
    pub(super) unproven: Option<Unproven>,
    /// Of the daemon's own converter.
    pub(super) end: Option<BridgeEnd>,
}

impl From<BridgeConnection> for Identity {
    fn from(made: BridgeConnection) -> Self {
        Self {
            peer: made.peer,
            pidfd: made.pidfd,
            unproven: None,
            end: Some(made.end),
        }
    }
}

pub(super) fn identify(socket: &UnixSeqpacket) -> Result<Identity, Problem> {
    identity(socket, sys::peer_pidfd(borrow(socket)).ok())
}

/// `by_socket`: the connection's pidfd, where the kernel gives it.
fn identity(socket: &UnixSeqpacket, by_socket: Option<OwnedFd>) -> Result<Identity, Problem> {
    let failed = |what: &str| Problem::new(ProblemCode::Forbidden, what);
    let credentials = socket
        .peer_cred()
        .map_err(|error| failed(&format!("cannot read the peer's credentials: {error}")))?;
    let pid = credentials.pid().and_then(Pid::from_raw).ok_or_else(|| {
        failed(
            "your process is not visible from the daemon's pid namespace: run the daemon in \
                 the host's (hostPID: true), or the client beside it",
        )
    })?;
    let number = pid.as_raw_nonzero().get().unsigned_abs();
    let (pidfd, unproven) = match by_socket {
        Some(pidfd) => (pidfd, None),
        None => {
            let by_number = open_by_number(socket, pid);
            let pidfd =
                by_number.map_err(|error| failed(&format!("your process has ended: {error}")))?;
            (pidfd, Some(Unproven::new(number, borrow(socket))))
        }
    };
    let peer = Peer::read(
        borrow(socket),
        credentials.uid(),
        credentials.gid(),
        number,
        Via::Attach,
    );
    Ok(Identity {
        peer,
        pidfd,
        unproven,
        end: None,
    })
}

fn open_by_number(socket: &UnixSeqpacket, pid: Pid) -> std::io::Result<OwnedFd> {
    name_senders(borrow(socket), true)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

pub(super) fn borrow(socket: &UnixSeqpacket) -> BorrowedFd<'_> {
    socket.as_async_fd().get_ref().as_fd()
}

#[expect(
    deprecated,
    reason = "the replacement is unsafe; an OwnedFd never changes the descriptor it has"
)]
pub(super) fn watch(pidfd: &OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(pidfd.try_clone()?, tokio::io::Interest::READABLE)
}
