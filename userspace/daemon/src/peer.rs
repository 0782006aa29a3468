//! The process at the other end of a connection.

use std::fs;
use std::sync::Arc;

use onair_types::{Via, Who, printable};

/// A connected process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its credentials, as the kernel reports them for the time of the connect.
    pub who: Who,
    /// Its supplementary groups.
    pub groups: Arc<[u32]>,
}

impl Peer {
    /// The peer with these credentials (SO_PEERCRED, unix(7)), completed from `/proc/PID`.
    ///
    /// The supplementary groups count only while `/proc/PID` still shows the uid and gid of the
    /// socket: a pid reused by another user's process adds no right. Changing them needs
    /// CAP_SETGID, so a peer cannot gain any with an exec in between.
    #[must_use]
    pub fn read(uid: u32, gid: u32, pid: u32, via: Via) -> Self {
        let status = match pid {
            0 => None,
            pid => fs::read_to_string(format!("/proc/{pid}/status")).ok(),
        };
        let groups = status
            .as_deref()
            .and_then(|status| groups_of(status, uid, gid))
            .unwrap_or_default();
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

/// Supplementary groups in a `/proc/PID/status` that belongs to (uid, gid) (proc_pid_status(5)).
fn groups_of(status: &str, uid: u32, gid: u32) -> Option<Vec<u32>> {
    let numbers = |key: &str| -> Option<Vec<u32>> {
        status
            .lines()
            .find_map(|line| line.strip_prefix(key))?
            .split_whitespace()
            .map(|number| number.parse().ok())
            .collect()
    };
    // Real, effective, saved, file system: the socket has the effective id.
    let same = numbers("Uid:")?.get(1) == Some(&uid) && numbers("Gid:")?.get(1) == Some(&gid);
    same.then(|| numbers("Groups:")).flatten()
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

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tx\nUid:\t0\t1000\t0\t0\nGid:\t0\t1001\t0\t0\nGroups:\t4 77 \n";

    #[test]
    fn groups_status_of_that_user_then_taken() {
        assert_eq!(groups_of(STATUS, 1000, 1001), Some(vec![4, 77]));
    }

    #[test]
    fn groups_status_of_another_user_then_none() {
        assert_eq!(groups_of(STATUS, 0, 1001), None);
        assert_eq!(groups_of(STATUS, 1000, 0), None);
        assert_eq!(groups_of("Uid:\tx\n", 0, 0), None);
    }

    #[test]
    fn peer_of_this_process_then_named() {
        let peer = Peer::read(0, 0, std::process::id(), Via::Control);
        assert!(!peer.who.command.is_empty(), "{peer:?}");
    }

    #[test]
    fn peer_out_of_sight_then_nameless_without_groups() {
        let peer = Peer::read(5, 5, 0, Via::Control);
        assert!(peer.who.command.is_empty() && peer.groups.is_empty());
    }
}
