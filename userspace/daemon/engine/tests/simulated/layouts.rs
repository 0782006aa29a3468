//! Converted sessions, and clients that name a layout.

use std::time::Duration;

use onair_api::operations::{
    CreateSession, DescribeSession, DestroySession, EvictAttachment, ListSessions, RetargetSession,
    SessionQuery, ShowPicture, ShowSession, StartSession, StopSession,
};
use onair_api::{
    ProblemCode, SessionProblemKind as Kind, SessionRef, SessionState, SessionView, Via,
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
    // The reason of its last look for one stays.
    life.ask::<StopSession>(mine(), ()).unwrap();
    life.ask::<StartSession>(mine(), ()).unwrap();
    assert_eq!(problems(&mut life, "mine"), [Kind::SourceGone]);
    let told = &show(&mut life, "mine").problems[0].detail;
    assert!(told.contains("no session has that name"), "{told}");
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
fn converter_not_there_then_none_is_made() {
    let mut life = life();
    let made = converted("made", "cam", "v210");
    life.ask::<CreateSession>((), made).unwrap();
    life.world.set_converter(false);
    let mine = converted("mine", "cam", "v210");
    let refused = life.ask::<CreateSession>((), mine).unwrap_err();
    assert_eq!(refused.code, ProblemCode::NoConverter);
    assert!(refused.detail.contains("onair-convert"), "{refused}");
    assert_eq!(count(&mut life), 2);
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

#[test]
fn client_names_a_layout_then_gets_the_session_or_the_command() {
    let mut life = life();
    let refused = life.attach_as(root(), "cam", Some("v210")).map(drop);
    let refused = refused.unwrap_err();
    assert_eq!(refused.code, ProblemCode::NotConverted);
    let command = "`onairctl session create cam-v210 --from cam --layout v210`";
    assert!(refused.detail.contains(command), "{refused}");
    assert_eq!(count(&mut life), 1, "none was made");
    let narrow =
        json!({"name": "one", "max_attachments": 1, "convert": {"from": "cam", "layout": "v210"}});
    let narrow: onair_api::NewSessionDocument = from_value(narrow).unwrap();
    let narrow = narrow.try_into().unwrap();
    life.ask::<CreateSession>((), narrow).unwrap();
    for name in ["two", "three"] {
        life.ask::<CreateSession>((), converted(name, "cam", "v210"))
            .unwrap();
    }
    let mut name = |of: &str| {
        let client = life.attach_as(root(), of, Some("v210")).unwrap();
        let view = life.ask::<ShowSession>(client.place().0, ()).unwrap();
        (view.name.to_string(), client)
    };
    // The first one with a free place; that of the name if it has the layout itself.
    let (first, _client) = name("cam");
    assert_eq!(first, "one");
    assert_eq!(name("cam").0, "two");
    assert_eq!(name("three").0, "three");
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
    // An operator's own is none of theirs.
    let of_root = life.ask::<CreateSession>((), converted("ours", "mine", "v210"));
    of_root.unwrap();
    let refused = life.attach_as(owner(7), "mine", Some("v210"));
    assert_eq!(
        refused.map(drop).unwrap_err().code,
        ProblemCode::NotConverted
    );
    let own = converted("theirs", "mine", "v210");
    life.ask_as::<CreateSession>(&owner(7), (), own).unwrap();
    let client = life.attach_as(owner(7), "mine", Some("v210")).unwrap();
    let view = life.ask::<ShowSession>(client.place().0, ()).unwrap();
    assert_eq!(view.name.as_str(), "theirs");
    // A session of another user under the source's name is no source.
    let spied = life.ask_as::<CreateSession>(&owner(7), (), converted("spy", "cam", "v210"));
    assert_eq!(spied.unwrap_err().code, ProblemCode::Forbidden);
}
