//! Converted sessions: those that an operator makes, and those that the daemon makes for clients.

use std::time::Duration;

use onair_api::operations::{
    AbortSession, CreateSession, DescribeSession, DestroySession, EvictAttachment, ListSessions,
    RetargetSession, SessionQuery, ShowCertificate, ShowPicture, ShowSession, StartSession,
    StopSession,
};
use onair_api::{
    Operation, ProblemCode, SessionProblemKind as Kind, SessionRef, SessionState, SessionView, Via,
};
use onair_ipc::caller::Deadline;
use serde_json::{from_value, json};

use onair_sim_machine::life::client::Peer;
use onair_sim_machine::life::{Life, cam, converted, owner, root, session};

/// A receiver of 10 bits, with more fields.
fn source(name: &str, more: serde_json::Value) -> onair_api::NewSession {
    let video = json!({"width": 320, "height": 180, "frame_rate": "50/1", "depth": 10});
    let mut all = json!({"video": video});
    let more = more.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(more);
    session(name, "receive", all)
}

fn life() -> Life {
    let mut life = Life::begin();
    life.ask::<CreateSession>((), source("cam", json!({})))
        .unwrap();
    life
}

fn show(life: &mut Life, name: &str) -> SessionView {
    life.ask::<ShowSession>(name.parse().unwrap(), ()).unwrap()
}

/// Its problems, after some looks at it.
fn problems(life: &mut Life, name: &str) -> Vec<Kind> {
    life.live(Duration::from_secs(1));
    let problems = show(life, name).problems;
    problems.iter().map(|it| it.problem).collect()
}

fn end(life: &mut Life, name: &str) {
    let name: SessionRef = name.parse().unwrap();
    life.ask::<StopSession>(name.clone(), ()).unwrap();
    life.ask::<DestroySession>(name, ()).unwrap();
}

fn count(life: &mut Life) -> usize {
    let all = life.ask::<ListSessions>((), SessionQuery::default());
    all.unwrap().sessions.len()
}

#[test]
fn source_stops_or_goes_then_the_converted_session_says_so() {
    let mut life = life();
    let mine = || "mine".parse().unwrap();
    life.ask::<CreateSession>((), converted("mine", "cam", "v210"))
        .unwrap();
    assert_eq!(show(&mut life, "cam").converted_sessions, 1);
    life.ask::<StopSession>(cam(), ()).unwrap();
    assert_eq!(problems(&mut life, "mine"), [Kind::SourceStopped]);
    life.ask::<StartSession>(cam(), ()).unwrap();
    assert!(!problems(&mut life, "mine").contains(&Kind::SourceStopped));
    end(&mut life, "cam");
    assert_eq!(problems(&mut life, "mine"), [Kind::SourceGone]);
    // Another one of that name is found at the next start.
    life.ask::<CreateSession>((), source("cam", json!({})))
        .unwrap();
    assert_eq!(problems(&mut life, "mine"), [Kind::SourceGone]);
    life.ask::<StopSession>(mine(), ()).unwrap();
    life.ask::<StartSession>(mine(), ()).unwrap();
    assert!(!problems(&mut life, "mine").contains(&Kind::SourceGone));
    end(&mut life, "mine");
    assert_eq!(show(&mut life, "cam").converted_sessions, 0);
}

#[test]
fn converted_session_that_cannot_be_then_refused_with_advice() {
    let mut life = Life::with("[limits]\nframe_memory_mb = 40\n");
    let two = json!({"quota": 2, "max_attachments": 2});
    life.ask::<CreateSession>((), source("cam", two)).unwrap();
    let out = json!({"port": "b", "flow": {"destination": "239.9.1.2:5004"}});
    life.ask::<CreateSession>((), session("out", "send", out))
        .unwrap();
    let mut refused = |spec, code: ProblemCode, says: &str| {
        let refused = life.ask::<CreateSession>((), spec).unwrap_err();
        assert_eq!(refused.code, code, "{refused}");
        let told = serde_json::to_string(&refused).unwrap();
        assert!(told.contains(says), "{says}: {told}");
    };
    let invalid = ProblemCode::InvalidSpec;
    refused(converted("x", "cam", "rgba"), invalid, "v210, y210le");
    refused(converted("x", "cam", "v211"), invalid, "give one of");
    refused(converted("x", "out", "v210"), invalid, "convert.from");
    let none = ProblemCode::NoSuchSession;
    refused(converted("x", "nothing", "v210"), none, "nothing");
    life.ask::<CreateSession>((), converted("mine", "cam", "v210"))
        .unwrap();
    let of_converted = life.ask::<CreateSession>((), converted("x", "mine", "v210"));
    let told = serde_json::to_string(&of_converted.unwrap_err()).unwrap();
    assert!(told.contains("give its source, cam"), "{told}");
    // It takes the place of a client.
    life.ask::<CreateSession>((), converted("second", "cam", "v210"))
        .unwrap();
    let third = life.ask::<CreateSession>((), converted("third", "cam", "v210"));
    let third = third.unwrap_err();
    assert!(third.detail.contains("max_attachments"), "{third}");
    let full = life.attach("cam").map(drop).unwrap_err();
    assert!(full.detail.contains("2 converted sessions"), "{full}");
}

