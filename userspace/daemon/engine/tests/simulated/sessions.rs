//! From create to the certificate.

use std::time::Duration;

use onair_api::operations::{
    CreateSession, DestroySession, DestroySessionWait, ListSessions, RetargetSession,
    RetargetSessions, SessionQuery, ShowCertificate, ShowSession, StartSession, StopSession,
};
use onair_api::{
    Certificate, DestroyWait, GroupPatch, Memory, ProblemCode, SessionId, SessionRef, SessionState,
    SessionView,
};
use onair_engine::inputs::{AttachAction, Input};
use onair_settings::access::authority::Caller;
use onair_settings::access::etag::etag;
use serde_json::{from_value, json};

use onair_sim_machine::POLLERS;
use onair_sim_machine::life::{Life, cam, root, session};

/// A session is created, stopped, and destroyed.
fn certificate_of(life: &mut Life) -> Box<Certificate> {
    let view = life.ask::<CreateSession>((), session("cam", "receive", json!({})));
    assert_eq!(view.unwrap().state, SessionState::Running);
    let running = life.ask::<DestroySession>(cam(), ()).unwrap_err();
    assert_eq!(running.code, ProblemCode::Running);
    certificate_of_stopped(life)
}

fn certificate_of_stopped(life: &mut Life) -> Box<Certificate> {
    life.ask::<StopSession>(cam(), ()).unwrap();
    life.ask::<DestroySession>(cam(), ()).unwrap()
}

#[test]
fn session_created_stopped_and_destroyed_then_its_certificate() {
    let mut life = Life::begin();
    let certificate = certificate_of(&mut life);
    assert!(matches!(certificate.memory, Memory::Returned { .. }));
    assert_eq!(certificate.issued_at, life.now());
    let gone = life.ask::<ShowSession>(cam(), ()).unwrap_err();
    assert_eq!(gone.code, ProblemCode::StaleSession);
}

#[test]
fn same_life_twice_then_the_same_certificate() {
    let [one, other] = [(); 2].map(|()| certificate_of(&mut Life::begin()));
    assert_eq!(one, other);
}

#[test]
fn session_changed_meanwhile_then_destroy_with_its_tag_refused() {
    let mut life = Life::begin();
    let view = life.ask::<CreateSession>((), session("cam", "receive", json!({})));
    let destroy = |life: &mut Life, tag: String| {
        let caller = Caller {
            if_match: vec![tag],
            ..root()
        };
        let answer = life.begin_to_ask::<DestroySession>(&caller, cam(), ());
        life.wait(answer)
    };
    let stopped = life.ask::<StopSession>(cam(), ()).unwrap();
    let late = destroy(&mut life, etag(&view.unwrap())).unwrap_err();
    assert_eq!(late.code, ProblemCode::PreconditionFailed);
    destroy(&mut life, etag(&stopped)).unwrap();
}

#[test]
fn running_session_retargeted_then_another_has_either_flow() {
    let mut life = Life::begin();
    let spec = || session("cam", "receive", json!({}));
    life.ask::<CreateSession>((), spec()).unwrap();
    let change = json!({"flow": {"destination": "239.9.1.1:5006"}});
    let change = Box::new(from_value(change).unwrap());
    let view = life.ask::<RetargetSession>(cam(), change).unwrap();
    assert_eq!(view.state, SessionState::Running);
    for udp in [5004, 5006] {
        let flow = json!({"flow": {"destination": format!("239.9.1.1:{udp}")}});
        let next = session(&format!("next-{udp}"), "receive", flow);
        life.ask::<CreateSession>((), next).unwrap();
    }
}

/// Changes of sessions `in-N`, each to a UDP port.
fn changes(members: &[(u16, u16)]) -> GroupPatch {
    let change = |(name, udp): &(u16, u16)| json!({"name": format!("in-{name}"), "change": {"flow": {"destination": format!("239.9.1.1:{udp}")}}});
    let all: Vec<_> = members.iter().map(change).collect();
    from_value(json!({ "sessions": all })).unwrap()
}

