//! What one user may do with the sessions of others, and may take of what belongs to all.

use std::time::Duration;

use onair_api::operations::{
    AbortSession, CreateSession, DestroySession, DestroySessionWait, EvictAll, FlushSession,
    ListBlockers, QuarantineSession, ShowPicture, ShowSession, StartSession, StopSession,
};
use onair_api::{DestroyWait, Flush, Memory, NewSession, ProblemCode, SessionRef, SessionState};
use onair_settings::access::authority::Grant;
use onair_sim_machine::Recorder;
use serde_json::json;

use onair_sim_machine::life::{Life, cam, owner, root, session, user};

const GREEDY: u32 = 54_322;
const OTHER: u32 = 54_323;

/// The receiver of a UDP port, with this quota for each of 4 clients.
fn at(udp: u16, quota: u32) -> NewSession {
    let more = json!({
        "quota": quota, "max_attachments": 4, "flow": {"destination": format!("239.9.1.1:{udp}")},
    });
    session(&format!("s-{udp}"), "receive", more)
}

/// Creates sessions of [`GREEDY`] until one is refused; how many, and why.
fn take_all(life: &mut Life, quota: u32) -> (u16, String) {
    for number in 0..30 {
        let made = life.ask_as::<CreateSession>(&owner(GREEDY), (), at(5000 + number, quota));
        if let Err(refused) = made {
            assert_eq!(refused.code, ProblemCode::LimitReached);
            return (number, refused.detail);
        }
    }
    panic!("it got all that it asked for")
}

#[test]
fn sessions_of_one_user_then_others_have_theirs() {
    let mut life = Life::with("[limits]\nsessions = 10\n");
    let (count, refused) = take_all(&mut life, 1);
    assert_eq!(count, 7, "{refused}");
    for words in ["limits.sessions", "uid 54322 has 7 of 7", "destroy"] {
        assert!(refused.contains(words), "{words} in {refused}");
    }
    for (caller, udp) in [(owner(OTHER), 5040), (root(), 5041)] {
        life.ask_as::<CreateSession>(&caller, (), at(udp, 1))
            .unwrap();
    }
}

#[test]
fn frame_memory_kept_by_one_user_then_only_it_is_refused() {
    let mut life = Life::with("[limits]\nframe_memory_mb = 60\n");
    let (count, refused) = take_all(&mut life, 20);
    assert_eq!(count, 4, "{refused}");
    for words in ["limits.frame_memory_mb", "uid 54322", "of 44 MiB", "quota"] {
        assert!(refused.contains(words), "{words} in {refused}");
    }
    let client = life.attach_as(owner(GREEDY), "s-5000", None).unwrap();
    let files = client.files.each_ref().map(|it| it.try_clone().unwrap());
    life.detach(client).unwrap();
    let first: SessionRef = "s-5000".parse().unwrap();
    life.ask::<StopSession>(first.clone(), ()).unwrap();
    let certificate = life.ask::<DestroySession>(first, ()).unwrap();
    assert!(matches!(certificate.memory, Memory::Pending { .. }));
    // What it keeps stays charged to it.
    let again = |life: &mut Life| life.ask_as::<CreateSession>(&owner(GREEDY), (), at(5030, 20));
    assert_eq!(
        again(&mut life).unwrap_err().code,
        ProblemCode::LimitReached
    );
    life.ask_as::<CreateSession>(&owner(OTHER), (), at(5040, 20))
        .unwrap();
    drop(files);
    life.live(Duration::from_secs(1));
    again(&mut life).unwrap();
}

#[test]
fn process_keeps_the_memory_of_many_attachments_then_refused() {
    let mut life = Life::begin();
    life.ask::<CreateSession>((), session("cam", "receive", json!({})))
        .unwrap();
    let greedy = || user(GREEDY, Grant::Any);
    let pid = life.peer(greedy()).pid;
    let mut kept = Vec::new();
    let refused = loop {
        let peer = life.connect(greedy(), pid);
        match life.reserve(&peer, "cam", None) {
            Ok(id) => {
                let client = life.admit(&peer, id).unwrap();
                kept.push(client.files.each_ref().map(|it| it.try_clone().unwrap()));
                life.detach(client).unwrap();
            }
            Err(refused) => break refused,
        }
        assert!(kept.len() < 100, "no end");
    };
    let process = format!("process {pid}");
    for words in ["limits.departed", &process] {
        assert!(refused.detail.contains(words), "{words} in {refused}");
    }
    for caller in [user(OTHER, Grant::Any), root()] {
        let client = life.attach_as(caller, "cam", None).unwrap();
        life.detach(client).unwrap();
    }
    drop(kept);
    life.live(Duration::from_secs(1));
    life.attach_as(greedy(), "cam", None).unwrap();
}

