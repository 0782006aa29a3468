//! A whole daemon whose threads are held up, so that what happens to a session crosses.

use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use onair::{Session, Timeout};
use onair_dataplane::{Command, PollerTask};
use onair_stage::in_own_process;
use onaird::shutdown::Cause;
use serde_json::{Value, json};

use crate::in_process::InProcess;

/// Commands that a poller takes in a turn.
const A_TURN: usize = 16;
/// How long a call waits for what surely comes.
const TIMEOUT_MS: u32 = 120_000;
/// How long users may take at the end.
const GRACE: Duration = Duration::from_millis(200);

/// The poller waits, after what it was told before, until the sender is dropped; `more` commands that
/// do nothing follow.
fn hold_poller(daemon: &InProcess, more: usize) -> Sender<()> {
    let (go, told) = channel();
    daemon.started.on_the_control_thread(move |services| {
        let wait = PollerTask::new(move || assert!(told.recv().is_err()));
        services.command(0, Command::Run(wait));
        (0..more).for_each(|_| services.command(0, Command::Quiesce(0)));
    });
    go
}

#[test]
fn session_crossed_by_attach_submit_and_end_then_all_is_counted() {
    in_own_process!();
    let more = format!(
        "[probe]\nmode = \"off\"\n[timeouts]\ngraceful_ms = {}\n[shutdown]\npolicy = \"quarantine\"\n",
        GRACE.as_millis()
    );
    let daemon = InProcess::start(&more, |_| ());
    let post = |path: &str, body: &Value| daemon.ask("POST", path, body).0;
    let spec = json!({
        "name": "cam", "direction": "send", "port": "a",
        "video": {"width": 64, "height": 32, "frame_rate": "60/1", "depth": 8},
        "flow": {"destination": "10.9.2.2:5004"},
    });
    assert_eq!(post("/v1/sessions", &spec), 201);
    assert_eq!(post("/v1/sessions/cam/start", &Value::Null), 200);

    // An attachment comes to the poller after the session has left it, and the session after that.
    let leaves = hold_poller(&daemon, A_TURN - 2);
    assert_eq!(post("/v1/sessions/cam/stop", &Value::Null), 200);
    let comes = hold_poller(&daemon, 0);
    let session = Session::attach(daemon.folder().join("attach.sock"), "cam").unwrap();
    drop(leaves);
    assert_eq!(post("/v1/sessions/cam/start", &Value::Null), 200);
    drop(comes);
    let timeout = Timeout::millis(TIMEOUT_MS);
    let frame = session.buffer_get_mut(timeout).unwrap();

    // A frame is submitted after the stop.
    assert_eq!(post("/v1/sessions/cam/stop", &Value::Null), 200);
    daemon.until("/v1/sessions/cam/verdict", |it| {
        it["readings"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["name"] == "pollers" && it["says"] == "zero")
    });
    frame.submit().unwrap();
    daemon.until("/v1/sessions/cam", |it| it["attachments"][0]["lent"] == 0);

    // The end's deadline passes while the control thread is busy.
    assert_eq!(post("/v1/sessions/cam/start", &Value::Null), 200);
    let held = session.buffer_get(timeout).unwrap();
    daemon.coordinator.begin(Cause::Signal(15));
    while !session.is_stopped() {
        thread::yield_now();
    }
    daemon
        .started
        .on_the_control_thread(|_| thread::sleep(2 * GRACE));
    let summary = daemon.ended();
    assert_eq!(summary.sessions[0].drops["frames_dropped_stop"], 1);
    assert_eq!(summary.sessions[0].outcome.as_str(), "quarantined");
    drop(held);
}
