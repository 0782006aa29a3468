//! The control thread of a whole daemon is in trouble.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use onair::{Client, Timeout};
use onair_api::{PartOutcome, ShutdownPhase};
use onair_stage::{in_own_process, this_test};
use onaird::shutdown::{Cause, Exit};
use serde_json::{Value, json};

use crate::in_process::InProcess;

/// Where the child finds the socket.
const SOCKET: &str = "ONAIR_CONTROL_SLOW_SOCKET";
const SESSIONS: usize = 12;
/// Longer than the work of a turn may take.
const SLOW: Duration = Duration::from_millis(5);
/// Half of the answers come in the first time, 99 of 100 in the second: a step that held the control thread
/// would hold them all, another program holds up a few.
const IN_TIME: [(usize, Duration); 2] = [
    (49, Duration::from_millis(100)),
    (98, Duration::from_secs(1)),
];
/// Every kind of step, as the control thread names them.
const STEPS: [&str; 11] = [
    "outbox",
    "periodic",
    "traffic",
    "recordings",
    "memory",
    "inspections",
    "ending",
    "poller_event",
    "probe_events",
    "attach_action",
    "finding",
];

#[test]
fn daemon_its_control_thread_hangs_then_waiting_parts_are_left() {
    in_own_process!();
    let more = "[probe]\nmode = \"off\"\n[timeouts]\ngraceful_ms = 0\n\
        [shutdown]\nhandler_ms = 1000\ncleanup_ms = 1000\n";
    let daemon = InProcess::start(more, |_| ());
    daemon.started.on_the_control_thread(|_| {
        loop {
            thread::park();
        }
    });
    daemon.coordinator.begin(Cause::Signal(15));
    let summary = daemon.ended();
    assert_eq!(summary.exit_status, Exit::TimedOut.status());
    for name in ["sessions", "sockets", "control thread"] {
        let part = summary.parts.iter().find(|it| it.name == name).unwrap();
        assert_eq!(part.outcome, PartOutcome::TimedOut, "{part:?}");
    }
}

#[test]
fn daemon_its_control_thread_panics_then_it_ends_and_names_it() {
    in_own_process!();
    let daemon = InProcess::start("[probe]\nmode = \"off\"\n", |_| ());
    let pid = std::process::id();
    daemon.until("/v1/health", |it| it["pid"] == pid);
    daemon
        .started
        .on_the_control_thread(|_| panic!("on purpose"));
    let coordinator = daemon.coordinator.clone();
    let summary = daemon.ended();
    assert_eq!(coordinator.phase(), ShutdownPhase::Shutdown);
    assert_eq!(summary.cause, "the control thread has ended: on purpose");
    assert_eq!(summary.exit_status, Exit::Failed.status());
    let control = summary.threads.iter().find(|it| it.name == "control");
    assert_eq!(control.unwrap().panic.as_deref(), Some("on purpose"));
    assert!(summary.threads.iter().all(|it| it.stopped), "{summary:#?}");
}

/// The child: a caller in each session.
fn call_in_each_session(socket: &str) -> ! {
    let client = Client::at(socket);
    for number in 0..SESSIONS {
        let session = client.attach(&format!("s{number}")).unwrap();
        thread::spawn(move || session.buffer_get(Timeout::NEVER).map(drop));
    }
    println!("attached");
    loop {
        thread::park();
    }
}

fn start_child(daemon: &InProcess) -> Child {
    let mut child = this_test()
        .env(SOCKET, daemon.folder().join("attach.sock"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("attached")));
    child
}

fn spec(number: usize) -> Value {
    json!({
        "name": format!("s{number}"), "direction": "receive", "port": "a",
        "video": { "width": 64, "height": 16, "frame_rate": "25/1", "depth": 8 },
        "flow": { "destination": format!("10.9.2.1:{}", 5000 + number) },
    })
}

/// Asks for health 100 times.
fn health_in_time(daemon: &InProcess, slow: &str) {
    let mut took: Vec<Duration> = (0..100)
        .map(|_| {
            let asked = Instant::now();
            let (status, _) = daemon.ask("GET", "/v1/health", &Value::Null);
            assert!([200, 503].contains(&status));
            asked.elapsed()
        })
        .collect();
    took.sort_unstable();
    for (place, limit) in IN_TIME {
        let took = took[place];
        assert!(took < limit, "{slow} is slow, and health takes {took:?}");
    }
}

#[test]
fn control_thread_slow_in_one_step_then_it_answers_and_ends() {
    in_own_process!();
    if let Ok(socket) = std::env::var(SOCKET) {
        call_in_each_session(&socket);
    }
    let more = "[probe]\nmode = \"off\"\n[timeouts]\ngraceful_ms = 500\npatrol_ms = 10\n";
    let daemon = InProcess::start(more, |_| ());
    for number in 0..SESSIONS {
        let (status, body) = daemon.ask("POST", "/v1/sessions", &spec(number));
        assert_eq!(status, 201, "{body:#}");
    }
    let mut child = start_child(&daemon);
    for number in 0..SESSIONS {
        let path = format!("/v1/sessions/s{number}");
        daemon.until(&path, |it| it["attachments"][0]["threads_inside"] == 1);
    }
    // Its callers stay inside: each session is looked at again and again, and its threads, too.
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(pid, Signal::SIGSTOP).unwrap();
    for number in 0..SESSIONS {
        let path = format!("/v1/sessions/s{number}/stop");
        assert_eq!(daemon.ask("POST", &path, &Value::Null).0, 200);
    }
    for step in STEPS {
        daemon
            .started
            .on_the_control_thread(move |services| services.test_delay.set(step, SLOW));
        health_in_time(&daemon, step);
    }
    // The slowest of all at the end.
    daemon
        .started
        .on_the_control_thread(|services| services.test_delay.set("session", 4 * SLOW));
    health_in_time(&daemon, "session");
    let begun = Instant::now();
    daemon.coordinator.begin(Cause::Signal(15));
    daemon.until("/v1/health", |health| health["ready"] == false);
    let took = begun.elapsed();
    assert!(
        took < Duration::from_secs(1),
        "the end began after {took:?}"
    );
    kill(pid, Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    daemon.ended();
}
