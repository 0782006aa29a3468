//! What the program shows.

use onair_api::{Problem, ProblemCode, SpecError};
use serde_json::{Value, json};

use crate::played::Played;

const AT: &str = "2025-11-20T07:36:00.123456Z";

fn who() -> Value {
    json!({"uid": 0, "gid": 0, "pid": 77, "command": "onairctl", "via": "control.sock"})
}

fn session() -> Value {
    json!({"id": "6920a1c300000001", "name": "cam1", "direction": "receive", "port": "b",
        "video": {"width": 1280, "height": 720, "frame_rate": "60/1", "depth": 10},
        "flow": {"destination": "10.77.0.2:5004", "payload_type": 96}, "source": null,
        "quota": 4, "max_attachments": 4, "state": "running", "owner": who(), "created_at": AT,
        "stopped_at": null,
        "attachments": [{"attachment": 1, "pid": 4711, "command": "play\u{1b}[2Jer", "uid": 1000,
            "client_version": "0.1.0", "lent": 2, "threads_inside": 3, "state": "attached"}],
        "counters": {"frames_complete": 600, "packets": 9000, "bytes": 2_097_152,
            "packets_malformed": {"too_short": 2}},
        "of_a_later_version": true})
}

fn blocker() -> Value {
    json!({"pid": 4711, "tid": 4712, "command": "player", "thread": "reader", "attachment": 1,
        "kind": "blocked", "since": AT, "blocked_for_ms": 1500, "waits_in": "buffer_get",
        "held_frames": [{"frame": 2, "age_ms": 40}], "seen_by": ["W1", "W2"], "note": null})
}

fn reading() -> Value {
    json!({"witness": "W2", "name": "probe", "says": "users", "users": 1, "detail": "4711/4712",
        "word_of": "kernel", "at_monotonic_ns": 5})
}

fn certificate() -> Value {
    json!({"format": 1, "session": "6920a1c300000001", "name": "cam1", "generation": 3,
        "boot_id": "b007", "versions": {"onaird": "0.1.0", "dpdk": "22.11", "kernel": "6.18"},
        "probe": {"mode": "required", "state": "watching", "reason": null, "canary_at": AT,
            "files": [{"path": "/usr/bin/player", "device": 1, "inode": 42, "build_id": null, "sites": []}]},
        "operation": "destroy_wait", "deadline_ms": 5000, "requester": who(), "issued_at": AT,
        "steps": [{"step": "stop_requested", "at": AT, "monotonic_ns": 1, "since_stop_us": 0},
            {"step": "destroyed", "at": AT, "monotonic_ns": 2, "since_stop_us": 157}],
        "readings": [reading()],
        "reconciled": [{"pid": 4711, "tid": null, "command": "player", "what": "held_frames",
            "frames": 2, "slots": 0, "cause": "process_died", "at": AT}],
        "counts": {"frames_lent": 10, "frames_returned": 7, "frames_reclaimed": 1, "frames_reconciled": 2},
        "frames": {}, "memory": {"state": "returned", "bytes": 1_048_576, "at": AT},
        "disagreements": []})
}

#[track_caller]
fn all_in(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is missing:\n{text}");
    }
}

#[test]
fn table__sessions__then_a_line_each_without_colours() {
    let ran = Played::document(200, &json!({"sessions": [session()]})).run("session list");
    assert_eq!(ran.code, 0, "{ran:?}");
    all_in(
        &ran.out,
        &[
            "NAME",
            "cam1",
            "6920a1c300000001",
            "running",
            "1280x720 60 fps 10 bit",
            "→ 10.77.0.2:5004",
            "1/4",
            "600",
        ],
    );
    assert_eq!(ran.out.lines().count(), 2, "{}", ran.out);
    assert!(!ran.out.contains('\u{1b}'), "{:?}", ran.out);
}

#[test]
fn table__one_session__then_its_parts_and_nothing_a_terminal_obeys() {
    let ran = Played::document(200, &session()).run("session show cam1");
    all_in(
        &ran.out,
        &[
            "receive",
            "onairctl (pid 77, uid 0) via control.sock",
            "Attachments (1 of 4)",
            "play\u{fffd}[2Jer",
            "packets malformed, too_short",
            "2.00 MiB",
        ],
    );
    assert!(!ran.out.contains('\u{1b}'), "{:?}", ran.out);
}

#[test]
fn json__asked_for__then_the_document_as_it_came() {
    let ran = Played::document(200, &session()).run("session show cam1 --json");
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(document, session());
    assert!(
        ran.out.find("\"id\"") < ran.out.find("\"name\""),
        "{}",
        ran.out
    );
}

