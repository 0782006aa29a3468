//! Who may reach the daemon, and where it writes.

use crate::config::Config;
use crate::sockets::socket_file::resolve_group;

use super::finding::Finding;

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
    findings
}
