//! `upgrade`, of a played daemon and a scripted `onaird`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use onair_api::{Problem, ProblemCode};
use serde_json::{Value, json};

use crate::support::{Played, Ran, all_in, health, listed, ran, session};

/// No process has it: the program that runs cannot be read, and its version counts.
const OLD_PID: u32 = u32::MAX;
const STOP: &str = "upgrade --stop-sessions --timeout 1s";

/// Of the daemon that takes over.
const NEW_PID: u32 = OLD_PID - 1;

/// A machine on which `onaird` 0.2.0 is installed.
struct Machine {
    folder: tempfile::TempDir,
    check: &'static str,
    answers: Vec<(&'static str, Value)>,
}

fn running(version: &str, pid: u32) -> Value {
    let mut health = health(true);
    health["version"] = json!(version);
    health["pid"] = json!(pid);
    health
}

/// `cam1`, as it is in a list.
fn cam1(is_persistent: bool, state: &str) -> Value {
    let (mut one, mut view) = (listed(), session());
    view["persistent"] = json!(is_persistent);
    one["state"] = json!(state);
    one["view"] = view;
    json!({"sessions": [one]})
}

impl Machine {
    /// Of these sessions of the old daemon, and of the new one.
    fn new(before: Value, after: Value) -> Self {
        let sessions = "GET /v1/sessions?full=true";
        Self {
            // On the file system of the program, which gets another name there.
            folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(),
            check: "exit 0",
            answers: vec![
                ("GET /v1/health", running("0.1.0", OLD_PID)),
                ("GET /v1/health", running("0.2.0", NEW_PID)),
                (
                    "GET /v1/config",
                    json!({"file": "/x.toml", "active": {}, "last_reload": null}),
                ),
                ("GET /v1/recordings", json!({"recordings": []})),
                (
                    "POST /v1/upgrade",
                    json!({"pid": NEW_PID, "version": "0.2.0"}),
                ),
                (sessions, before),
                (sessions, after),
            ],
        }
    }

