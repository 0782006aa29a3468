//! Changes of addresses that stop or start a session, too: all or nothing.

use std::time::Duration;

use onair_api::operations::{
    CreateSession, RetargetSession, ShowSession, StartSession, StopSession,
};
use onair_api::{ProblemCode, SessionPatch, SessionState, SessionView};
use onair_sim_machine::POLLERS;
use onair_sim_machine::life::{Life, cam, root, session};
use serde_json::{Value, from_value, json};

fn change(patch: Value) -> Box<SessionPatch> {
    Box::new(from_value(patch).unwrap())
}

/// With another UDP port, and whether it runs then.
fn to(udp: u16, running: bool) -> Box<SessionPatch> {
    let flow = json!({"destination": format!("239.9.1.1:{udp}")});
    change(json!({"flow": flow, "running": running}))
}

fn has(view: &SessionView, running: bool, udp: u16) -> bool {
    let state = match running {
        true => SessionState::Running,
        false => SessionState::Stopped,
    };
    view.state == state && view.flow.destination == format!("239.9.1.1:{udp}")
}

#[test]
fn session_stopped_with_other_addresses_then_answered_once_back() {
    for direction in ["receive", "send"] {
        let mut life = Life::begin();
        life.ask::<CreateSession>((), session("cam", direction, json!({})))
            .unwrap();
        life.live(Duration::from_millis(100));
        life.world.let_pollers_stand([true; POLLERS]);
        let stop = life.begin_to_ask::<RetargetSession>(&root(), cam(), to(5006, false));
        life.live(Duration::from_millis(100));
        let before = life.ask::<ShowSession>(cam(), ()).unwrap();
        assert_eq!(before.next.unwrap().destination, "239.9.1.1:5006");
        let busy = life.ask::<RetargetSession>(cam(), to(5008, true));
        assert_eq!(busy.unwrap_err().code, ProblemCode::DataplaneBusy);
        life.world.let_pollers_stand([false; POLLERS]);
        assert!(has(&life.wait(stop).unwrap(), false, 5006));

        // Two requests, the second one while it is stopping.
        let started = life.ask::<RetargetSession>(cam(), to(5008, true)).unwrap();
        assert!(has(&started, true, 5008), "{started:?}");
        life.world.let_pollers_stand([true; POLLERS]);
        life.ask::<StopSession>(cam(), ()).unwrap();
        let start = life.begin_to_ask::<RetargetSession>(&root(), cam(), to(5010, true));
        life.world.let_pollers_stand([false; POLLERS]);
        assert!(has(&life.wait(start).unwrap(), true, 5010));
        // They outlast the daemon's restart only if it is persistent; a stop needs no change.
        let stop = change(json!({"running": false}));
        let stopped = life.ask::<RetargetSession>(cam(), stop).unwrap();
        assert_eq!(stopped.flow.destination, "239.9.1.1:5010");
        life.live(Duration::from_millis(100));
        assert!(has(
            &life.ask::<ShowSession>(cam(), ()).unwrap(),
            false,
            5010
        ));
    }
}

#[test]
fn change_refused_then_the_session_neither_stops_nor_starts() {
    let mut life = Life::begin();
    life.ask::<CreateSession>((), session("cam", "receive", json!({})))
        .unwrap();
    let wrong = |running: bool| {
        let flow = json!({"destination": "224.0.0.1:5000"});
        change(json!({"flow": flow, "running": running}))
    };
    for running in [true, false] {
        let refused = life.ask::<RetargetSession>(cam(), wrong(!running));
        assert_eq!(refused.unwrap_err().code, ProblemCode::InvalidSpec);
        let view = life.ask::<ShowSession>(cam(), ()).unwrap();
        assert!(has(&view, running, 5004), "{view:?}");
        life.ask::<StopSession>(cam(), ()).unwrap();
        life.live(Duration::from_millis(100));
    }
}

#[test]
fn persistent_session_changed_and_stopped_then_restored_so() {
    let mut life = Life::begin();
    let spec = session("cam", "receive", json!({"persistent": true}));
    life.ask::<CreateSession>((), spec).unwrap();
    for (udp, running) in [(5006, false), (5008, true)] {
        life.ask::<RetargetSession>(cam(), to(udp, running))
            .unwrap();
        life = life.again();
        let view = life.ask::<ShowSession>(cam(), ()).unwrap();
        assert!(has(&view, running, udp), "{view:?}");
    }
}

#[test]
fn session_that_joins_again_then_it_is_as_before() {
    let mut life = Life::begin();
    let before = life.ask::<CreateSession>((), session("cam", "receive", json!({})));
    let rejoin = || change(json!({"rejoin": true}));
    let view = life.ask::<RetargetSession>(cam(), rejoin()).unwrap();
    assert_eq!(view.flow, before.unwrap().flow);
    assert!(has(&view, true, 5004));
    life.ask::<StopSession>(cam(), ()).unwrap();
    life.live(Duration::from_millis(100));
    let stopped = life.ask::<RetargetSession>(cam(), rejoin()).unwrap();
    assert!(has(&stopped, false, 5004));
    life.ask::<StartSession>(cam(), ()).unwrap();
}
