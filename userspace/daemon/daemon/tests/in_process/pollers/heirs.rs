//! A poller of a port with two of them panics: the other one goes on with its queues and sessions.

use onair_dataplane::{Command, PollerTask};
use onair_stage::in_own_process;
use onaird::shutdown::Cause;
use serde_json::{Value, json};

use crate::in_process::InProcess;

fn spec(name: &str, direction: &str, port: &str, to: &str) -> Value {
    let source = (direction == "send").then_some("pattern");
    json!({
        "name": name, "direction": direction, "port": port, "source": source,
        "video": {"width": 64, "height": 32, "frame_rate": "60/1", "depth": 8},
        "flow": {"destination": to},
    })
}

#[test]
fn session_of_a_dead_poller_restarts_on_another_one_of_its_port() {
    in_own_process!();
    let more = "[probe]\nmode = \"off\"\n[shutdown]\non_poller_death = \"continue\"\n\
         [[poller]]\nname = \"p1\"\ncore = 1\n\
         [[port]]\nname = \"b\"\ndevice = \"ring:in-process:b\"\naddress = \"10.9.2.2/24\"\n\
         pollers = [\"p1\", \"p0\"]\n";
    let daemon = InProcess::start(more, |_| ());
    let post = |path: &str, body: &Value| daemon.ask("POST", path, body).0;
    for spec in [
        spec("in", "receive", "b", "10.9.2.2:5004"),
        spec("back", "send", "b", "10.9.2.1:5005"),
        spec("out", "send", "a", "10.9.2.2:5004"),
    ] {
        assert_eq!(post("/v1/sessions", &spec), 201);
    }
    let frames = |name: &str, counter: &str, least: u64| {
        daemon.until(&format!("/v1/sessions/{name}"), |it| {
            it["counters"][counter].as_u64().unwrap() > least
        });
    };
    frames("in", "frames_complete", 5);
    frames("back", "frames_sent", 5);

    // The only one with a queue of the ring.
    daemon.started.on_the_control_thread(|services| {
        services.command(0, Command::Run(PollerTask::new(|| panic!("on purpose"))));
    });
    for name in ["in", "back"] {
        daemon.until(&format!("/v1/sessions/{name}"), |it| {
            it["state"] == "stopped"
        });
    }
    for (name, counter) in [("in", "frames_complete"), ("back", "frames_sent")] {
        let start = format!("/v1/sessions/{name}/start");
        // It sends as soon as that one has the queue.
        daemon.until("/v1/health", |_| post(&start, &Value::Null) == 200);
        daemon.until(&format!("/v1/sessions/{name}"), |it| it["poller"] == "p0");
        let seen = daemon
            .ask("GET", &format!("/v1/sessions/{name}"), &Value::Null)
            .1;
        frames(
            name,
            counter,
            seen["counters"][counter].as_u64().unwrap() + 5,
        );
    }
    daemon.coordinator.begin(Cause::Signal(15));
    daemon.ended();
}
