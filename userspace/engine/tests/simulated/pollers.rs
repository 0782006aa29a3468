//! Pollers that panic.

use std::time::Duration;

use onair_api::operations::{AbortSession, CreateSession, ShowSession, StartSession};
use onair_api::{ProblemCode, SessionState};
use onair_ipc::caller::Deadline;
use serde_json::json;

use onair_sim_machine::life::{Life, cam, session};

const GOES_ON: &str = "[shutdown]\non_poller_death = \"continue\"\n";

#[test]
fn session_of_a_dead_poller_then_stopped_and_started_on_another() {
    let mut life = Life::with(GOES_ON);
    let spec = session("cam", "receive", json!({}));
    let before = life.ask::<CreateSession>((), spec).unwrap().poller;
    life.world.kill_poller(usize::from(before == "p1"));
    life.settle();
    let stopped = life.ask::<ShowSession>(cam(), ()).unwrap();
    assert_eq!(stopped.state, SessionState::Stopped);
    let started = life.ask::<StartSession>(cam(), ()).unwrap();
    assert_ne!(started.poller, before);
    let shown = life.ask::<ShowSession>(cam(), ()).unwrap();
    assert_eq!(shown.state, SessionState::Running);
}

#[test]
fn two_legs_whose_only_poller_died_then_no_start() {
    let mut life = Life::with(GOES_ON);
    let second = json!({"port": "c", "destination": "239.19.1.1:5004", "class": "a"});
    let flow = json!({"destination": "239.9.1.1:5004", "second_leg": second});
    let spec = session("cam", "receive", json!({"flow": flow}));
    let view = life.ask::<CreateSession>((), spec).unwrap();
    assert_eq!(view.poller, "p0");
    life.world.kill_poller(0);
    life.settle();
    // The poller that lives has the first port only.
    let refused = life.ask::<StartSession>(cam(), ()).unwrap_err();
    assert_eq!(refused.code, ProblemCode::PollerDown);
    let shown = life.ask::<ShowSession>(cam(), ()).unwrap();
    assert_eq!((shown.state, &*shown.poller), (SessionState::Stopped, "p0"));
}

#[test]
fn sender_whose_poller_died_then_each_frame_is_counted() {
    let mut life = Life::with(GOES_ON);
    let spec = session("cam", "send", json!({}));
    let poller = life.ask::<CreateSession>((), spec).unwrap().poller;
    let client = life.attach("cam").unwrap();
    life.live(Duration::from_millis(100));
    for _ in 0..3 {
        let lease = client.attachment.get(Deadline::Now).unwrap();
        client.attachment.submit(lease).unwrap();
    }
    // One goes out, and the others wait for the next frame times.
    life.live(Duration::from_millis(25));
    life.world.kill_poller(usize::from(poller == "p1"));
    life.settle();
    // Also those that the poller had collected: no other one will send them.
    let died = life.ask::<ShowSession>(cam(), ()).unwrap().counters;
    assert!(died.frames_sent < 3, "{died:?}");
    assert_eq!(died.frames_submitted, 3);
    let accounted = died.frames_sent + died.frames_dropped_stop;
    assert_eq!(accounted, 3, "{died:?}");
    let ended = life.ask::<AbortSession>(cam(), ()).unwrap().frames;
    assert_eq!(ended, died, "once");
}
