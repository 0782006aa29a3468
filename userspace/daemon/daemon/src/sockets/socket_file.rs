//! The file of a listening Unix socket: created with its permissions before any process can
//! connect, taken over from a daemon that was killed, removed at the end.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use onair_ipc::sys::refuse_descriptors;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};

/// Length of the accept queue, in connections.
const BACKLOG: i32 = 128;

/// A listening socket, and its file.
#[derive(Debug)]
pub struct BoundSocket {
    /// The socket: non-blocking, close-on-exec.
    pub socket: OwnedFd,
    /// Removes the file on drop.
    pub file: SocketFile,
}

/// The file of a listening socket. On drop, the file is removed if it is still the same one.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    /// The socket's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the file: another daemon has the socket.
    pub fn leave(self) {
        std::mem::forget(self);
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let mine = fs::symlink_metadata(&self.path)
            .is_ok_and(|meta| (meta.dev(), meta.ino()) == self.identity);
        if mine && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket's file");
        }
    }
}

/// Listens at `path` with a socket of `kind` (`STREAM` or `SEQPACKET`); the file gets `mode`
/// (permission bits) and, if given, the group `group` (a gid). A missing folder is created (0755). The
/// kernel refuses descriptors that a peer sends, where it can.
///
/// A file that a killed daemon left behind is replaced: a socket on which no process listens.
///
/// # Errors
/// [`SocketError`]: another process listens there, the file is not a socket, or the system refuses.
pub fn bind_socket(
    path: &Path,
    kind: SocketType,
    mode: u32,
    group: Option<u32>,
) -> Result<BoundSocket, SocketError> {
    let refused = |what: &'static str| {
        move |error: io::Error| SocketError::System {
            path: path.to_owned(),
            what,
            error,
        }
    };
    let address = SocketAddrUnix::new(path).map_err(|_| SocketError::Path(path.to_owned()))?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(refused("create the folder"))?;
    }
    if remove_stale(path)? {
        tracing::info!(path = %path.display(), "removed the socket of a daemon that was killed");
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, kind, flags, None)
        .map_err(|e| refused("create a socket")(e.into()))?;
    bind(&socket, &address).map_err(|e| refused("bind")(e.into()))?;
    // No process can connect before listen(), so none can connect with the file's first
    // permissions.
    let file = file_of(path, mode, group)?;
    // Before the first connection, which has the option from its listener. On older kernels a program of
    // the daemon's does it.
    let _ = refuse_descriptors(socket.as_fd());
    listen(&socket, BACKLOG).map_err(|e| refused("listen")(e.into()))?;
    Ok(BoundSocket { socket, file })
}

/// A socket that listens at `path` already, of a daemon that has left it. Its file gets `mode` and `group` as by
/// [`bind_socket`].
///
/// # Errors
/// [`SocketError`]: the file is gone, or the system refuses.
pub fn inherit_socket(
    socket: OwnedFd,
    path: &Path,
    mode: u32,
    group: Option<u32>,
) -> Result<BoundSocket, SocketError> {
    let file = file_of(path, mode, group)?;
    Ok(BoundSocket { socket, file })
}

/// The file of a socket, with its permissions.
fn file_of(path: &Path, mode: u32, group: Option<u32>) -> Result<SocketFile, SocketError> {
    let refused = |what: &'static str| {
        move |error: io::Error| SocketError::System {
            path: path.to_owned(),
            what,
            error,
        }
    };
    let meta = fs::symlink_metadata(path).map_err(refused("read the file's status"))?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: (meta.dev(), meta.ino()),
    };
    if let Some(group) = group {
        std::os::unix::fs::chown(path, None, Some(group)).map_err(refused("set the group"))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(refused("set the mode"))?;
    Ok(file)
}

/// A datagram socket that is bound to `path`, for its owner alone (0600). A file that a killed process
/// left there is replaced.
///
/// # Errors
/// [`SocketError`]: another process has it, the file is not a socket, or the system refuses.
pub fn bind_datagram(path: &Path) -> Result<(UnixDatagram, SocketFile), SocketError> {
    let refused = |what: &'static str| {
        move |error: io::Error| SocketError::System {
            path: path.to_owned(),
            what,
            error,
        }
    };
    remove_stale(path)?;
    let socket = UnixDatagram::bind(path).map_err(refused("bind"))?;
    let _ = refuse_descriptors(socket.as_fd());
    let meta = fs::symlink_metadata(path).map_err(refused("read the file's status"))?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: (meta.dev(), meta.ino()),
    };
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        .map_err(refused("set the mode"))?;
    Ok((socket, file))
}

