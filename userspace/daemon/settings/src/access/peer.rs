//! The process at the other end of a connection.

use std::fs;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use onair_api::{Via, Who, printable};
use onair_ipc::sys;

/// A connected process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its credentials, as the kernel reports them for the time of the connect.
    pub who: Who,
    /// Its supplementary groups.
    pub groups: Arc<[u32]>,
}

impl Peer {
    /// The peer of `socket` with these credentials (SO_PEERCRED, unix(7)); its groups are those of the
    /// connect, too (SO_PEERGROUPS), also if its pid is not visible here.
    ///
    /// If the peer has exited and left its socket to another process, `pid` may be a third one's by now: then
    /// `command` names the wrong process in logs, events and certificates. No right depends on either; only the
    /// share of one process among those of its user does. The attach socket, where the death of the process counts,
    /// has a pidfd that is proven.
    #[must_use]
    pub fn read(socket: BorrowedFd<'_>, uid: u32, gid: u32, pid: u32, via: Via) -> Self {
        let groups = sys::peer_groups(socket).unwrap_or_else(|error| {
            tracing::warn!(uid, pid, %error, "a peer's supplementary groups are unknown: they give it no role");
            Vec::new()
        });
        Self {
            who: Who {
                uid,
                gid,
                pid,
                command: command_of(pid),
                via,
            },
            groups: groups.into(),
        }
    }
}

/// The process's `comm`, made printable, because the process chose it and it is shown on terminals
/// and in logs. Not its command line: reading that touches the process's own memory, which may be
/// on a file system that never answers.
#[must_use]
pub fn command_of(pid: u32) -> String {
    if pid == 0 {
        return String::new();
    }
    let comm = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    printable(String::from_utf8_lossy(&comm).trim_end_matches('\n'))
}

/// The daemon, as the requester of what it does by itself; `pid` 0: of no process in particular.
#[must_use]
pub fn this_daemon(pid: u32) -> Who {
    Who {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        pid,
        command: "onaird".into(),
        via: Via::Daemon,
    }
}

/// Whether nothing limits what a user takes or causes: root and the daemon's own.
#[must_use]
pub fn has_no_share(uid: u32) -> bool {
    [0, rustix::process::geteuid().as_raw()].contains(&uid)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn peer_of_this_process_then_named_with_its_groups() {
        let (socket, _other) = UnixStream::pair().unwrap();
        let peer = Peer::read(socket.as_fd(), 0, 0, std::process::id(), Via::Control);
        assert!(!peer.who.command.is_empty(), "{peer:?}");
        let own = rustix::process::getgroups().unwrap();
        let own: Vec<u32> = own.into_iter().map(rustix::process::Gid::as_raw).collect();
        assert_eq!(*peer.groups, *own);
    }

    #[test]
    fn peer_out_of_sight_then_nameless_and_with_its_groups() {
        let (socket, _other) = UnixStream::pair().unwrap();
        let peer = Peer::read(socket.as_fd(), 5, 5, 0, Via::Control);
        assert!(peer.who.command.is_empty(), "{peer:?}");
        let visible = Peer::read(socket.as_fd(), 5, 5, std::process::id(), Via::Control);
        assert_eq!(peer.groups, visible.groups);
    }
}