#[test]
fn converter_not_there_then_none_is_made_and_others_are_shared() {
    let mut life = life();
    let made = converted("made", "cam", "v210");
    life.ask::<CreateSession>((), made).unwrap();
    life.world.set_converter(false);
    let mine = converted("mine", "cam", "v210");
    let refused = life.ask::<CreateSession>((), mine).unwrap_err();
    assert_eq!(refused.code, ProblemCode::NoConverter);
    assert!(refused.detail.contains("onair-convert"), "{refused}");
    let refused = life.attach_as(root(), "cam", Some("yuv422p10le"));
    assert_eq!(
        refused.map(drop).unwrap_err().code,
        ProblemCode::NoConverter
    );
    assert_eq!(count(&mut life), 2);
    // What exists is shared, whatever became of the program.
    life.attach_as(root(), "cam", Some("v210")).unwrap();
}

#[test]
fn other_process_to_fill_a_converted_session_then_it_only_reads() {
    let mut life = life();
    life.ask::<CreateSession>((), converted("mine", "cam", "v210"))
        .unwrap();
    // As in a session that receives: the daemon says that it does not send.
    let other = life.attach_to_fill("mine").unwrap();
    assert!(!other.attachment.sends());
    let view = show(&mut life, "mine");
    let found = view.attachments.iter().map(|it| (it.pid, it.fills));
    assert_eq!(found.collect::<Vec<_>>(), [(other.pid, false)]);
    // The daemon's own one still has its place.
    let mut caller = root();
    caller.who.via = Via::Daemon;
    let peer = Peer {
        fills: true,
        ..life.peer(caller)
    };
    let session = life.reserve(&peer, "mine", None).unwrap();
    let own = life.admit(&peer, session).unwrap();
    assert!(own.attachment.sends());
    life.live(Duration::from_millis(20));
    let lease = own.attachment.get(Deadline::Now).unwrap();
    own.attachment.submit(lease).unwrap();
    life.live(Duration::from_millis(20));
    let lease = other.attachment.get(Deadline::Now).unwrap();
    other.attachment.put(lease).unwrap();
    // An evicted one is ended, whatever it does. Another process is let be.
    let (mine, number) = other.place();
    life.ask::<EvictAttachment>((mine, number), ()).unwrap();
    assert!(life.world.ended_converters().is_empty());
    life.ask::<EvictAttachment>(own.place(), ()).unwrap();
    assert_eq!(life.world.ended_converters(), [own.pid]);
}

#[test]
fn converted_session_asked_for_packets_then_it_has_none() {
    let mut life = life();
    let mine = || -> SessionRef { "mine".parse().unwrap() };
    life.ask::<CreateSession>((), converted("mine", "cam", "v210"))
        .unwrap();
    let flow = json!({"flow": {"destination": "239.9.1.1:5006"}});
    let flow = Box::new(from_value(flow).unwrap());
    let refused = [
        life.ask::<DescribeSession>(mine(), ()).map(drop),
        life.ask::<ShowPicture>(mine(), ()).map(drop),
        life.ask::<RetargetSession>(mine(), flow).map(drop),
    ];
    let codes = refused.map(|it| it.unwrap_err().code);
    assert_eq!(codes, [ProblemCode::NoPackets; 3]);
}

#[test]
fn converted_session_persistent_then_back_behind_its_source() {
    let mut life = Life::begin();
    let kept = json!({"persistent": true});
    life.ask::<CreateSession>((), source("cam", kept)).unwrap();
    let body =
        json!({"name": "a-cam", "persistent": true, "convert": {"from": "cam", "layout": "v210"}});
    let document: onair_api::NewSessionDocument = from_value(body).unwrap();
    life.ask::<CreateSession>((), document.try_into().unwrap())
        .unwrap();
    let mut life = life.again();
    let back = show(&mut life, "a-cam");
    assert_eq!(back.state, SessionState::Running);
    assert_eq!(show(&mut life, "cam").converted_sessions, 1);
}

/// Attaches in a layout; the session's name.
fn in_layout(life: &mut Life, layout: &str) -> (onair_sim_machine::life::client::Client, String) {
    let client = life.attach_as(root(), "cam", Some(layout));
    let client = client.unwrap();
    let view = life.ask::<ShowSession>(client.place().0, ()).unwrap();
    (client, view.name.to_string())
}

#[test]
fn clients_name_layouts_then_one_session_for_each_until_unused() {
    let mut life = life();
    let (one, name) = in_layout(&mut life, "v210");
    assert_eq!(name, "cam-v210");
    let (other, same) = in_layout(&mut life, "v210");
    assert_eq!((same, count(&mut life)), (name, 2));
    let (third, _) = in_layout(&mut life, "y210le");
    assert_eq!(show(&mut life, "cam").converted_sessions, 2);
    let session = one.place().0;
    life.detach(one).unwrap();
    life.kill(other);
    life.detach(third).unwrap();
    life.live(Duration::from_secs(30));
    assert_eq!(count(&mut life), 1);
    let certificate = life.ask::<ShowCertificate>(session, ()).unwrap();
    assert_eq!(certificate.operation, Operation::DestroyWait);
    assert_eq!(certificate.requester.command, "onaird");
    // One that an operator made is taken, too.
    life.ask::<CreateSession>((), converted("packed", "cam", "y210le"))
        .unwrap();
    assert_eq!(in_layout(&mut life, "y210le").1, "packed");
}