#[test]
fn table__nothing_there__then_said_in_words() {
    for (args, body, words) in [
        ("session list", json!({"sessions": []}), "No sessions."),
        (
            "certificate list",
            json!({"certificates": []}),
            "No certificates",
        ),
        (
            "session blockers cam1",
            json!({"session": "6920a1c300000001", "name": "cam1", "at": AT, "blockers": []}),
            "Nobody uses cam1",
        ),
    ] {
        let ran = Played::document(200, &body).run(args);
        assert_eq!(ran.code, 0, "{ran:?}");
        all_in(&ran.out, &[words]);
    }
}

#[test]
fn table__blockers__then_each_by_name() {
    let body =
        json!({"session": "6920a1c300000001", "name": "cam1", "at": AT, "blockers": [blocker()]});
    let ran = Played::document(200, &body).run("session blockers cam1");
    all_in(
        &ran.out,
        &[
            "4711",
            "4712",
            "player",
            "reader",
            "blocked",
            "buffer_get",
            "1.5s",
            "2 (40ms)",
            "W1 W2",
        ],
    );
}

#[test]
fn table__certificate__then_witnesses_steps_and_reconciled() {
    let ran = Played::document(200, &certificate()).run("session destroy cam1 --wait 5s");
    assert_eq!(ran.code, 0, "{ran:?}");
    all_in(
        &ran.out,
        &[
            "was off air",
            "destroy_wait, at most 5s",
            "required, watching",
            "/usr/bin/player (inode 42)",
            "returned, 1.00 MiB",
            "probe",
            "stop_requested",
            "157µs",
            "held frames",
            "process died",
            "10 = 7 returned + 1 reclaimed + 2 reconciled",
            "boot b007",
        ],
    );
}

#[test]
fn table__certificates__then_a_line_each() {
    let one = json!({"session": "6920a1c300000001", "name": "cam1", "operation": "destroy",
        "requester": who(), "issued_at": AT,
        "memory": {"state": "pending", "bytes": 4096, "held_by": [4711]}, "reconciled": 1, "disagreements": 0});
    let ran = Played::document(200, &json!({"certificates": [one]})).run("certificate list");
    all_in(
        &ran.out,
        &["cam1", "destroy", "pending, 4.00 KiB held by 4711"],
    );
}

#[test]
fn table__health_not_ready__then_the_reasons_and_exit_code_1() {
    let health = json!({"status": "probe_blind", "live": true, "ready": false,
        "problems": ["the probe is blind: no permission"], "version": "0.1.0", "pid": 5,
        "boot_id": "b", "started_at": AT, "uptime_ms": 65000,
        "probe": {"mode": "required", "state": "blind", "reason": "no permission", "canary_at": null, "files": []},
        "dataplane": {"backend": "af_xdp", "dpdk": "22.11", "hugepages": true,
            "ports": [{"name": "a", "device": "net_af_xdp0", "backend": "af_xdp", "address": "10.77.0.1/24",
                "mac": "02:00:00:00:00:01", "link_up": false, "poller": "p0", "rx_packets": 1,
                "tx_packets": 2, "rx_missed": 3, "rx_unclaimed": 4}],
            "pollers": [{"name": "p0", "core": 1, "idle": "adaptive", "alive": true, "sessions": 0}]},
        "sessions": {"running": 2}});
    let ran = Played::document(503, &health).run("health");
    assert_eq!(ran.code, 1, "{ran:?}");
    all_in(
        &ran.out,
        &[
            "probe_blind, not ready",
            "no permission",
            "2 running",
            "af_xdp, DPDK 22.11, with hugepages",
            "10.77.0.1/24",
            "down",
            "1m 5s",
        ],
    );
}

#[test]
fn problem__busy__then_blockers_witnesses_and_what_to_do() {
    let problem = Problem::new(ProblemCode::Busy, "1 caller is blocked")
        .with_blockers(vec![serde_json::from_value(blocker()).unwrap()])
        .with_verdict(
            serde_json::from_value(json!({"destroyable": false, "disagreement": false,
            "reason": "r", "at": AT, "readings": [reading()]}))
            .unwrap(),
        );
    let ran = Played::problem(&problem).run("session destroy cam1");
    assert_eq!(ran.code, 4, "{ran:?}");
    all_in(
        &ran.err,
        &[
            "1 caller is blocked [busy]",
            "In the way:",
            "4712",
            "Witnesses:",
            "kernel",
            "What to do: End or wait",
        ],
    );
}

#[test]
fn problem__of_several_fields__then_each_on_its_line() {
    let errors = vec![
        SpecError::new("name", "is bad"),
        SpecError::new("video.width", "is odd"),
    ];
    let problem = Problem::new(ProblemCode::InvalidSpec, "two").with_errors(errors);
    let ran = Played::problem(&problem).run("session create --file /dev/null");
    assert_eq!(ran.code, 2, "an empty file is no JSON: {ran:?}");
    let ran = Played::problem(&problem)
        .run("session create a --direction send --port a --size 1281x2 --rate 60 --destination 10.0.0.1:1");
    assert_eq!(ran.code, 1, "{ran:?}");
    all_in(&ran.err, &["\n  name: is bad\n  video.width: is odd\n"]);
}
