//! `upgrade`, beside a scripted systemctl and a scripted `onaird`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::documents::{all_in, health, listed, session};
use crate::support::played::{Played, Ran, ran};

/// No process has it: the program that runs cannot be read, and its version counts.
const OLD_PID: u32 = u32::MAX;
const STOP: &str = "upgrade --stop-sessions --timeout 1s";

/// A machine on which `onaird` 0.2.0 is installed.
struct Machine {
    folder: tempfile::TempDir,
    restart: &'static str,
    main_pid: String,
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
            restart: "exit 0",
            main_pid: OLD_PID.to_string(),
            check: "exit 0",
            answers: vec![
                ("GET /v1/health", running("0.1.0", OLD_PID)),
                ("GET /v1/health", running("0.2.0", OLD_PID - 1)),
                (
                    "GET /v1/config",
                    json!({"file": "/x.toml", "active": {}, "last_reload": null}),
                ),
                ("GET /v1/recordings", json!({"recordings": []})),
                (sessions, before),
                (sessions, after),
            ],
        }
    }

    fn run(&self, args: &str) -> Ran {
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
        program(
            &folder.join("systemctl"),
            &format!(
                "[ $1 != show ] || {{ echo {}; exit 0; }}\n[ $1 != restart ] || touch {}\n{}",
                self.main_pid,
                folder.join("restarted").display(),
                self.restart
            ),
        );
        let daemon = Played::script(&self.answers);
        let mut command = Command::new(own);
        command
            .args(args.split(' '))
            .env("ONAIR_SOCKET", &daemon.socket)
            .env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
        ran(&mut command)
    }

    fn is_restarted(&self) -> bool {
        self.folder.path().join("restarted").exists()
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
        let ran = machine.run(args);
        assert_eq!(ran.code, 4, "{args}: {ran:?}");
        all_in(&ran.err, &["1 session is on air", "--stop-sessions"]);
        all_in(&ran.out, &["cam1", "0.1.0", "0.2.0"]);
        assert!(!machine.is_restarted());
    }
    let ran = machine.run("upgrade --stop-sessions --dry-run");
    assert_eq!((ran.code, machine.is_restarted()), (0, false), "{ran:?}");
    assert!(ran.out.contains("back (persistent)"), "{ran:?}");
    let ran = machine.run(STOP);
    assert_eq!((ran.code, machine.is_restarted()), (0, true), "{ran:?}");
    let ran = machine.run(&format!("{STOP} --json"));
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(document["restarted"]["version"], "0.2.0");
    assert_eq!(document["running"]["version"], "0.1.0");
    assert_eq!(document["sessions"][0]["comes_back"], true);
}

#[test]
fn upgrade_with_nothing_on_air_then_at_once() {
    let none = || json!({"sessions": []});
    for before in [none(), cam1(false, "stopped")] {
        let machine = Machine::new(before, none());
        let ran = machine.run("upgrade");
        assert_eq!((ran.code, machine.is_restarted()), (0, true), "{ran:?}");
    }
}

#[test]
fn upgrade_with_the_installed_program_running_then_nothing() {
    let mut machine = Machine::new(cam1(false, "running"), json!({"sessions": []}));
    machine.answers[0].1 = running("0.2.0", OLD_PID);
    let ran = machine.run("upgrade");
    assert_eq!((ran.code, machine.is_restarted()), (0, false), "{ran:?}");
    assert!(ran.out.contains("nothing to do"), "{ran:?}");
    // Another file of the same version, as of a package that was built again.
    machine.answers[0].1 = running("0.2.0", std::process::id());
    machine.main_pid = std::process::id().to_string();
    assert_eq!(machine.run("upgrade").code, 4);
}

#[test]
fn upgrade_that_cannot_succeed_then_nothing_is_restarted() {
    type Fault = (fn(&mut Machine), &'static str);
    let faults: [Fault; 4] = [
        (
            |it| it.check = "echo no port >&2; exit 6",
            "refuses the configuration: no port",
        ),
        (|it| it.main_pid = "0".into(), "it does not run"),
        (|it| it.main_pid = "17".into(), "pid 17"),
        (
            |it| it.main_pid = "; echo not booted >&2; exit 1".into(),
            "systemd cannot restart the daemon (not booted)",
        ),
    ];
    for (fault, said) in faults {
        let mut machine = Machine::new(json!({"sessions": []}), json!({"sessions": []}));
        fault(&mut machine);
        let ran = machine.run(STOP);
        assert_eq!((ran.code, machine.is_restarted()), (1, false), "{ran:?}");
        assert!(ran.err.contains(said), "{ran:?}");
    }
}

#[test]
fn upgrade_whose_daemon_is_not_well_then_the_way_back() {
    type Fault = (fn(&mut Machine), &'static str);
    let faults: [Fault; 4] = [
        (
            |it| it.restart = "echo the job failed >&2; exit 1",
            "did not start: the job failed",
        ),
        (
            |it| it.answers[1].1 = running("0.1.0", OLD_PID - 1),
            "onaird 0.1.0 runs",
        ),
        (
            |it| it.answers[1].1["ready"] = json!(false),
            "is not ready: the probe does not see",
        ),
        (
            |it| it.answers[5].1 = json!({"sessions": []}),
            "cam1 is not running",
        ),
    ];
    for (fault, said) in faults {
        let mut machine = Machine::new(cam1(true, "running"), cam1(true, "running"));
        fault(&mut machine);
        let ran = machine.run(STOP);
        assert_eq!((ran.code, machine.is_restarted()), (1, true), "{ran:?}");
        all_in(
            &ran.err,
            &[said, "journalctl -u onaird", "./onair_0.1.0-*.deb"],
        );
    }
}