    /// What it prints, and whether the daemon was asked for the upgrade.
    fn run(&self, args: &str) -> (Ran, bool) {
        let folder = self.folder.path();
        let own = folder.join("onairctl");
        if !own.exists() {
            fs::hard_link(env!("CARGO_BIN_EXE_onairctl"), &own).unwrap();
        }
        program(
            &folder.join("onaird"),
            &format!(
                "[ $1 != --version ] || {{ echo onaird 0.2.0; exit 0; }}\n{}",
                self.check
            ),
        );
        let daemon = Played::script(&self.answers);
        let mut command = Command::new(own);
        command
            .args(args.split(' '))
            .env("ONAIR_SOCKET", &daemon.socket)
            .env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
        let ran = ran(&mut command);
        let mut requests = daemon.requests.try_iter();
        let is_upgrade = requests.any(|it| it.line.starts_with("POST /v1/upgrade "));
        (ran, is_upgrade)
    }
}

fn program(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn upgrade_with_sessions_on_air_then_only_with_consent() {
    let machine = Machine::new(cam1(true, "running"), cam1(true, "running"));
    for args in [
        "upgrade",
        "upgrade --dry-run",
        "upgrade --json",
        "upgrade --dry-run --json",
    ] {
        let (ran, is_upgrade) = machine.run(args);
        assert_eq!((ran.code, is_upgrade), (4, false), "{args}: {ran:?}");
        all_in(&ran.err, &["1 session is on air", "--stop-sessions"]);
        all_in(&ran.out, &["cam1", "0.1.0", "0.2.0"]);
    }
    let (ran, is_upgrade) = machine.run("upgrade --stop-sessions --dry-run");
    assert_eq!((ran.code, is_upgrade), (0, false), "{ran:?}");
    assert!(ran.out.contains("back (persistent)"), "{ran:?}");
    let (ran, is_upgrade) = machine.run(STOP);
    assert_eq!((ran.code, is_upgrade), (0, true), "{ran:?}");
    let (ran, _) = machine.run(&format!("{STOP} --json"));
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(document["restarted"]["version"], "0.2.0");
    assert_eq!(document["running"]["version"], "0.1.0");
    assert_eq!(document["sessions"][0]["comes_back"], true);
}

#[test]
fn upgrade_with_nothing_on_air_then_at_once() {
    let none = || json!({"sessions": []});
    for before in [none(), cam1(false, "stopped")] {
        let (ran, is_upgrade) = Machine::new(before, none()).run("upgrade");
        assert_eq!((ran.code, is_upgrade), (0, true), "{ran:?}");
    }
}

#[test]
fn upgrade_with_the_installed_program_running_then_nothing() {
    let mut machine = Machine::new(cam1(false, "running"), json!({"sessions": []}));
    machine.answers[0].1 = running("0.2.0", OLD_PID);
    let (ran, is_upgrade) = machine.run("upgrade");
    assert_eq!((ran.code, is_upgrade), (0, false), "{ran:?}");
    assert!(ran.out.contains("nothing to do"), "{ran:?}");
    let (ran, is_upgrade) = machine.run(&format!("{STOP} --again"));
    assert_eq!((ran.code, is_upgrade), (0, true), "{ran:?}");
    assert!(ran.out.contains("the installed program"), "{ran:?}");
    // Another file of the same version, as of a package that was built again.
    machine.answers[0].1 = running("0.2.0", std::process::id());
    assert_eq!(machine.run("upgrade").0.code, 4);
}

#[test]
fn upgrade_that_is_refused_then_the_daemon_goes_on() {
    let refused = |code: ProblemCode, detail: &str| json!(Problem::new(code, detail));
    let none = || json!({"sessions": []});
    let mut machine = Machine::new(none(), none());
    machine.check = "echo no port >&2; exit 6";
    let (ran, is_upgrade) = machine.run(STOP);
    assert_eq!((ran.code, is_upgrade), (1, false), "{ran:?}");
    let said = "refuses the configuration: no port";
    assert!(ran.err.contains(said), "{ran:?}");
    for (answer, said) in [
        (
            refused(ProblemCode::NotReplaced, "it has ended: exit status: 1"),
            "did not take over: it has ended: exit status: 1",
        ),
        (
            refused(ProblemCode::NotFound, "no such path"),
            "systemctl restart onaird",
        ),
        (
            refused(ProblemCode::InProgress, "another daemon takes over"),
            "another daemon takes over",
        ),
    ] {
        let mut machine = Machine::new(none(), none());
        machine.answers[4].1 = answer;
        let (ran, is_upgrade) = machine.run(STOP);
        assert_eq!((ran.code, is_upgrade), (1, true), "{ran:?}");
        assert!(ran.err.contains(said), "{ran:?}");
    }
}

#[test]
fn upgrade_whose_daemon_is_not_well_then_the_way_back() {
    type Fault = (fn(&mut Machine), &'static str);
    let faults: [Fault; 3] = [
        (
            |it| it.answers[1].1 = running("0.1.0", OLD_PID),
            "onaird 0.1.0, pid 4294967295, answers",
        ),
        (
            |it| it.answers[1].1["ready"] = json!(false),
            "is not ready: the probe does not see",
        ),
        (
            |it| it.answers[6].1 = json!({"sessions": []}),
            "cam1 is not running",
        ),
    ];
    for (fault, said) in faults {
        let mut machine = Machine::new(cam1(true, "running"), cam1(true, "running"));
        fault(&mut machine);
        let (ran, is_upgrade) = machine.run(STOP);
        assert_eq!((ran.code, is_upgrade), (1, true), "{ran:?}");
        all_in(
            &ran.err,
            &[said, "journalctl -u onaird", "./onair_0.1.0-*.deb"],
        );
    }
}