#[test]
fn receivers_exchange_their_flows_then_each_has_the_others() {
    let mut life = Life::begin();
    for udp in [5004, 5006, 5008] {
        let flow = json!({"flow": {"destination": format!("239.9.1.1:{udp}")}});
        let spec = session(&format!("in-{udp}"), "receive", flow);
        life.ask::<CreateSession>((), spec).unwrap();
    }
    let flows = |life: &mut Life| {
        let list = life.ask::<ListSessions>((), SessionQuery::default());
        let all = list.unwrap().sessions.into_iter();
        let ports = all.map(|it| it.destination.rsplit_once(':').unwrap().1.parse::<u16>());
        ports.map(Result::unwrap).collect::<Vec<_>>()
    };
    // In a ring, and back by two.
    life.ask::<RetargetSessions>((), changes(&[(5004, 5006), (5006, 5008), (5008, 5004)]))
        .unwrap();
    assert_eq!(flows(&mut life), [5006, 5008, 5004]);
    life.ask::<StopSession>("in-5008".parse().unwrap(), ())
        .unwrap();
    life.ask::<RetargetSessions>((), changes(&[(5006, 5004), (5008, 5008)]))
        .unwrap();
    assert_eq!(flows(&mut life), [5006, 5004, 5008]);
    let refused = [
        (vec![(5004, 5012), (5004, 5010)], "sessions[1]"),
        (vec![(5004, 5012), (5010, 5014)], "sessions[1]"),
    ];
    for (wrong, field) in refused {
        let problem = life
            .ask::<RetargetSessions>((), changes(&wrong))
            .unwrap_err();
        assert_eq!(problem.errors[0].field, field, "{problem}");
        assert_eq!(flows(&mut life), [5006, 5004, 5008]);
    }
}

#[test]
fn start_waits_for_the_poller_then_no_destroy() {
    let mut life = Life::begin();
    life.ask::<CreateSession>((), session("cam", "receive", json!({})))
        .unwrap();
    life.world.let_pollers_stand([true; POLLERS]);
    life.ask::<StopSession>(cam(), ()).unwrap();
    let starts = life.begin_to_ask::<StartSession>(&root(), cam(), ());
    let wait = DestroyWait { deadline_ms: 4000 };
    let refused = [
        life.ask::<DestroySessionWait>(cam(), wait),
        life.ask::<DestroySession>(cam(), ()),
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().code, ProblemCode::Running);
    }
    life.world.let_pollers_stand([false; POLLERS]);
    assert_eq!(life.wait(starts).unwrap().state, SessionState::Running);
    certificate_of_stopped(&mut life);
}

#[test]
fn session_gone_then_its_name_and_id_are_stale_and_no_others() {
    let mut life = Life::begin();
    let view = life.ask::<CreateSession>((), session("cam", "receive", json!({})));
    let id = view.unwrap().id;
    certificate_of_stopped(&mut life);
    let reference = |id: u64| SessionRef::Id(SessionId(id));
    for (gone, code) in [
        (cam(), ProblemCode::StaleSession),
        (id.into(), ProblemCode::StaleSession),
        (reference(id.0 + 1000), ProblemCode::NoSuchSession),
        (reference(id.0 - (1 << 32)), ProblemCode::StaleSession),
        ("nobody".parse().unwrap(), ProblemCode::NoSuchSession),
    ] {
        let refused = life.ask::<ShowSession>(gone.clone(), ()).unwrap_err();
        assert_eq!(refused.code, code, "{gone}");
        let refused = life.attach(&gone.to_string()).map(drop).unwrap_err();
        assert_eq!(refused.code, code, "attach {gone}");
    }
    // A session of the same name is another one.
    life.ask::<CreateSession>((), session("cam", "receive", json!({})))
        .unwrap();
    let old = life.ask::<ShowSession>(id.into(), ()).unwrap_err();
    assert_eq!(old.code, ProblemCode::StaleSession);
}

#[test]
fn change_that_is_wrong_then_refused_and_nothing_changes() {
    let mut life = Life::begin();
    let view = life.ask::<CreateSession>((), session("cam", "receive", json!({})));
    let before = view.unwrap().flow;
    for flow in [
        json!({"destination": "10.77.0.7:5000"}),
        json!({"destination": "224.0.0.1:5000"}),
        json!({"source": "0.0.0.0"}),
        json!({"sources": ["10.0.0.1"], "source": "10.0.0.1"}),
        json!({"payload_type": 200}),
    ] {
        let change = from_value(json!({ "flow": flow })).unwrap();
        let refused = life.ask::<RetargetSession>(cam(), Box::new(change));
        let code = refused.unwrap_err().code;
        assert_eq!(code, ProblemCode::InvalidSpec, "{flow}");
    }
    let now = life.ask::<ShowSession>(cam(), ()).unwrap();
    assert_eq!(now.flow, before);
}

