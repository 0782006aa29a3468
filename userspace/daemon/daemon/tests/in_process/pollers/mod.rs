//! Pollers of a whole daemon are in trouble.

mod heirs;
mod stalls;

use std::sync::mpsc::{Sender, channel};
use std::thread;

use onair::{Error, Session, Timeout};
use onair_dataplane::{Command, PollerTask};
use onair_stage::{Prometheus, Stage, in_own_process};
use onaird::shutdown::{Cause, Exit};
use serde_json::{Value, json};

use crate::in_process::InProcess;

/// More commands than wait for a poller at most.
const MANY: u64 = 2000;
/// Its place in the configuration.
const P0: usize = 0;

fn spec(name: &str, port: &str) -> Value {
    let address = if port == "a" { "10.9.2.1" } else { "10.9.2.2" };
    json!({
        "name": name, "direction": "receive", "port": port,
        "video": {"width": 64, "height": 32, "frame_rate": "60/1", "depth": 8},
        "flow": {"destination": format!("{address}:5004")},
    })
}

#[test]
fn daemon_its_pollers_panic_then_sessions_stop_and_it_serves_on() {
    in_own_process!();
    let metrics = Prometheus::free_port().unwrap();
    let more = "[probe]\nmode = \"off\"\n[shutdown]\non_poller_death = \"continue\"\n\
         [[poller]]\nname = \"p1\"\ncore = 1\n\
         [[port]]\nname = \"b\"\ndevice = \"ring:in-process:b\"\naddress = \"10.9.2.2/24\"\n\
         poller = \"p1\"\n";
    let more = format!("{more}[metrics]\nlisten = \"127.0.0.1:{metrics}\"\n");
    let daemon = InProcess::start(&more, |_| ());
    let stage = Stage::open("test").unwrap();
    let prometheus = Prometheus::start(&stage, metrics).unwrap();
    let post = |path: &str, body: &Value| daemon.ask("POST", path, body).0;
    for (name, port) in [("runs", "b"), ("starts", "a")] {
        assert_eq!(post("/v1/sessions", &spec(name, port)), 201);
    }

    // One whose session runs, with a caller inside.
    let session = Session::attach(daemon.folder().join("attach.sock"), "runs").unwrap();
    thread::scope(|scope| {
        let caller = scope.spawn(|| session.buffer_get(Timeout::millis(60_000)).map(drop));
        daemon.until("/v1/sessions/runs/blockers", |it| {
            !it["blockers"].as_array().unwrap().is_empty()
        });
        daemon.started.on_the_control_thread(|services| {
            services.command(0, Command::Run(PollerTask::new(|| panic!("on purpose"))));
        });
        daemon.until("/v1/sessions/runs", |it| it["state"] == "stopped");
        assert!(matches!(caller.join().unwrap(), Err(Error::Stopped)));
    });
    session.detach().unwrap();
    assert_eq!(post("/v1/sessions/runs/start", &Value::Null), 503);
    assert_eq!(post("/v1/sessions/runs/destroy", &Value::Null), 200);

    // One whose session is on its way to it.
    assert_eq!(post("/v1/sessions/starts/stop", &Value::Null), 200);
    daemon.until("/v1/sessions/starts/verdict", |it| {
        let mut readings = it["readings"].as_array().unwrap().iter();
        readings.any(|it| it["name"] == "pollers" && it["says"] == "zero")
    });
    let (die, told) = channel();
    daemon.started.on_the_control_thread(move |services| {
        let wait = PollerTask::new(move || {
            told.recv().unwrap();
            panic!("on purpose");
        });
        services.command(1, Command::Run(wait));
        (0..MANY).for_each(|_| services.command(1, Command::Quiesce(0)));
    });
    assert_eq!(post("/v1/sessions/starts/start", &Value::Null), 200);
    die.send(()).unwrap();
    daemon.until("/v1/sessions/starts", |it| it["state"] == "stopped");
    let died = ["OnAirPollerDied p0", "OnAirPollerDied p1"];
    prometheus.wait(&died).unwrap();
    drop(prometheus);
    stage.take_down().unwrap();

    daemon.coordinator.begin(Cause::Signal(15));
    assert_eq!(daemon.ended().sessions[0].outcome.as_str(), "destroyed");
}

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
