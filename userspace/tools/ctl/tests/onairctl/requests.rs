//! What the program sends.

use std::io::Write;
use std::process::Stdio;

use onair_api::{Problem, ProblemCode};
use serde_json::{Value, json};

use crate::support::{Played, Request, certificate, health, session};

fn sent(args: &str) -> Request {
    let daemon = Played::code(ProblemCode::Internal);
    assert_eq!(daemon.run(args).code, 1);
    daemon.requests.recv().unwrap()
}

#[test]
fn request_each_command_then_its_path() {
    for (args, line) in [
        ("session list", "GET /v1/sessions"),
        ("s ls", "GET /v1/sessions"),
        ("session show cam1", "GET /v1/sessions/cam1"),
        (
            "session show 6920a1c300000001",
            "GET /v1/sessions/6920a1c300000001",
        ),
        ("session stop cam1", "POST /v1/sessions/cam1/stop"),
        ("session start cam1", "POST /v1/sessions/cam1/start"),
        ("session exchange cam1 cam2", "GET /v1/sessions/cam1"),
        ("session destroy cam1", "POST /v1/sessions/cam1/destroy"),
        ("session blockers cam1", "GET /v1/sessions/cam1/blockers"),
        ("session verdict cam1", "GET /v1/sessions/cam1/verdict"),
        ("session sdp cam1", "GET /v1/sessions/cam1/sdp"),
        (
            "session certificate cam1",
            "GET /v1/sessions/cam1/certificate",
        ),
        ("certificate show cam1", "GET /v1/sessions/cam1/certificate"),
        (
            "certificate verify cam1",
            "GET /v1/sessions/cam1/certificate",
        ),
        ("certificate list", "GET /v1/certificates"),
        (
            "certificate list --session cam1 --operation destroy_wait --limit 3",
            "GET /v1/certificates?name=cam1&operation=destroy_wait&limit=3",
        ),
        (
            "certificate list --since 2025-11-20T07:36:00Z",
            "GET /v1/certificates?since=2025-11-20T07:36:00.000000Z",
        ),
        ("session evict cam1 --all", "POST /v1/sessions/cam1/evict"),
        (
            "session evict cam1 --attachment 7",
            "POST /v1/sessions/cam1/attachments/7/evict",
        ),
        ("session evict cam1 --pid 4711", "GET /v1/sessions/cam1"),
        (
            "session evict cam1 --all --dry-run",
            "GET /v1/sessions/cam1",
        ),
        (
            "session quarantine cam1",
            "POST /v1/sessions/cam1/quarantine",
        ),
        ("session quarantine cam1 --dry-run", "GET /v1/sessions/cam1"),
        ("session abort cam1", "POST /v1/sessions/cam1/abort"),
        ("session abort cam1 --dry-run", "GET /v1/sessions/cam1"),
        ("session destroy cam1 --dry-run", "GET /v1/sessions/cam1"),
        ("group list", "GET /v1/groups"),
        ("group show studio1", "GET /v1/groups/studio1"),
        ("group stop studio1", "POST /v1/groups/studio1/stop"),
        ("group start studio1", "POST /v1/groups/studio1/start"),
        ("group destroy studio1", "DELETE /v1/groups/studio1"),
        ("record list", "GET /v1/recordings"),
        ("rec ls --session cam1", "GET /v1/recordings?session=cam1"),
        ("record show take2", "GET /v1/recordings/take2"),
        (
            "record stop 6920a1c300000001",
            "POST /v1/recordings/6920a1c300000001/stop",
        ),
        ("shutdown", "POST /v1/shutdown"),
        ("health", "GET /v1/health"),
        ("health --live", "GET /v1/health"),
        ("health --ready", "GET /v1/health"),
    ] {
        let request = sent(args);
        assert_eq!(request.line, format!("{line} HTTP/1.1"), "{args}");
        assert_eq!(request.body, "", "{args}");
    }
}

