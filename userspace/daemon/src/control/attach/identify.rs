//! Identifies the connected process, and how to detect its death.

use std::os::fd::{BorrowedFd, OwnedFd};

use onair_ipc::sys;
use onair_types::{Problem, ProblemCode, Via};
use rustix::process::{PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio_seqpacket::UnixSeqpacket;

use crate::peer::Peer;

pub(super) fn identify(socket: &UnixSeqpacket) -> Result<(Peer, OwnedFd), Problem> {
    let failed = |what: &str| Problem::new(ProblemCode::Forbidden, what);
    let credentials = socket
        .peer_cred()
        .map_err(|error| failed(&format!("cannot read the peer's credentials: {error}")))?;
    let pid = credentials
        .pid()
        .and_then(|pid| u32::try_from(pid).ok())
        .filter(|pid| *pid != 0)
        .ok_or_else(|| {
            failed(
                "your process is not visible from the daemon's pid namespace: run the daemon in \
                 the host's (hostPID: true), or the client beside it",
            )
        })?;
    let by_socket = sys::peer_pidfd(borrow(socket));
    let pidfd = by_socket.or_else(|_| {
        // Linux before 6.5: by pid. The connection is new, so the pid is still valid.
        let pid = i32::try_from(pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))?;
        pidfd_open(pid, PidfdFlags::empty()).map_err(std::io::Error::from)
    });
    let pidfd = pidfd.map_err(|error| failed(&format!("your process has ended: {error}")))?;
    let peer = Peer::read(
        borrow(socket),
        credentials.uid(),
        credentials.gid(),
        pid,
        Via::Attach,
    );
    Ok((peer, pidfd))
}

fn borrow(socket: &UnixSeqpacket) -> BorrowedFd<'_> {
    socket.as_async_fd().get_ref().as_fd()
}

#[expect(
    deprecated,
    reason = "the replacement is unsafe; an OwnedFd never changes the descriptor it has"
)]
pub(super) fn watch(pidfd: &OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(pidfd.try_clone()?, tokio::io::Interest::READABLE)
}
