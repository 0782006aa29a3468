//! Who may reach the daemon, and where it writes.

use std::path::Path;

use onair_settings::config::Config;
use rustix::fs::statvfs;

use crate::sockets::socket_file::resolve_group;

use super::finding::Finding;

/// The log of certificates, the journal and some sessions.
const ROOM_BYTES: u64 = 4 << 20;

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
    findings
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
