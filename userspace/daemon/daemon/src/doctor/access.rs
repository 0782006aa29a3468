//! Who may reach the daemon, and where it writes.

use std::ffi::CString;
use std::path::Path;

use nix::unistd::{User, getgrouplist};
use onair_settings::config::{Config, Control, Role};
use rustix::fs::statvfs;

use crate::sockets::socket_file::{resolve_group, resolve_user};

use super::finding::Finding;

/// The log of certificates, the journal and some sessions.
const ROOM_BYTES: u64 = 4 << 20;
/// The settings of onair-nmos, and the user of its unit.
const NMOS_SETTINGS: &str = "/etc/onair/nmos.toml";
const NMOS_USER: &str = "onair-nmos";

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(group) = &config.control.group {
        let check = "socket group";
        findings.push(match resolve_group(group) {
            Ok(_) => Finding::ok(check, group),
            Err(error) => Finding::fail(check, error.to_string()).because(
                "the sockets belong to this group",
                format!("groupadd --system {group}, or change control.group"),
            ),
        });
    }
    for (key, path) in [
        ("control.socket", config.control.socket.parent()),
        ("attach.socket", config.attach.socket.parent()),
        ("state.dir", config.state.dir.parent()),
    ] {
        let Some(folder) = path else { continue };
        let check = format!("folder: {key}");
        let shown = folder.display();
        findings.push(if folder.is_dir() {
            Finding::ok(check, shown.to_string())
        } else {
            Finding::warning(check, format!("there is no {shown}")).because(
                "the daemon writes there; its unit makes /run/onair and /var/lib/onair",
                format!("mkdir -p {shown}, or start the daemon with its unit"),
            )
        });
    }
    findings.extend(room(&config.state.dir));
    if config.file.is_some() && Path::new(NMOS_SETTINGS).exists() {
        findings.push(nmos(&config.control, NMOS_USER));
    }
    findings
}

/// Whether the user of onair-nmos may do what controllers ask for.
fn nmos(control: &Control, user: &str) -> Finding {
    let check = "nmos";
    let lack = match ids(user) {
        Some((uid, groups)) => lacks(control, uid, &groups),
        None => Some(Lack::User),
    };
    let Some(lack) = lack else {
        return Finding::ok(check, format!("{user} connects, with the role operate"));
    };
    let group = control.group.as_deref().unwrap_or("onair");
    let (found, mend) = match lack {
        Lack::User => (
            format!("there is no user {user}"),
            "install the package onair-nmos".to_owned(),
        ),
        Lack::Socket => (
            format!("the control socket refuses {user}"),
            format!("set control.group = \"{group}\", and usermod -aG {group} {user}"),
        ),
        Lack::Role => (
            format!("{user} does not have the role operate"),
            format!("add [[control.role]] with user = \"{user}\" and role = \"operate\""),
        ),
    };
    Finding::warning(check, found).because(
        "NMOS controllers see no session, or cannot switch one",
        mend,
    )
}

/// A right or group that a user lacks to operate sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lack {
    /// The user itself.
    User,
    /// Permission to connect to the control socket.
    Socket,
    /// The role `operate`.
    Role,
}

/// The uid and all gids of a user.
fn ids(user: &str) -> Option<(u32, Vec<u32>)> {
    let found = User::from_name(user).ok()??;
    let groups = getgrouplist(&CString::new(user).ok()?, found.gid).ok()?;
    let groups = groups.into_iter().map(nix::unistd::Gid::as_raw);
    Some((found.uid.as_raw(), groups.collect()))
}

