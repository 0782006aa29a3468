//! Ends: evictions, dry runs, probes for an orchestrator, the daemon's own.

use onair_api::ProblemCode;
use serde_json::{Value, json};

use crate::support::{AT, Played, Ran, all_in, blocker, health, reading, session};

fn stopped() -> Value {
    let mut view = session();
    view["state"] = json!("stopped");
    view
}

/// Runs `args` against a daemon with this session and this verdict.
fn forecast(view: &Value, destroyable: bool, args: &str) -> Ran {
    let verdict = json!({"destroyable": destroyable, "disagreement": false,
        "reason": "W1 (ledger): 1 frame lent", "at": AT, "readings": [reading()]});
    let blockers =
        json!({"session": view["id"], "name": "cam1", "at": AT, "blockers": [blocker()]});
    let daemon = Played::script(&[
        ("GET /v1/sessions/cam1", view.clone()),
        ("GET /v1/sessions/cam1/verdict", verdict),
        ("GET /v1/sessions/cam1/blockers", blockers),
    ]);
    let ran = daemon.run(args);
    let sent: Vec<_> = daemon.requests.try_iter().map(|it| it.line).collect();
    assert!(sent.iter().all(|it| it.starts_with("GET ")), "{sent:?}");
    ran
}

#[test]
fn dry_run_each_operation_and_state_then_0_or_4_and_no_change() {
    let with = |state: &str| {
        let mut view = session();
        view["state"] = json!(state);
        view
    };
    for (operation, state, destroyable, code) in [
        ("destroy cam1", "stopped", true, 0),
        ("destroy cam1", "stopped", false, 4),
        ("destroy cam1", "created", true, 0),
        ("destroy cam1", "running", false, 4),
        ("destroy cam1", "draining", true, 4),
        ("destroy cam1", "quarantined", true, 4),
        ("quarantine cam1", "stopped", false, 0),
        ("quarantine cam1", "running", false, 4),
        ("quarantine cam1", "quarantined", false, 4),
        ("abort cam1", "running", false, 0),
        ("abort cam1", "draining", false, 0),
        ("abort cam1", "quarantined", false, 4),
        ("evict cam1 --all", "running", false, 0),
        ("evict cam1 --pid 4711", "stopped", false, 0),
        ("evict cam1 --attachment 1", "running", false, 0),
        ("evict cam1 --all", "quarantined", false, 4),
    ] {
        let args = format!("session {operation} --dry-run");
        let ran = forecast(&with(state), destroyable, &args);
        assert_eq!(ran.code, code, "{args} of a {state} session: {ran:?}");
    }
}

#[test]
fn dry_run_read_then_the_users_and_what_each_witness_says() {
    let ran = forecast(&stopped(), false, "session destroy cam1 --dry-run");
    all_in(
        &ran.out,
        &[
            "destroy would be refused: W1 (ledger): 1 frame lent (cam1 is stopped)",
            "Users:",
            "4712",
            "Witnesses:",
            "4711/4712",
        ],
    );
    let ran = forecast(&session(), false, "--json session abort cam1 --dry-run");
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(document["would_pass"], true);
    assert_eq!(document["evicts"], json!([1]));
    assert_eq!(document["verdict"]["destroyable"], false);
    assert_eq!(document["blockers"][0]["pid"], 4711);
}

#[test]
fn evict_of_a_process_then_each_of_its_attachments_and_no_other() {
    let mut view = session();
    let mut others = vec![view["attachments"][0].clone(); 3];
    for (attachment, pid, one) in [(1, 4711, 0), (2, 4712, 1), (3, 4711, 2)] {
        others[one]["attachment"] = json!(attachment);
        others[one]["pid"] = json!(pid);
    }
    view["attachments"] = json!(others);
    let evicted = |attachment: u64| {
        json!({"attachment": attachment, "pid": 4711, "command": "player", "at": AT,
            "cause": "requested", "callers_inside": 3, "frames_revoked": 2, "frames_set_aside": 1})
    };
    let daemon = Played::script(&[
        ("GET /v1/sessions/cam1", view),
        ("POST /v1/sessions/cam1/attachments/1/evict", evicted(1)),
        ("POST /v1/sessions/cam1/attachments/3/evict", evicted(3)),
    ]);
    let ran = daemon.run("session evict cam1 --pid 4711");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.out.lines().count(), 3, "{}", ran.out);
    all_in(&ran.out, &["TAKEN BACK", "SET ASIDE", "requested"]);
    let ran = daemon.run("session evict cam1 --pid 99");
    assert_eq!(ran.code, 5, "{ran:?}");
    all_in(
        &ran.err,
        &["no attachment of process 99", "no_such_attachment"],
    );
    let nobody = Played::document(200, &json!({"evicted": []}));
    let ran = nobody.run("session evict cam1 --all");
    assert_eq!((ran.code, &*ran.out), (0, "No client was attached.\n"));
}