#[test]
fn request_destroy_with_wait_then_the_deadline_in_milliseconds() {
    let request = sent("session destroy cam1 --wait 1m30s");
    assert_eq!(request.line, "POST /v1/sessions/cam1/destroy_wait HTTP/1.1");
    assert_eq!(request.body, r#"{"deadline_ms":90000}"#);
    assert!(
        request.head.contains("content-type: application/json\r\n"),
        "{}",
        request.head
    );
}

#[test]
fn destroy_with_stop_then_both_and_the_second_by_id() {
    let daemon = Played::script(&[
        ("POST /v1/sessions/cam1/stop", session()),
        ("POST /v1/sessions/6920a1c300000001/destroy", certificate()),
    ]);
    let ran = daemon.run("session destroy cam1 --stop");
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn destroy_with_stop_and_a_full_disk_then_both_all_the_same() {
    let full = json!(Problem::new(ProblemCode::DiskFailed, "stopped, not stored"));
    let daemon = Played::script(&[
        ("POST /v1/sessions/cam1/stop", full.clone()),
        ("POST /v1/sessions/cam1/destroy", certificate()),
    ]);
    let ran = daemon.run("session destroy cam1 --stop");
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = Played::script(&[("POST /v1/sessions/cam1/stop", full)]).run("session stop cam1");
    assert_eq!(ran.code, 1, "{ran:?}");
}

#[test]
fn create_without_a_port_then_the_only_one_or_their_names() {
    let port = |name: &str| {
        json!({"name": name, "device": "ring:x:a", "backend": "ring", "address": "10.77.0.1/24",
            "mac": "02:00:00:00:00:01", "link_up": true, "poller": "p", "rx_packets": 0,
            "tx_packets": 0, "rx_missed": 0, "rx_unclaimed": 0})
    };
    let mut one = health(true);
    one["dataplane"]["ports"] = json!([port("a")]);
    let mut two = one.clone();
    two["dataplane"]["ports"] = json!([port("a"), port("b")]);
    let create =
        "session create x --direction send --size 64x64 --rate 60 --destination 10.0.0.2:5004";
    let daemon = Played::script(&[("GET /v1/health", one), ("POST /v1/sessions", session())]);
    assert_eq!(daemon.run(create).code, 0);
    daemon.requests.recv().unwrap();
    let body: Value = serde_json::from_str(&daemon.requests.recv().unwrap().body).unwrap();
    assert_eq!(body["port"], "a");
    let ran = Played::script(&[("GET /v1/health", two)]).run(create);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.err
            .contains("give --port: the daemon has the ports a, b"),
        "{ran:?}"
    );
}

#[test]
fn request_flush_then_the_deadline_in_milliseconds_or_5_seconds() {
    for (args, ms) in [
        ("session flush out", 5000),
        ("session flush out --wait 250ms", 250),
    ] {
        let request = sent(args);
        assert_eq!(request.line, "POST /v1/sessions/out/flush HTTP/1.1");
        assert_eq!(request.body, format!(r#"{{"deadline_ms":{ms}}}"#));
    }
}

#[test]
fn flush_answers_then_told_and_4_for_a_deadline() {
    for (frames, words) in [(12, "12 frames sent in 200ms"), (0, "no frame was waiting")] {
        let flushed =
            json!({"session": "6920a1c300000001", "frames_sent": frames, "waited_ms": 200});
        let ran = Played::document(200, &flushed).run("session flush out");
        assert_eq!(ran.code, 0);
        assert_eq!(ran.out, format!("6920a1c300000001 is flushed: {words}.\n"));
    }
    let late = Played::code(ProblemCode::DeadlinePassed).run("session flush out");
    assert_eq!(late.code, 4);
    let dropped = Played::code(ProblemCode::FramesDropped).run("session flush out");
    assert_eq!(dropped.code, 1);
}

#[test]
fn request_create_from_a_file_then_sent_as_it_is() {
    let daemon = Played::code(ProblemCode::InvalidRequest);
    let body = json!({"name": "cam1", "not": {"known": [1]}});
    let mut command = daemon.command("session create --file -");
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(body.to_string().as_bytes())
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let request = daemon.requests.recv().unwrap();
    assert_eq!(request.line, "POST /v1/sessions HTTP/1.1");
    assert_eq!(serde_json::from_str::<Value>(&request.body).unwrap(), body);
}

#[test]
fn request_record_start_then_what_was_asked_for_in_the_body() {
    let request = sent("record start cam1 --format pcapng --duration 10s --snap-length 96 --wait");
    assert_eq!(request.line, "POST /v1/sessions/cam1/recordings HTTP/1.1");
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(
        body,
        json!({"format": "pcapng", "duration_ms": 10_000, "snap_length": 96})
    );
}