#[test]
fn one_flow_of_several_sessions_then_joined_while_they_run() {
    let mut life = Life::begin();
    // How many sessions the group has, and how many sources they want together.
    let joined = |view: &SessionView| {
        let group = view.group.as_ref();
        group.map(|it| (it.sessions, it.sources.len()))
    };
    let name = |name: &str| -> SessionRef { name.parse().unwrap() };
    for (own, sources, expected) in [
        ("one", &["10.9.1.9"][..], (1, 1)),
        ("two", &["10.9.1.9"], (2, 1)),
        ("three", &["10.9.1.8", "10.9.1.9"], (3, 2)),
        ("four", &[], (4, 0)),
    ] {
        let flow = json!({"destination": "239.9.1.1:5004", "sources": sources});
        let new = session(own, "receive", json!({ "flow": flow }));
        let view = life.ask::<CreateSession>((), new).unwrap();
        assert_eq!(joined(&view), Some(expected), "{own}");
    }
    let change = from_value(json!({"flow": {"sources": ["10.9.1.9"]}})).unwrap();
    let view = life.ask::<RetargetSession>(name("four"), Box::new(change));
    assert_eq!(joined(&view.unwrap()), Some((4, 2)), "what others have");
    for (own, other, left) in [
        ("three", "four", (3, 1)),
        ("one", "four", (2, 1)),
        ("four", "two", (1, 1)),
    ] {
        life.ask::<StopSession>(name(own), ()).unwrap();
        life.live(Duration::from_secs(2));
        let view = life.ask::<ShowSession>(name(own), ()).unwrap();
        assert_eq!(joined(&view), None, "{own} has left");
        let view = life.ask::<ShowSession>(name(other), ()).unwrap();
        assert_eq!(joined(&view), Some(left), "{other}");
    }
    let view = life.ask::<StartSession>(name("one"), ()).unwrap();
    assert_eq!(joined(&view), Some((2, 1)), "it joins again");
    // One that is stopped joins nothing with a change.
    let change = from_value(json!({"flow": {"destination": "239.9.1.2:5004"}})).unwrap();
    let view = life.ask::<RetargetSession>(name("four"), Box::new(change));
    assert_eq!(joined(&view.unwrap()), None);
}

#[test]
fn stopped_sessions_stay_joined_where_the_port_says_so() {
    let mut life = Life::with("stopped_stay_joined = true\n");
    let flow = json!({"destination": "239.9.3.1:5004"});
    let new = session("cam", "receive", json!({"port": "c", "flow": flow}));
    life.ask::<CreateSession>((), new).unwrap();
    life.ask::<StopSession>(cam(), ()).unwrap();
    life.live(Duration::from_secs(2));
    let view = life.ask::<ShowSession>(cam(), ()).unwrap();
    assert_eq!(view.group.map(|it| it.sessions), Some(1));
}

#[test]
fn creator_of_a_session_gone_then_it_is_destroyed() {
    let mut life = Life::begin();
    let of = |name: &str| {
        let more = json!({"ends_with_creator": true, "flow": {"destination": "239.9.1.1:5004"}});
        session(name, "receive", more)
    };
    let refused = life.ask::<CreateSession>((), of("cam")).unwrap_err();
    assert_eq!(refused.errors[0].field, "ends_with_creator");
    // One that is attached is killed, another dies before it attaches.
    let (_, client) = life.create_own(root(), of("cam"));
    let early = life.peer(root());
    life.create_for(&early, of("early")).unwrap();
    life.kill(client);
    let connection = early.connection;
    life.take(Input::Attach(AttachAction::Left { connection }));
    life.live(Duration::from_secs(2));
    let gone = life.ask::<ShowSession>("early".parse().unwrap(), ());
    assert_eq!(gone.unwrap_err().code, ProblemCode::StaleSession);
    let certificate = life.ask::<ShowCertificate>(cam(), ()).unwrap();
    assert!(matches!(certificate.memory, Memory::Returned { .. }));
}