#[test]
fn health_asked_by_a_probe_then_one_line_and_its_exit_code() {
    let ready = Played::document(200, &health(true));
    let unready = Played::document(503, &health(false));
    let ending = Played::code(ProblemCode::ShuttingDown);
    let wedged = Played::code(ProblemCode::Overloaded);
    for (daemon, args, code, line) in [
        (&ready, "health --live", 0, "live, degraded\n"),
        (&unready, "health --live", 0, "live, probe_blind\n"),
        (&ending, "health --live", 0, "live, shutting down\n"),
        (&wedged, "health --live", 1, ""),
        (
            &ready,
            "health --ready",
            0,
            "ready, degraded; the probe does not see: no permission\n",
        ),
        (
            &unready,
            "health --ready",
            1,
            "not ready, probe_blind; the probe does not see: no permission\n",
        ),
        (&ending, "health --ready", 1, ""),
    ] {
        let ran = daemon.run(args);
        assert_eq!((ran.code, &*ran.out), (code, line), "{args}: {ran:?}");
    }
    let silent = Played::new(None);
    assert_eq!(silent.run("--timeout 50ms health --live").code, 3);
}

fn status(phase: &str, users: u64) -> Value {
    let phases = ["stop_accepting", "draining", "cleanup"];
    let entered = phases.iter().position(|it| *it == phase).unwrap();
    let phases: Vec<_> = phases[..=entered]
        .iter()
        .map(|it| json!({"phase": it, "at": AT}))
        .collect();
    let parts: Vec<_> = (entered == 2)
        .then(|| json!({"name": "sessions", "phase": "draining", "outcome": "done", "us": 1500}))
        .into_iter()
        .collect();
    json!({"phase": phase, "cause": "POST /v1/shutdown", "since": AT, "forced": false,
        "sessions": 2, "users": users, "operations": 1, "phases": phases, "parts": parts})
}

#[test]
fn shutdown_asked_then_the_phase_that_began() {
    let ran = Played::document(202, &status("stop_accepting", 0)).run("shutdown");
    assert_eq!(ran.code, 0, "{ran:?}");
    all_in(&ran.out, &["phase stop_accepting: POST /v1/shutdown"]);
    let ran = Played::code(ProblemCode::Forbidden).run("shutdown --watch");
    assert_eq!(ran.code, 1, "{ran:?}");
}

#[test]
fn shutdown_watched_then_phases_and_users_until_it_is_gone() {
    let daemon = Played::script(&[
        ("POST /v1/shutdown", status("stop_accepting", 0)),
        ("GET /v1/shutdown", status("draining", 12)),
        ("GET /v1/shutdown", status("draining", 12)),
        ("GET /v1/shutdown", status("draining", 3)),
        ("GET /v1/shutdown", status("cleanup", 0)),
    ]);
    let mut command = daemon.command("shutdown --watch");
    let child = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Past the last new word: then the socket goes.
    for _ in 0..6 {
        daemon.requests.recv().unwrap();
    }
    std::fs::remove_file(&daemon.socket).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let words: Vec<_> = text
        .lines()
        .map(|line| line.replace(AT, "").trim().to_owned())
        .collect();
    assert_eq!(
        words,
        [
            "stop_accepting",
            "draining",
            "12 users in 2 sessions",
            "3 users in 2 sessions",
            "cleanup",
            "sessions done in 1.5ms",
            "the daemon no longer answers",
        ]
    );
}
