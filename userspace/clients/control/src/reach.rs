//! Why a socket cannot be reached, and what to do.

use std::io::{Error, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::{getegid, geteuid, getgroups};

/// Advice about `error` of a connection to the control socket at `path`.
pub(crate) fn advice(error: &Error, path: &Path) -> String {
    let text = match error.kind() {
        ErrorKind::NotFound => "start onaird, or give its socket with --socket or ONAIR_SOCKET",
        ErrorKind::ConnectionRefused => {
            "no process listens on it (the daemon was killed); start onaird"
        }
        ErrorKind::PermissionDenied => return permission(path, &User::current()),
        _ => "check that the path is onaird's control socket",
    };
    text.to_owned()
}

/// The credentials that decide about a file.
struct User {
    uid: u32,
    groups: Vec<u32>,
}

impl User {
    fn current() -> Self {
        let more = getgroups().unwrap_or_default();
        let groups = more.into_iter().chain([getegid()]);
        Self {
            uid: geteuid().as_raw(),
            groups: groups.map(rustix::process::Gid::as_raw).collect(),
        }
    }

    /// The bits of `mode` that hold for this user, and whose they are.
    fn bits(&self, mode: u32, uid: u32, gid: u32) -> (u32, Class) {
        if self.uid == uid {
            (mode >> 6 & 7, Class::Owner)
        } else if self.groups.contains(&gid) {
            (mode >> 3 & 7, Class::Group)
        } else {
            (mode & 7, Class::Other)
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Owner,
    Group,
    Other,
}

const WRITE: u32 = 2;
const SEARCH: u32 = 1;

/// The obstacle between `user` and the socket at `path`: a folder above it, its mode or its group.
fn permission(path: &Path, user: &User) -> String {
    let mut folders: Vec<_> = path.ancestors().skip(1).collect();
    folders.reverse();
    for folder in folders {
        let Ok(about) = folder.metadata() else {
            continue;
        };
        let (bits, _) = user.bits(about.mode(), about.uid(), about.gid());
        if bits & SEARCH == 0 {
            let (folder, mode) = (folder.display(), about.mode() & 0o7777);
            return format!(
                "uid {} may not enter {folder} (mode {mode:04o}); run this as root",
                user.uid
            );
        }
    }
    let Ok(about) = path.metadata() else {
        return "run this as root".to_owned();
    };
    let (mode, gid) = (about.mode() & 0o7777, about.gid());
    match user.bits(mode, about.uid(), gid) {
        (bits, _) if bits & WRITE != 0 => {
            "its mode permits it, so a security module or the mount forbids it; run this as root"
                .to_owned()
        }
        (_, Class::Other) if mode & 0o020 != 0 => {
            format!("run this as root, or log in again as a member of its group (gid {gid})")
        }
        (_, Class::Group) => format!(
            "this user is in its group (gid {gid}), but the mode {mode:04o} does not let the group \
             connect; run this as root, or set control.mode or attach.mode"
        ),
        _ => format!(
            "the mode {mode:04o} lets only uid {} connect; run this as root, or set the socket's \
             group and mode in the configuration",
            about.uid()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn permission_denied_then_what_is_really_missing() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let socket = inner.join("control.sock");
        fs::write(&socket, "").unwrap();
        let about = socket.metadata().unwrap();
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let other_user = User {
            uid: about.uid() + 4711,
            groups: vec![about.gid() + 4711],
        };
        let member = User {
            groups: vec![about.gid()],
            ..other_user
        };
        set(&inner, 0o750);
        set(&socket, 0o660);
        let said = permission(&socket, &other_user);
        assert!(said.contains("may not enter"), "{said}");
        set(&inner, 0o755);
        let said = permission(&socket, &other_user);
        assert!(said.contains("member of its group"), "{said}");
        set(&socket, 0o600);
        let said = permission(&socket, &member);
        assert!(said.contains("is in its group"), "{said}");
        let other_user = User {
            groups: Vec::new(),
            ..member
        };
        let said = permission(&socket, &other_user);
        assert!(said.contains("lets only uid"), "{said}");
    }
}
