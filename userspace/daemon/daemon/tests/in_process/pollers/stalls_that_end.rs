//! A thread of a whole daemon hangs that is to shut down without a poller: it does so when a poller hangs for good.

use std::sync::mpsc::{Sender, channel};

use onair_dataplane::{Command, PollerTask};
use onair_stage::in_own_process;
use onaird::shutdown::Exit;
use serde_json::{Value, json};

use crate::in_process::InProcess;

/// Its place in the configuration.
const P0: usize = 0;

/// Makes a thread hang until what is returned is dropped.
fn hang(daemon: &InProcess, thread: usize) -> Sender<()> {
    let (release, released) = channel::<()>();
    daemon.started.on_the_control_thread(move |services| {
        let wait = PollerTask::new(move || {
            let _ = released.recv();
        });
        services.command(thread, Command::Run(wait));
    });
    release
}

#[test]
fn hang_of_a_poller_for_good_ends_all_and_shorter_ones_nothing() {
    in_own_process!();
    let more = "[probe]\nmode = \"off\"\n[timeouts]\ngraceful_ms = 500\nquiesce_ms = 60000\n\
         [shutdown]\non_poller_death = \"drain\"\ncleanup_ms = 500\nhandler_ms = 500\n";
    let daemon = InProcess::start(more, |_| ());
    let create = |body: &Value| {
        let (status, view) = daemon.ask("POST", "/v1/sessions", body);
        assert_eq!(status, 201, "{view}");
    };
    create(&json!({
        "name": "cam", "direction": "receive", "port": "a",
        "video": {"width": 96, "height": 32, "frame_rate": "60/1", "depth": 10},
        "flow": {"destination": "10.9.2.1:5004"},
    }));

    let release = hang(&daemon, P0);
    let is = |state| move |it: &Value| it["pollers"][P0]["state"] == state;
    daemon.until("/v1/pollers", is("stalled"));
    // It may be the host, which is busy: that refuses nothing.
    let (_, health) = daemon.ask("GET", "/v1/health", &Value::Null);
    let problems = health["problems"].as_array().unwrap();
    let is_it = |it: &Value| (it.as_str().unwrap()).ends_with("what it has to do waits for it");
    assert!(problems.iter().any(is_it), "{health}");
    assert_eq!(health["ready"], true);
    let stop = daemon.ask("POST", "/v1/sessions/cam/stop", &Value::Null);
    assert_eq!(stop.0, 200, "{}", stop.1);
    drop(release);
    let destroyed = daemon.ask("POST", "/v1/sessions/cam/destroy", &Value::Null);
    assert_eq!(destroyed.0, 200, "{}", destroyed.1);
    daemon.until("/v1/pollers", is("works"));
    assert!(!daemon.coordinator.is_shutting_down());

    let _never = hang(&daemon, P0);
    let summary = daemon.ended();
    assert_eq!(
        summary.cause,
        "poller p0 has ended: it has made no turn for 5 s"
    );
    // It is left behind.
    assert_eq!(summary.exit_status, Exit::TimedOut.status(), "{summary:#?}");
}
