//! A poller of a whole daemon hangs: that is a state with a name, and no other poller waits for it.

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use onair_api::{EventName, PartOutcome, SessionOutcome};
use onair_dataplane::{Command, PollerTask};
use onair_stage::in_own_process;
use onaird::shutdown::Cause;
use serde_json::{Value, json};

use crate::in_process::InProcess;

/// Its place in the configuration.
const P0: usize = 1;
/// More commands than wait for a poller at most.
const MANY: u64 = 2000;
/// No part may wait for a poller that hangs: each may wait for so long.
const LONG: Duration = Duration::from_secs(100);

fn spec(name: &str, port: &str, udp: u16) -> Value {
    let address = if port == "a" { "10.9.2.1" } else { "10.9.2.2" };
    json!({
        "name": name, "direction": "receive", "port": port,
        "video": {"width": 64, "height": 32, "frame_rate": "60/1", "depth": 8},
        "flow": {"destination": format!("{address}:{udp}")},
    })
}

/// Makes poller `p0` hang until what is returned is dropped.
fn hang(daemon: &InProcess) -> Sender<()> {
    let (release, released) = channel::<()>();
    daemon.started.on_the_control_thread(|services| {
        let wait = PollerTask::new(move || {
            let _ = released.recv();
        });
        services.command(P0, Command::Run(wait));
    });
    release
}

fn stalls(daemon: &InProcess) -> u64 {
    let (told, count) = channel();
    daemon.started.on_the_control_thread(move |services| {
        told.send(services.hub.count(EventName::PollerStalled))
            .unwrap();
    });
    count.recv().unwrap()
}

#[test]
fn poller_hangs_then_it_is_named_and_the_others_serve_and_end() {
    in_own_process!();
    let ms = LONG.as_millis();
    let more = format!(
        "[probe]\nmode = \"off\"\n[timeouts]\ngraceful_ms = {ms}\nquiesce_ms = {ms}\n\
         [recorder]\nfinish_ms = {ms}\n[shutdown]\ncleanup_ms = {ms}\nhandler_ms = {ms}\n\
         [[poller]]\nname = \"p1\"\ncore = 1\n\
         [[port]]\nname = \"b\"\ndevice = \"ring:in-process:b\"\naddress = \"10.9.2.2/24\"\n\
         poller = \"p1\"\n"
    );
    let daemon = InProcess::start(&more, |_| ());
    let post = |path: &str, body: &Value| daemon.ask("POST", path, body);
    let status = |path: &str| post(path, &Value::Null).0;
    for (name, port) in [("stuck", "a"), ("fine", "b")] {
        assert_eq!(post("/v1/sessions", &spec(name, port, 5004)).0, 201);
    }
    // Both pollers sleep: there is no traffic.
    let pollers = daemon.until("/v1/pollers", |it| {
        it["pollers"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["turns"].as_u64().unwrap() > 20)
    });
    assert!(
        pollers["pollers"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["state"] == "works")
    );
    assert_eq!(stalls(&daemon), 0);

    let release = hang(&daemon);
    let health = daemon.until("/v1/health", |it| it["ready"] == false);
    let problem = "poller p0 has made no turn since ";
    let names_it = |text: &Value| text.as_str().unwrap().contains(problem);
    assert!(
        health["problems"].as_array().unwrap().iter().any(names_it),
        "{health}"
    );
    let (_, pollers) = daemon.ask("GET", "/v1/pollers", &Value::Null);
    let states = [0, 1].map(|it| pollers["pollers"][it]["state"].clone());
    assert_eq!(states, ["works", "stalled"]);
    assert!(pollers["pollers"][P0]["since"].is_string(), "{pollers}");
    daemon.until("/v1/sessions/stuck", |it| {
        it["problems"][0]["problem"] == "poller_stalled"
    });
    let refused = |(status, answer): (u16, Value)| {
        assert_eq!(
            (status, &answer["code"]),
            (503, &json!("poller_down")),
            "{answer}"
        );
        assert!(names_it(&answer["detail"]), "{answer}");
    };
    refused(post("/v1/sessions", &spec("late", "a", 5006)));
    let elsewhere = json!({"flow": {"destination": "10.9.2.1:5008"}});
    refused(daemon.ask("PATCH", "/v1/sessions/stuck", &elsewhere));
    refused(post("/v1/sessions/stuck/destroy", &Value::Null));
    assert_eq!(status("/v1/sessions/stuck/stop"), 200);
    refused(post("/v1/sessions/stuck/start", &Value::Null));
    refused(post("/v1/sessions/stuck/destroy", &Value::Null));
    let wait = json!({"deadline_ms": LONG.as_millis()});
    refused(post("/v1/sessions/stuck/destroy_wait", &wait));
    refused(post("/v1/sessions/stuck/abort", &Value::Null));

    // Its full queue holds no other poller.
    daemon.started.on_the_control_thread(|services| {
        (0..MANY).for_each(|_| services.command(P0, Command::Quiesce(0)));
    });
    assert_eq!(post("/v1/sessions", &spec("late", "b", 5006)).0, 201);
    for path in ["late/stop", "late/destroy", "fine/stop", "fine/destroy"] {
        assert_eq!(status(&format!("/v1/sessions/{path}")), 200, "{path}");
    }

    drop(release);
    daemon.until("/v1/health", |it| it["ready"] == true);
    assert_eq!(stalls(&daemon), 1);
    assert_eq!(status("/v1/sessions/stuck/destroy"), 200);

    // It hangs for good, with a session, and the daemon ends.
    assert_eq!(post("/v1/sessions", &spec("lost", "a", 5004)).0, 201);
    let _never = hang(&daemon);
    daemon.until("/v1/health", |it| it["ready"] == false);
    daemon.coordinator.begin(Cause::Signal(15));
    let summary = daemon.ended();
    assert_eq!(summary.sessions[0].outcome, SessionOutcome::Abandoned);
    let parts: Vec<_> = (summary.parts.iter())
        .filter(|it| it.outcome != PartOutcome::Done)
        .map(|it| (it.outcome, it.detail.clone().unwrap_or_default()))
        .collect();
    assert_eq!(parts.len(), 1, "{parts:?}");
    assert_eq!(parts[0].0, PartOutcome::TimedOut);
    assert!(parts[0].1.contains("onair-p0"), "{parts:?}");
    assert!(
        summary
            .parts
            .iter()
            .all(|it| Duration::from_micros(it.us) < LONG / 2)
    );
}
