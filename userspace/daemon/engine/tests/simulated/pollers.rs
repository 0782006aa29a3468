//! Pollers that panic, and pollers of a busy host.

use std::time::Duration;

use onair_api::operations::{
    AbortSession, CreateSession, DestroySession, ShowSession, StartSession, StopSession,
};
use onair_api::{ProblemCode, SessionOutcome, SessionProblemKind, SessionState};
use onair_ipc::caller::Deadline;
use serde_json::json;

use onair_sim_machine::POLLERS;
use onair_sim_machine::life::{Life, cam, root, session};

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

/// A session `cam`, whose poller makes no turn for a second: that is shown.
fn on_a_busy_host() -> Life {
    let mut life = Life::begin();
    life.ask::<CreateSession>((), session("cam", "receive", json!({})))
        .unwrap();
    life.world.let_pollers_stand([true; POLLERS]);
    life.live(Duration::from_secs(1));
    let shown = life.ask::<ShowSession>(cam(), ()).unwrap();
    let problem = &shown.problems[0];
    assert_eq!(problem.problem, SessionProblemKind::PollerStalled);
    let waits = "what it has to do waits for it";
    assert!(problem.detail.ends_with(waits), "{problem:?}");
    life
}

#[test]
fn pollers_stall_for_four_seconds_then_requests_wait() {
    let mut life = on_a_busy_host();
    let flow = json!({"flow": {"destination": "239.9.1.7:5004"}});
    let late = session("late", "receive", flow);
    let late = life.ask::<CreateSession>((), late).unwrap();
    life.ask::<StopSession>(cam(), ()).unwrap();
    let ends = life.begin_to_ask::<DestroySession>(&root(), cam(), ());
    life.live(Duration::from_secs(3));
    life.world.let_pollers_stand([false; POLLERS]);
    life.wait(ends).unwrap();
    life.live(Duration::from_secs(1));
    let shown = life.ask::<ShowSession>(late.id.into(), ()).unwrap();
    assert_eq!(shown.state, SessionState::Running);
    let kinds = shown.problems.iter().map(|it| it.problem);
    assert!({ kinds }.all(|it| it != SessionProblemKind::PollerStalled));
}

#[test]
fn pollers_stall_while_the_daemon_ends_then_certified() {
    let mut life = on_a_busy_host();
    life.shut_down(Duration::from_secs(10));
    life.live(Duration::from_secs(3));
    life.world.let_pollers_stand([false; POLLERS]);
    let ended = life.end();
    assert_eq!(ended.sessions[0].outcome, SessionOutcome::Destroyed);
}

#[test]
fn pollers_are_lost_while_the_daemon_ends_then_it_ends() {
    let mut life = on_a_busy_host();
    let began = life.world.passed();
    life.shut_down(Duration::from_secs(3600));
    let ended = life.end();
    assert_eq!(ended.sessions[0].outcome, SessionOutcome::Abandoned);
    assert!(life.world.passed() - began < Duration::from_secs(5));
}