/// The first thing that a user with this uid and these gids lacks.
fn lacks(control: &Control, uid: u32, gids: &[u32]) -> Option<Lack> {
    let is_member = |group: &String| resolve_group(group).is_ok_and(|gid| gids.contains(&gid));
    let is_user = |user: &String| resolve_user(user).is_ok_and(|it| it == uid);
    let in_group = control.group.as_ref().is_some_and(is_member);
    // A connection needs the permission to write (unix(7)).
    let mode = u32::from_str_radix(&control.mode, 8).unwrap_or_default();
    if !(mode & 0o002 != 0 || in_group && mode & 0o020 != 0) {
        return Some(Lack::Socket);
    }
    let by_group = in_group && control.group_role == Role::Operate;
    let mut operators = control.role.iter().filter(|it| it.role == Role::Operate);
    let operates = operators.any(|it| {
        it.user.as_ref().is_some_and(is_user) || it.group.as_ref().is_some_and(is_member)
    });
    (!by_group && !operates).then_some(Lack::Role)
}

/// Whether `state.dir` has room for what the daemon writes there first. `None`: there is no such folder yet.
fn room(state: &Path) -> Option<Finding> {
    let check = "room: state.dir";
    let free = statvfs(state).ok()?;
    let bytes = free.f_bavail.saturating_mul(free.f_frsize);
    let found = format!("{} MiB free in {}", bytes >> 20, state.display());
    if bytes >= ROOM_BYTES {
        return Some(Finding::ok(check, found));
    }
    let mend = "make room on this file system";
    // A disk that is full takes no new folder.
    let folders = ["certificates", "sessions"].map(|name| state.join(name));
    Some(match folders.iter().all(|it| it.is_dir()) {
        true => Finding::warning(check, found).because(
            "the daemon starts; it keeps certificates and changes of sessions in memory until there is room",
            mend,
        ),
        false => Finding::fail(check, found).because("the daemon makes its folders there", mend),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_settings::config::RoleOf;

    fn control(group: Option<&str>, mode: &str, role: Option<RoleOf>) -> Control {
        Control {
            group: group.map(str::to_owned),
            mode: mode.to_owned(),
            role: role.into_iter().collect(),
            ..Control::default()
        }
    }

    fn of(user: Option<&str>, group: Option<&str>, role: Role) -> Option<RoleOf> {
        let [user, group] = [user, group].map(|it| it.map(str::to_owned));
        Some(RoleOf { user, group, role })
    }

    #[test]
    fn user_of_nmos_then_what_it_lacks_first() {
        let operate = Role::Operate;
        for (control, expected) in [
            (control(None, "0660", None), Some(Lack::Socket)),
            (control(Some("79"), "0660", None), Some(Lack::Socket)),
            (control(Some("77"), "0600", None), Some(Lack::Socket)),
            (control(Some("77"), "0660", None), Some(Lack::Role)),
            (control(None, "0666", None), Some(Lack::Role)),
            (
                control(Some("77"), "0660", of(Some("1001"), None, operate)),
                Some(Lack::Role),
            ),
            (
                control(Some("77"), "0660", of(Some("1000"), None, Role::Own)),
                Some(Lack::Role),
            ),
            (
                control(Some("77"), "0660", of(Some("1000"), None, operate)),
                None,
            ),
            (
                control(Some("77"), "0660", of(None, Some("78"), operate)),
                None,
            ),
            (
                Control {
                    group_role: operate,
                    ..control(Some("77"), "0660", None)
                },
                None,
            ),
        ] {
            assert_eq!(lacks(&control, 1000, &[77, 78]), expected, "{control:?}");
        }
    }

    #[test]
    fn user_of_nmos_lacks_something_then_advice_with_its_name() {
        let missing = nmos(&Control::default(), "onair-no-such-user");
        assert!(missing.mend.contains("package onair-nmos"), "{missing:?}");
        let refused = nmos(&Control::default(), "root");
        assert!(
            refused.mend.contains("usermod -aG onair root"),
            "{refused:?}"
        );
        let without = nmos(&control(None, "0666", None), "root");
        assert!(without.mend.contains("user = \"root\""), "{without:?}");
        let well = control(None, "0666", of(Some("root"), None, Role::Operate));
        assert!(nmos(&well, "root").mend.is_empty());
    }
}