/// Removes the file of a socket on which no process listens, as a killed daemon leaves it. Returns
/// whether there was one.
///
/// # Errors
/// [`SocketError`]: another process listens there, the file is not a socket, or the system refuses.
pub fn remove_stale(path: &Path) -> Result<bool, SocketError> {
    let system = |what: &'static str, error: io::Error| SocketError::System {
        path: path.to_owned(),
        what,
        error,
    };
    let address = SocketAddrUnix::new(path).map_err(|_| SocketError::Path(path.to_owned()))?;
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(system("read the file's status", error)),
        Ok(meta) if !meta.file_type().is_socket() => {
            return Err(SocketError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    // Non-blocking: a full backlog means a living daemon, and must not hang this one.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(|e| system("create a socket", e.into()))?;
    match connect(&probe, &address) {
        Err(Errno::CONNREFUSED) => {
            fs::remove_file(path).map_err(|e| system("remove the stale file", e))?;
            Ok(true)
        }
        // PROTOTYPE: another process listens with another kind of socket.
        Ok(()) | Err(Errno::AGAIN | Errno::PROTOTYPE) => Err(SocketError::InUse(path.to_owned())),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(system("check for another listener", error.into())),
    }
}

/// The gid of `group`, a name or a number.
///
/// # Errors
/// [`SocketError::Group`] if the system knows no such group.
pub fn resolve_group(group: &str) -> Result<u32, SocketError> {
    if let Ok(gid) = group.parse() {
        return Ok(gid);
    }
    match nix::unistd::Group::from_name(group) {
        Ok(Some(found)) => Ok(found.gid.as_raw()),
        Ok(None) | Err(_) => Err(SocketError::Group(group.to_owned())),
    }
}

/// The uid of `user`, a name or a number.
///
/// # Errors
/// [`SocketError::User`] if the system knows no such user.
pub fn resolve_user(user: &str) -> Result<u32, SocketError> {
    if let Ok(uid) = user.parse() {
        return Ok(uid);
    }
    match nix::unistd::User::from_name(user) {
        Ok(Some(found)) => Ok(found.uid.as_raw()),
        Ok(None) | Err(_) => Err(SocketError::User(user.to_owned())),
    }
}

/// Why a socket is not available.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another process listens there.
    #[error("{}: another process listens there: stop it, or configure another path", .0.display())]
    InUse(PathBuf),
    /// The file is not a socket.
    #[error("{}: the file is not a socket: move it away, or configure another path", .0.display())]
    NotASocket(PathBuf),
    /// The path is too long or empty (unix(7): 107 bytes).
    #[error("{}: invalid path for a socket: give one of at most 107 bytes", .0.display())]
    Path(PathBuf),
    /// The group does not exist.
    #[error("group {0:?} is unknown: create it (groupadd --system {0}) or configure another")]
    Group(String),
    /// The user does not exist.
    #[error("user {0:?} is unknown: create it (useradd --system {0}) or configure another")]
    User(String),
    /// A system call failed.
    #[error("{}: cannot {what}: {error}", path.display())]
    System {
        /// The socket's path.
        path: PathBuf,
        /// The operation that failed.
        what: &'static str,
        /// The system's error.
        error: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};

    fn bind_at(path: &Path) -> Result<BoundSocket, SocketError> {
        bind_socket(path, SocketType::STREAM, 0o640, None)
    }

    #[test]
    fn socket_bind_and_drop_then_mode_is_set_and_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/control.sock");
        let bound = bind_at(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);
        UnixStream::connect(&path).unwrap();
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn socket_left_by_a_killed_daemon_then_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let bound = bind_at(&path).unwrap();
        UnixStream::connect(bound.file.path()).unwrap();
    }

    #[test]
    fn socket_with_a_listener_then_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let _living = UnixListener::bind(&path).unwrap();
        assert!(matches!(bind_at(&path), Err(SocketError::InUse(_))));
        let other = bind_socket(&path, SocketType::SEQPACKET, 0o600, None);
        assert!(matches!(other, Err(SocketError::InUse(_))));
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn socket_file_in_the_way_then_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(bind_at(&path), Err(SocketError::NotASocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn socket_taken_over_by_another_then_drop_leaves_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let first = bind_at(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = bind_at(&path).unwrap();
        drop(first);
        UnixStream::connect(second.file.path()).unwrap();
    }

    #[test]
    fn datagram_socket_replaced_only_if_its_process_is_dead() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.ptp");
        let (living, file) = bind_datagram(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert!(matches!(bind_datagram(&path), Err(SocketError::InUse(_))));
        // As a killed process leaves it.
        std::mem::forget(file);
        drop(living);
        assert!(path.exists());
        drop(bind_datagram(&path).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn socket_path_too_long_then_said() {
        let path = PathBuf::from(format!("/tmp/{}", "x".repeat(120)));
        assert!(matches!(bind_at(&path), Err(SocketError::Path(_))));
    }

    #[test]
    fn group_by_name_and_number_then_resolved() {
        assert_eq!(resolve_group("root").unwrap(), 0);
        assert_eq!(resolve_group("4711").unwrap(), 4711);
        assert!(matches!(
            resolve_group("no such"),
            Err(SocketError::Group(_))
        ));
        assert_eq!(resolve_user("root").unwrap(), 0);
        assert_eq!(resolve_user("4711").unwrap(), 4711);
        assert!(matches!(resolve_user("no such"), Err(SocketError::User(_))));
    }
}
