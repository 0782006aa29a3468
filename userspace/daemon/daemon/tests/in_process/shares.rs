//! A whole daemon, and users that take from others what they share: each attack is one that worked.

use onair_stage::in_own_process;
use onaird::shutdown::Cause;
use serde_json::{Value, json};

use crate::in_process::InProcess;

fn spec(name: &str, destination: &str) -> Value {
    json!({
        "name": name, "direction": "receive", "port": "a",
        "video": { "width": 64, "height": 16, "frame_rate": "25/1", "depth": 8 },
        "flow": { "destination": destination },
    })
}

/// A change of members of group `g`, each to a destination.
fn change(daemon: &InProcess, members: &[(&str, &str)]) -> (u16, Value) {
    let change = |(name, destination): &(&str, &str)| json!({ "name": name, "change": { "flow": { "destination": destination } } });
    let body = json!({ "sessions": members.iter().map(change).collect::<Vec<_>>() });
    daemon.ask("PATCH", "/v1/groups/g", &body)
}

fn destinations(daemon: &InProcess) -> [String; 2] {
    ["one", "two"].map(|name| {
        let (_, view) = daemon.ask("GET", &format!("/v1/sessions/{name}"), &Value::Null);
        assert_eq!(view["state"], "running", "{view:#}");
        view["flow"]["destination"].as_str().unwrap().to_owned()
    })
}

/// Members may have one destination, and exchange theirs.
fn members_that_share_a_destination(daemon: &InProcess) {
    let first = ["10.9.2.1:5001", "10.9.2.1:5002"];
    let group = json!({ "name": "g", "sessions": [spec("one", first[0]), spec("two", first[1])] });
    let (status, body) = daemon.ask("POST", "/v1/groups", &group);
    assert_eq!(status, 201, "{body:#}");
    for next in [
        ["10.9.2.1:5003", "10.9.2.1:5003"],
        ["10.9.2.1:5005", "10.9.2.1:5003"],
        ["10.9.2.1:5003", "10.9.2.1:5005"],
        ["10.9.2.1:5005", "10.9.2.1:5005"],
    ] {
        let (status, body) = change(daemon, &[("one", next[0]), ("two", next[1])]);
        assert_eq!(status, 200, "{body:#}");
        assert_eq!(destinations(daemon), next);
    }
}

/// More senders of short packets than a poller can serve: the last ones are refused, also in a group, and may be
/// overcommitted.
fn more_than_a_poller_can_serve(daemon: &InProcess) {
    let sender = |number: u16, overcommit: bool| {
        json!({
            "name": format!("tone{number}"), "direction": "send", "port": "a", "source": "pattern",
            "quota": 1, "max_attachments": 1, "overcommit": overcommit,
            "audio": { "coding": "L24", "sample_rate": 48000, "channels": 64, "packet_time_us": 125 },
            "flow": { "destination": format!("10.9.2.2:{}", 6000 + number) },
        })
    };
    let create = |spec: &Value| daemon.ask("POST", "/v1/sessions", spec);
    let stop = |number| {
        let path = format!("/v1/sessions/tone{number}/stop");
        assert_eq!(daemon.ask("POST", &path, &Value::Null).0, 200);
    };
    let mut number = 0;
    let refused = loop {
        let (status, answer) = create(&sender(number, false));
        if status != 201 {
            break answer;
        }
        stop(number);
        number += 1;
        assert!(number < 250, "none is refused");
    };
    assert_eq!(
        (&refused["code"], &refused["status"]),
        (&json!("poller_full"), &json!(429))
    );
    let detail = refused["detail"].as_str().unwrap();
    for words in [
        "8000 packets",
        "of 100.0 %",
        "poller.p0.capacity_percent = 100",
    ] {
        assert!(detail.contains(words), "{words}: {detail}");
    }
    let (_, health) = daemon.ask("GET", "/v1/health", &Value::Null);
    let shares = health["shares"].as_array().unwrap();
    let share = shares
        .iter()
        .find(|it| it["key"] == "poller.p0.capacity_percent")
        .unwrap();
    assert_eq!(
        (&share["used"], &share["limit"]),
        (&json!(100), &json!(100)),
        "{share}"
    );
    let group = json!({ "name": "tones", "sessions": [sender(number, false)] });
    assert_eq!(daemon.ask("POST", "/v1/groups", &group).0, 429);
    let (status, answer) = create(&sender(number, true));
    assert_eq!(status, 201, "{answer:#}");
    stop(number);
}

#[test]
fn users_take_what_others_need_then_others_still_have_it() {
    in_own_process!();
    let daemon = InProcess::start("[probe]\nmode = \"off\"\n", |_| ());
    members_that_share_a_destination(&daemon);
    more_than_a_poller_can_serve(&daemon);
    daemon.coordinator.begin(Cause::Signal(15));
    daemon.ended();
}
