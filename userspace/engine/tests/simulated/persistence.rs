//! Sessions that come back when the daemon starts anew.

use std::time::Duration;

use onair_api::operations::SessionQuery;
use onair_api::operations::{
    AbortSession, CreateGroup, CreateSession, DestroyGroup, DestroySession, DestroySessionWait,
    ListSessions, QuarantineSession, RetargetSession, ShowGroup, ShowHealth, ShowSession,
    StopGroup, StopSession,
};
use onair_api::{DestroyWait, GroupName, NewGroup, NewSession, ProblemCode, SessionState};
use onair_ipc::caller::Deadline;
use serde_json::{from_value, json};

use onair_sim_machine::life::{Life, session};

/// A persistent session at a UDP port.
fn kept(name: &str, udp: u16, more: serde_json::Value) -> NewSession {
    let mut all = json!({
        "persistent": true, "flow": {"destination": format!("239.9.1.1:{udp}")},
    });
    all.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    session(name, "send", all)
}

fn names(life: &mut Life) -> Vec<String> {
    let list = life.ask::<ListSessions>((), SessionQuery::default());
    let list = list.unwrap().sessions;
    list.iter().map(|it| it.name.to_string()).collect()
}

#[test]
fn session_retargeted_while_stopped_then_back_so_and_stopped() {
    let mut life = Life::begin();
    let cam = || "cam".parse().unwrap();
    let first = life.ask::<CreateSession>((), kept("cam", 5004, json!({})));
    life.ask::<StopSession>(cam(), ()).unwrap();
    let change = json!({"flow": {"destination": "239.9.1.1:5006"}});
    let change = Box::new(from_value(change).unwrap());
    life.ask::<RetargetSession>(cam(), change).unwrap();
    let mut life = life.again();
    let back = life.ask::<ShowSession>(cam(), ()).unwrap();
    assert_eq!(back.flow.destination, "239.9.1.1:5006");
    assert_eq!(back.state, SessionState::Stopped);
    assert!(back.id.0 > first.unwrap().id.0);
    let certificate = life.ask::<DestroySession>(cam(), ()).unwrap();
    assert!(certificate.stopped_before.is_some());
    assert!(names(&mut life.again()).is_empty(), "a user destroyed it");
}

#[test]
fn sessions_in_a_shutdown_then_back_unless_a_user_ended_them() {
    let mut life = Life::begin();
    // The others are not destroyed before the first one is.
    let all = [("held", 0), ("destroyed", 90), ("aside", 90), ("left", 90)];
    for ((name, priority), udp) in all.into_iter().zip(5004..) {
        let spec = kept(name, udp, json!({"priority": priority}));
        life.ask::<CreateSession>((), spec).unwrap();
    }
    let client = life.attach("held").unwrap();
    life.live(Duration::from_millis(100));
    let _lease = client.attachment.get(Deadline::Now).unwrap();
    life.shut_down(Duration::from_secs(60));
    let wait = DestroyWait {
        deadline_ms: 10_000,
    };
    let destroyed = life.ask::<DestroySessionWait>("destroyed".parse().unwrap(), wait);
    destroyed.unwrap();
    let aside = life.ask::<QuarantineSession>("aside".parse().unwrap(), ());
    aside.unwrap();
    let aborted = life.ask::<AbortSession>("held".parse().unwrap(), ());
    aborted.unwrap();
    life.end();
    assert_eq!(names(&mut life.again()), ["left"]);
}

#[test]
fn group_persistent_then_back_less_ended_members() {
    let name = || -> GroupName { "in".parse().unwrap() };
    let members = [("in-a", 5004), ("in-b", 5006), ("in-c", 5008)];
    let members = members.map(|(name, udp)| match kept(name, udp, json!({})) {
        NewSession::Complete(spec) => *spec,
        NewSession::Converted(_) => unreachable!("it has packets"),
    });
    let group = NewGroup {
        name: name(),
        sessions: members.into(),
    };
    let mut life = Life::begin();
    life.ask::<CreateGroup>((), group).unwrap();
    life.ask::<AbortSession>("in-b".parse().unwrap(), ())
        .unwrap();
    for state in [SessionState::Running, SessionState::Stopped] {
        life = life.again();
        let back = life.ask::<ShowGroup>(name(), ()).unwrap().members;
        let back = back
            .iter()
            .map(|it| (it.session.name.as_str(), it.session.state));
        assert_eq!(back.collect::<Vec<_>>(), [("in-a", state), ("in-c", state)]);
        life.ask::<StopGroup>(name(), ()).unwrap();
    }
    life.ask::<DestroyGroup>(name(), ()).unwrap();
    let gone = life.again().ask::<ShowGroup>(name(), ()).unwrap_err();
    assert_eq!(gone.code, ProblemCode::NoSuchGroup);
}

#[test]
fn sessions_came_back_stopped_then_each_ending_tells_of_it() {
    let mut life = Life::begin();
    for (name, udp) in ["destroyed", "aborted", "aside"].into_iter().zip(5004..) {
        life.ask::<CreateSession>((), kept(name, udp, json!({})))
            .unwrap();
        life.ask::<StopSession>(name.parse().unwrap(), ()).unwrap();
    }
    let mut life = life.again();
    let named = |name: &str| name.parse().unwrap();
    let certificates = [
        life.ask::<DestroySession>(named("destroyed"), ()),
        life.ask::<AbortSession>(named("aborted"), ()),
        life.ask::<QuarantineSession>(named("aside"), ()),
    ];
    for certificate in certificates {
        let certificate = certificate.unwrap();
        let before = certificate.stopped_before.as_ref().unwrap().session;
        assert!(before.0 < certificate.session.0, "{certificate:?}");
        let document = serde_json::to_value(&certificate).unwrap();
        let checks = onair_certificate::verify(&document).unwrap();
        assert!(checks.holds, "{checks:#?}");
    }
}

#[test]
fn folder_gone_then_the_session_works_and_is_written_later() {
    let mut life = Life::begin();
    life.state().rename("sessions", "away");
    let cam = || "cam".parse().unwrap();
    let unwritten = [
        life.ask::<CreateSession>((), kept("cam", 5004, json!({}))),
        life.ask::<StopSession>(cam(), ()),
    ];
    for unwritten in unwritten {
        assert_eq!(unwritten.unwrap_err().code, ProblemCode::DiskFailed);
    }
    let state = |life: &mut Life| life.ask::<ShowSession>(cam(), ()).unwrap().state;
    assert_eq!(state(&mut life), SessionState::Stopped);
    life.state().rename("away", "sessions");
    life.ask::<StopSession>(cam(), ()).unwrap();
    assert_eq!(state(&mut life.again()), SessionState::Stopped);
}

#[test]
fn port_is_no_more_then_health_names_the_session() {
    let mut life = Life::begin();
    life.ask::<CreateSession>((), kept("cam", 5004, json!({})))
        .unwrap();
    let mut life = life.again_after(|state| {
        let file = "sessions/cam.json";
        let mut spec: serde_json::Value = serde_json::from_slice(&state.read(file)).unwrap();
        spec["spec"]["port"] = "z".into();
        state.write(file, spec.to_string().as_bytes());
    });
    assert!(names(&mut life).is_empty());
    let health = life.ask::<ShowHealth>((), ()).unwrap();
    let mut problems = health.problems.iter();
    assert!(
        problems.any(|it| it.contains("session cam does not come back")),
        "{:?}",
        health.problems
    );
}
