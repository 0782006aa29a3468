//! Following events and blockers.

use serde_json::{Value, json};

use crate::support::{Played, Ran, blocker, who};

const AT: &str = "2026-11-20T09:10:08.157000Z";

/// The output of `args` for these events, after which the daemon ends.
fn shown(events: &[Value], args: &str) -> Ran {
    let body = events.iter().map(|event| {
        let kind = event["kind"].as_str().unwrap();
        format!("event: {kind}\ndata: {event}\nid: 6b000e6b.1\n\n:\n\n")
    });
    let answer = (200, "text/event-stream", body.collect());
    Played::new(Some(answer)).run(args)
}

fn event(sequence: u64, rest: Value) -> Value {
    let mut event = json!({"sequence": sequence, "at": AT, "session": "6920a1c300000001",
        "name": "cam1"});
    let fields = event.as_object_mut().unwrap();
    fields.extend(rest.as_object().unwrap().clone());
    event
}

#[test]
fn events_followed_then_a_line_each_until_the_daemon_ends() {
    let events = [
        event(
            1,
            json!({"kind": "session_stopped", "attachments": 2, "callers": 5}),
        ),
        event(
            2,
            json!({"kind": "drain_blocked", "after_s": 4, "blockers": [blocker()], "more": 3}),
        ),
        event(
            3,
            json!({"kind": "destroyed", "operation": "abort", "requester": who()}),
        ),
        event(
            4,
            json!({"kind": "client_attached", "attachment": 1, "pid": 4711,
            "command": "pl\nay\u{1b}[2Jer", "client_version": "0.1.0"}),
        ),
        event(5, json!({"kind": "of_a_later_version", "x": 1})),
        json!({"sequence": 9, "at": AT, "kind": "lost", "count": 4}),
    ];
    let ran = shown(&events, "events");
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("has ended"), "{}", ran.err);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 6, "{}", ran.out);
    let starts = format!("{AT}  cam1  session_stopped  2 attached, 5 inside a call");
    assert_eq!(lines[0], starts);
    for word in [
        "drain_blocked  for 4 s: player 4711/4712 (reader)",
        "frame 2",
        "and 3 more",
    ] {
        assert!(lines[1].contains(word), "{}", lines[1]);
    }
    assert!(lines[2].contains("destroyed  abort, by "), "{}", lines[2]);
    assert!(!lines[3].contains('\u{1b}'), "{}", lines[3]);
    assert_eq!(lines[4], format!("{AT}  cam1  of_a_later_version"));
    assert_eq!(
        lines[5],
        format!("{AT}  -  lost  4 events are missing here")
    );
}

#[test]
fn events_as_json_then_each_as_it_came() {
    let events = [event(5, json!({"kind": "of_a_later_version", "x": 1}))];
    let ran = shown(&events, "--json events");
    assert_eq!(ran.out, format!("{}\n", events[0]));
}

#[test]
fn events_filtered_then_asked_of_the_daemon() {
    let played = Played::new(Some((200, "text/event-stream", String::new())));
    played.run("events -f -s cam1 -k evicted,destroyed --kind lost --after 6b000e6b.7");
    let request = played.requests.recv().unwrap();
    let path = "/v1/events?session=cam1&kind=evicted&kind=destroyed&kind=lost";
    assert_eq!(request.line, format!("GET {path} HTTP/1.1"));
    assert!(
        request.head.contains("last-event-id: 6b000e6b.7"),
        "{}",
        request.head
    );
    for wrong in ["events --kind drained", "events --session UPPER"] {
        assert_eq!(played.run(wrong).code, 2, "{wrong}");
    }
}

#[test]
fn events_refused_then_as_any_other_refusal() {
    let played = Played::code(onair_api::ProblemCode::NoSuchSession);
    assert_eq!(played.run("events --session cam9").code, 5);
}

#[test]
fn blockers_watched_then_repeated_until_the_session_is_gone() {
    let list = |blockers: Value| json!({"session": "6920a1c300000001", "name": "cam1", "at": AT, "blockers": blockers});
    let by_id = "GET /v1/sessions/6920a1c300000001/blockers";
    let gone = json!({"type": "/v1/problems/stale_session", "title": "gone", "status": 410,
        "detail": "destroyed", "code": "stale_session"});
    let script = [
        ("GET /v1/sessions/cam1/blockers", list(json!([blocker()]))),
        (by_id, list(json!([blocker()]))),
        (by_id, list(json!([]))),
        (by_id, gone),
    ];
    let ran = Played::script(&script).run("session blockers cam1 --watch=100ms");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.out.matches("4712").count(), 2, "{}", ran.out);
    assert_eq!(
        ran.out
            .matches("cam1 (6920a1c300000001) has no user")
            .count(),
        1,
        "{}",
        ran.out
    );
    assert!(ran.out.ends_with("cam1 is destroyed.\n"), "{}", ran.out);
    assert!(
        !ran.out.contains('\u{1b}'),
        "redrawn where there is no terminal"
    );
    // A session that never existed is an error.
    let none = Played::code(onair_api::ProblemCode::NoSuchSession);
    assert_eq!(none.run("session blockers cam1 --watch").code, 5);
    let ran = none.run("session blockers cam1 --watch=1ms");
    assert_eq!(ran.code, 2, "{ran:?}");
}
