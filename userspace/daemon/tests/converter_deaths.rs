//! The threads of a whole daemon that convert panic: their sessions are stopped, the source goes on, and they start
//! again on another one.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod in_process;

use in_process::InProcess;
use onair::{Client, Error, PixelFormat, Session, Timeout};
use onair_dataplane::{Command, PollerTask};
use onaird::shutdown::Cause;
use serde_json::{Value, json};

const TIMEOUT: Timeout = Timeout::millis(60_000);
/// The thread that converts, by its number, and the one that does when it is dead: a poller of the source's port, then
/// a converter, whose numbers come after the pollers'.
const THREADS: [(usize, &str); 2] = [(0, "convert0"), (2, "convert1")];
const FRAMES: u64 = 10;

fn spec(name: &str, direction: &str, port: &str) -> Value {
    json!({
        "name": name, "direction": direction, "port": port,
        "source": (direction == "send").then_some("pattern"), "quota": 16,
        "video": {"width": 96, "height": 32, "frame_rate": "10", "depth": 10},
        "flow": {"destination": "10.9.2.2:5004"},
    })
}

/// A frame of the converted session is what the client library makes of the source's.
fn frame_of_both(source: &Session, converted: &Session) {
    let mut pixels = vec![0; converted.layout().frame_bytes()];
    let mut ours = source.buffer_get(TIMEOUT).unwrap();
    let mut theirs = converted.buffer_get(TIMEOUT).unwrap();
    // The one that is behind takes its next.
    while ours.rtp_timestamp() != theirs.rtp_timestamp() {
        if ours.rtp_timestamp() < theirs.rtp_timestamp() {
            drop(ours);
            ours = source.buffer_get(TIMEOUT).unwrap();
        } else {
            drop(theirs);
            theirs = converted.buffer_get(TIMEOUT).unwrap();
        }
    }
    ours.unpack(PixelFormat::V210, &mut pixels).unwrap();
    assert_eq!(*theirs, pixels[..]);
}

#[test]
fn daemon_threads_that_convert_panic_then_a_start_takes_another() {
    let more = "[probe]\nmode = \"off\"\n[shutdown]\non_poller_death = \"continue\"\n\
         [[poller]]\nname = \"p1\"\ncore = 1\nconverts = true\n\
         [[port]]\nname = \"b\"\ndevice = \"ring:in-process:b\"\naddress = \"10.9.2.2/24\"\n\
         pollers = [\"p0\", \"p1\"]\n";
    let daemon = InProcess::start(more, |_| ());
    let post = |path: &str, body: &Value| daemon.ask("POST", path, body);
    assert_eq!(post("/v1/sessions", &spec("cam", "receive", "b")).0, 201);
    let converted = |name: &str| {
        let convert = json!({"from": "cam", "layout": "v210"});
        let body = json!({"name": name, "convert": convert, "quota": 16});
        let (status, view) = post("/v1/sessions", &body);
        assert_eq!(status, 201, "{view}");
        view["poller"].as_str().unwrap().to_owned()
    };
    assert_eq!(converted("cam-v210"), "p1");
    let attach = |name: &str| Session::attach(daemon.folder().join("attach.sock"), name).unwrap();
    let (source, copies) = (attach("cam"), attach("cam-v210"));
    let by_layout = Client::at(daemon.folder().join("attach.sock"))
        .attach_as("cam", PixelFormat::Y210)
        .unwrap();
    assert_eq!(post("/v1/sessions", &spec("out", "send", "a")).0, 201);
    frame_of_both(&source, &copies);

    for (thread, next) in THREADS {
        daemon.started.on_the_control_thread(move |services| {
            let panics = PollerTask::new(|| panic!("on purpose"));
            services.command(thread, Command::Run(panics));
        });
        daemon.until("/v1/sessions/cam-v210", |it| it["state"] == "stopped");
        let ended = loop {
            if let Err(error) = copies.buffer_get(TIMEOUT) {
                break error;
            }
        };
        assert!(matches!(ended, Error::Stopped), "{ended:?}");
        // No frame of the source stays with the dead one, and its clients miss none.
        let first = source.buffer_get(TIMEOUT).unwrap().number();
        for number in first + 1..first + FRAMES {
            assert_eq!(source.buffer_get(TIMEOUT).unwrap().number(), number);
        }
        let (_, view) = daemon.ask("GET", "/v1/sessions/cam", &Value::Null);
        let counters = &view["counters"];
        assert_eq!(counters["frames_no_buffer"], 0, "{counters}");

        let (status, view) = post("/v1/sessions/cam-v210/start", &Value::Null);
        assert_eq!((status, &view["poller"]), (200, &json!(next)), "{view}");
        daemon.until("/v1/sessions/cam-v210", |it| {
            it["state"] == "running" && it["problems"].as_array().is_none_or(Vec::is_empty)
        });
        frame_of_both(&source, &copies);
        // One that was made for clients is started by itself, but once: the next thread may die of the same frame.
        let follows = daemon.until("/v1/sessions/cam-y210le", |it| {
            it["state"] == if thread == 0 { "running" } else { "stopped" }
        });
        assert_eq!(follows["poller"], "convert0", "{follows}");
    }
    // The dead one counts as none of `limits.converters`.
    assert_eq!(converted("second"), "convert1");
    let (_, view) = daemon.ask("GET", "/v1/sessions/cam", &Value::Null);
    assert_eq!(view["converted_sessions"], 3, "{view}");

    by_layout.detach().unwrap();
    copies.detach().unwrap();
    source.detach().unwrap();
    for name in ["cam", "cam-v210", "second"] {
        let path = format!("/v1/sessions/{name}");
        assert_eq!(post(&format!("{path}/stop"), &Value::Null).0, 200);
        let wait = json!({"deadline_ms": 60_000});
        let (status, answer) = post(&format!("{path}/destroy_wait"), &wait);
        assert_eq!(status, 200, "{name}: {answer}");
    }
    daemon.coordinator.begin(Cause::Signal(15));
    assert_eq!(daemon.ended().sessions[0].outcome.as_str(), "destroyed");
}