#[test]
fn session_that_ends_by_itself_stopped_then_destroyed() {
    let mut life = Life::begin();
    for stops in [false, true] {
        let more = json!({"ends_with_creator": true, "duration_ms": 5000});
        let spec = session("cam", "receive", more);
        life.ask::<CreateSession>((), spec).unwrap();
        life.live(Duration::from_secs(4));
        let view = life.ask::<ShowSession>(cam(), ()).unwrap();
        assert_eq!(view.state, SessionState::Running);
        if stops {
            life.ask::<StopSession>(cam(), ()).unwrap();
        }
        life.live(Duration::from_secs(2));
        let gone = life.ask::<ShowSession>(cam(), ()).unwrap_err();
        assert_eq!(gone.code, ProblemCode::StaleSession);
    }
}

#[test]
fn legs_over_the_memory_limit_then_refused_with_their_class() {
    let mut life = Life::with("[limits]\nframe_memory_mb = 8\n");
    let of = |class: &str| {
        let second = json!({"port": "c", "destination": "239.9.2.1:5004", "class": class});
        let flow = json!({"destination": "239.9.1.1:5004", "second_leg": second});
        let more = json!({"quota": 2, "max_attachments": 1, "flow": flow});
        session("cam", "receive", more)
    };
    let refused = life.ask::<CreateSession>((), of("c")).unwrap_err();
    assert_eq!(refused.code, ProblemCode::LimitReached);
    for words in ["limits.frame_memory_mb", "class"] {
        assert!(refused.detail.contains(words), "{refused}");
    }
    life.ask::<CreateSession>((), of("a")).unwrap();
}

#[test]
fn session_given_a_time_then_changed_with_that_unit() {
    let mut life = Life::begin();
    for direction in ["receive", "send"] {
        life.ask::<CreateSession>((), session("cam", direction, json!({})))
            .unwrap();
        life.live(Duration::from_millis(100));
        let to = |at_tai_ns: u64| {
            let change = json!({"flow": {"destination": "239.9.1.1:5006"}, "at_tai_ns": at_tai_ns});
            Box::new(from_value(change).unwrap())
        };
        let show = |life: &mut Life| life.ask::<ShowSession>(cam(), ()).unwrap();
        let at_tai_ns = life.world.tai_ns() + 2_000_000_000;
        let far = life.ask::<RetargetSession>(cam(), to(at_tai_ns + 9_000_000_000));
        assert_eq!(far.unwrap_err().code, ProblemCode::InvalidRequest);
        let view = life.ask::<RetargetSession>(cam(), to(at_tai_ns)).unwrap();
        let next = view.next.clone().unwrap();
        assert_eq!(next.destination, "239.9.1.1:5006");
        assert_eq!(next.at_tai_ns, Some(at_tai_ns));
        let other = life.ask::<RetargetSession>(cam(), to(at_tai_ns));
        assert_eq!(other.unwrap_err().code, ProblemCode::DataplaneBusy);
        // A frame before it there is no change; of the frame of that time there is.
        life.live(Duration::from_millis(1970));
        let before = show(&mut life);
        assert_eq!((before.flow, before.next.is_some()), (view.flow, true));
        life.live(Duration::from_millis(60));
        let after = show(&mut life);
        assert_eq!(after.flow.destination, "239.9.1.1:5006");
        assert_eq!(after.next, None);
        // A time that has passed is now, and so is any time for a session that stops.
        let back = json!({"flow": {"destination": "239.9.1.1:5004"}, "at_tai_ns": 1});
        life.ask::<RetargetSession>(cam(), Box::new(from_value(back).unwrap()))
            .unwrap();
        life.live(Duration::from_millis(100));
        assert_eq!(show(&mut life).flow.destination, "239.9.1.1:5004");
        let at_tai_ns = life.world.tai_ns() + 2_000_000_000;
        life.ask::<RetargetSession>(cam(), to(at_tai_ns)).unwrap();
        life.ask::<StopSession>(cam(), ()).unwrap();
        life.live(Duration::from_millis(100));
        let stopped = show(&mut life);
        assert_eq!(stopped.flow.destination, "239.9.1.1:5006");
        assert_eq!(stopped.next, None);
        life.ask::<DestroySession>(cam(), ()).unwrap();
    }
}