#[test]
fn user_without_the_right_then_no_session_of_others_is_changed() {
    let mut life = Life::begin();
    life.ask::<CreateSession>((), session("cam", "receive", json!({})))
        .unwrap();
    let wait = DestroyWait { deadline_ms: 0 };
    let stranger = owner(GREEDY);
    let ask = &stranger;
    let refused = [
        life.ask_as::<ShowSession>(ask, cam(), ()).map(drop),
        life.ask_as::<StopSession>(ask, cam(), ()).map(drop),
        life.ask_as::<StartSession>(ask, cam(), ()).map(drop),
        life.ask_as::<FlushSession>(ask, cam(), Flush { deadline_ms: 0 })
            .map(drop),
        life.ask_as::<DestroySession>(ask, cam(), ()).map(drop),
        life.ask_as::<DestroySessionWait>(ask, cam(), wait)
            .map(drop),
        life.ask_as::<EvictAll>(ask, cam(), ()).map(drop),
        life.ask_as::<AbortSession>(ask, cam(), ()).map(drop),
        life.ask_as::<QuarantineSession>(ask, cam(), ()).map(drop),
        life.ask_as::<ListBlockers>(ask, cam(), ()).map(drop),
        life.ask_as::<ShowPicture>(ask, cam(), ()).map(drop),
        life.attach_as(owner(GREEDY), "cam", None).map(drop),
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().code, ProblemCode::Forbidden);
    }
    let view = life.ask::<ShowSession>(cam(), ()).unwrap();
    assert_eq!(view.state, SessionState::Running);
    let own = || "s-5010".parse().unwrap();
    life.ask_as::<CreateSession>(ask, (), at(5010, 1)).unwrap();
    life.ask_as::<StopSession>(ask, own(), ()).unwrap();
    life.ask_as::<DestroySession>(ask, own(), ()).unwrap();
}

#[test]
fn pictures_too_many_or_of_a_stopped_session_then_refused() {
    let mut life = Life::begin();
    life.ask::<CreateSession>((), session("cam", "receive", json!({})))
        .unwrap();
    life.world.set_recorder(Recorder::Hangs);
    let ask = |life: &mut Life| life.begin_to_ask::<ShowPicture>(&root(), cam(), ());
    let waiting: Vec<_> = (0..4).map(|_| ask(&mut life)).collect();
    let full = life.ask::<ShowPicture>(cam(), ()).unwrap_err();
    assert_eq!(full.code, ProblemCode::LimitReached);
    assert!(full.detail.contains("limits.snapshots"), "{full}");
    life.world.set_recorder(Recorder::Works);
    for picture in waiting {
        life.wait(picture).unwrap();
    }
    life.ask::<ShowPicture>(cam(), ()).unwrap();
    life.ask::<StopSession>(cam(), ()).unwrap();
    let stopped = life.ask::<ShowPicture>(cam(), ()).unwrap_err();
    assert_eq!(stopped.code, ProblemCode::NoPicture);
}

#[test]
fn process_attaches_twice_then_only_the_first_goes_on() {
    let mut life = Life::begin();
    let spec = session("cam", "receive", json!({"max_attachments": 2}));
    life.ask::<CreateSession>((), spec).unwrap();
    let first = life.attach("cam").unwrap();
    for _ in 0..5 {
        let peer = life.connect(root(), first.pid);
        let id = life.reserve(&peer, "cam", None).unwrap();
        let twice = life.admit(&peer, id).map(drop).unwrap_err();
        assert!(twice.detail.contains("already attached"), "{twice}");
    }
    // What was refused has left no reservation.
    life.attach("cam").unwrap();
    let full = life.attach("cam").map(drop).unwrap_err();
    assert_eq!(full.code, ProblemCode::LimitReached);
}

#[test]
fn sender_comes_and_goes_with_little_memory_is_never_refused() {
    let mut life = Life::with("[limits]\nframe_memory_mb = 8\n");
    let spec = session("cam", "send", json!({"quota": 32}));
    life.ask::<CreateSession>((), spec).unwrap();
    for _ in 0..100 {
        let client = life.attach("cam").unwrap();
        life.detach(client).unwrap();
    }
}
