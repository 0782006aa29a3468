//! What is packaged for the program agrees with it: its unit and its user.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::path::Path;

fn packaging(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../packaging");
    fs::read_to_string(root.join(path)).unwrap()
}

#[test]
fn unit_then_user_without_a_privilege_and_notified() {
    let unit = packaging("systemd/onair-wall.service");
    for line in [
        "Type=notify",
        concat!("ExecStart=/usr/bin/", env!("CARGO_PKG_NAME")),
        "User=onair-wall",
        "CapabilityBoundingSet=",
        "AmbientCapabilities=",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "TemporaryFileSystem=/var/lib/onair:ro",
        "BindReadOnlyPaths=-/var/lib/onair/recordings",
        "PrivateDevices=yes",
        "MemoryDenyWriteExecute=yes",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
        "RestartPreventExitStatus=2",
    ] {
        assert!(
            unit.lines().any(|it| it == line),
            "{line} is not in the unit"
        );
    }
}

#[test]
fn user_then_in_the_group_that_attaches_and_no_other() {
    let users = packaging("debian/onair-wall.sysusers");
    let groups: Vec<_> = users.lines().filter(|it| it.starts_with("m ")).collect();
    assert_eq!(groups, ["m onair-wall onair"]);
}