#[test]
fn source_stops_starts_and_goes_then_its_layout_follows() {
    let mut life = life();
    let (client, name) = in_layout(&mut life, "v210");
    let follower = || -> SessionRef { name.parse().unwrap() };
    let follows = |life: &mut Life, state| {
        life.live(Duration::from_secs(1));
        assert_eq!(show(life, &name).state, state);
    };
    life.ask::<StopSession>(cam(), ()).unwrap();
    follows(&mut life, SessionState::Stopped);
    life.ask::<StartSession>(cam(), ()).unwrap();
    follows(&mut life, SessionState::Running);
    // An operator's own stop lasts until the source starts again.
    life.ask::<StopSession>(follower(), ()).unwrap();
    follows(&mut life, SessionState::Stopped);
    life.ask::<StopSession>(cam(), ()).unwrap();
    life.ask::<StartSession>(cam(), ()).unwrap();
    follows(&mut life, SessionState::Running);
    end(&mut life, "cam");
    life.live(Duration::from_secs(5));
    let certificate = life.ask::<ShowCertificate>(client.place().0, ()).unwrap();
    assert_eq!(certificate.operation, Operation::DestroyWait);
}

#[test]
fn source_aborted_then_its_layout_is_aborted_with_it() {
    let mut life = life();
    let (client, _) = in_layout(&mut life, "v210");
    life.ask::<AbortSession>(cam(), ()).unwrap();
    life.live(Duration::from_secs(1));
    let certificate = life.ask::<ShowCertificate>(client.place().0, ()).unwrap();
    assert_eq!(certificate.operation, Operation::Abort);
    assert_eq!(certificate.evicted.len(), 1);
}

#[test]
fn source_destroyed_during_an_attach_then_the_layout_ends() {
    let mut life = life();
    let peer = life.peer(root());
    let reserved = life.reserve(&peer, "cam", Some("v210")).unwrap();
    end(&mut life, "cam");
    life.live(Duration::from_secs(5));
    let late = life.admit(&peer, reserved).map(drop).unwrap_err();
    assert_eq!(late.code, ProblemCode::StaleSession);
    assert_eq!(count(&mut life), 0);
}

#[test]
fn layout_that_cannot_be_then_refused_and_nothing_is_made() {
    let mut life = life();
    let out = json!({"port": "b", "flow": {"destination": "239.9.1.2:5004"}});
    life.ask::<CreateSession>((), session("out", "send", out))
        .unwrap();
    for (name, layout, says) in [
        ("cam", "rgba", "give one of"),
        ("cam", "v211", "give one of"),
        ("out", "v210", "out sends"),
    ] {
        let refused = life.attach_as(root(), name, Some(layout));
        let told = serde_json::to_string(&refused.map(drop).unwrap_err()).unwrap();
        assert!(told.contains(says), "{says}: {told}");
    }
    assert_eq!(count(&mut life), 2);
}

#[test]
fn user_of_own_sessions_then_layouts_of_those_and_of_no_other() {
    let mut life = life();
    let flow = json!({"flow": {"destination": "239.9.1.1:5006"}});
    life.ask_as::<CreateSession>(&owner(7), (), source("mine", flow))
        .unwrap();
    for (uid, name) in [(7, "cam"), (8, "mine")] {
        let refused = life.attach_as(owner(uid), name, Some("v210"));
        assert_eq!(refused.map(drop).unwrap_err().code, ProblemCode::Forbidden);
    }
    let client = life.attach_as(owner(7), "mine", Some("v210")).unwrap();
    let view = life.ask::<ShowSession>(client.place().0, ()).unwrap();
    assert_eq!(view.owner.map(|it| it.uid), Some(7));
    let refused = life.attach_as(owner(8), "mine-v210", None);
    assert_eq!(refused.map(drop).unwrap_err().code, ProblemCode::Forbidden);
    // A session of another user under the source's name is no source.
    let spied = life.ask_as::<CreateSession>(&owner(7), (), converted("spy", "cam", "v210"));
    assert_eq!(spied.unwrap_err().code, ProblemCode::Forbidden);
}

#[test]
fn daemon_ends_with_layouts_of_clients_then_each_is_destroyed() {
    let mut life = life();
    let clients = ["v210", "y210le"].map(|layout| in_layout(&mut life, layout).0);
    life.shut_down(Duration::from_secs(60));
    let ended = life.end();
    let ends = ended.sessions.iter().map(|it| it.outcome);
    assert!(
        ends.eq([onair_api::SessionOutcome::Destroyed; 3]),
        "{ended:?}"
    );
    drop(clients);
}
