//! Groups: what is done with all members at once, or with none.

use std::time::Duration;

use onair_api::operations::{
    AbortSession, CreateGroup, CreateSession, DestroyGroup, DestroyGroupWait, ListGroups,
    ListSessions, RetargetGroup, SessionQuery, ShowGroup, ShowSession, StartGroup, StopGroup,
};
use onair_api::{
    DestroyWait, GroupName, GroupPatch, NewGroup, NewSession, ProblemCode, SessionRef, SessionState,
};
use onair_engine::inputs::AttachAction;
use onair_ipc::caller::{Deadline, Lease};
use onair_settings::access::authority::Caller;
use serde_json::json;

use onair_sim_machine::life::client::Client;
use onair_sim_machine::life::{Life, owner, root, session};

fn name() -> GroupName {
    "in".parse().unwrap()
}

/// The group `in` of two senders; a client of the second one has a buffer when all are stopped.
fn held() -> (Life, Client, Lease) {
    let mut life = Life::begin();
    let members = [5004, 5006].map(|udp| {
        let flow = json!({"flow": {"destination": format!("239.9.1.1:{udp}")}});
        match session(&format!("in-{udp}"), "send", flow) {
            NewSession::Complete(spec) => *spec,
            NewSession::Converted(_) => unreachable!("it has packets"),
        }
    });
    let group = NewGroup {
        name: name(),
        sessions: members.into(),
    };
    life.ask::<CreateGroup>((), group).unwrap();
    let client = life.attach("in-5006").unwrap();
    // They begin together, a little later.
    life.live(Duration::from_secs(1));
    let lease = client.attachment.get(Deadline::Now).unwrap();
    life.ask::<StopGroup>(name(), ()).unwrap();
    (life, client, lease)
}

fn states(life: &mut Life) -> Vec<SessionState> {
    let group = life.ask::<ShowGroup>(name(), ()).unwrap();
    group.members.iter().map(|it| it.session.state).collect()
}

fn wait(deadline_ms: u64) -> DestroyWait {
    DestroyWait { deadline_ms }
}

#[test]
fn group_with_a_user_then_no_member_is_destroyed() {
    let (mut life, client, _lease) = held();
    let now = life.ask::<DestroyGroup>(name(), ()).unwrap_err();
    let late = life.ask::<DestroyGroupWait>(name(), wait(300)).unwrap_err();
    assert_eq!(
        (now.code, late.code),
        (ProblemCode::Busy, ProblemCode::DeadlinePassed)
    );
    for refused in [now, late] {
        assert!(refused.detail.contains("member in-5006"), "{refused}");
        assert_eq!(refused.blockers[0].pid, client.pid);
    }
    assert_eq!(states(&mut life), [SessionState::Stopped; 2]);
    life.ask::<StartGroup>(name(), ()).unwrap();
    assert_eq!(states(&mut life), [SessionState::Running; 2]);
}

#[test]
fn requester_that_goes_then_all_members_stay_stopped() {
    let (mut life, client, _lease) = held();
    let waits = life.begin_to_ask::<DestroyGroupWait>(&root(), name(), wait(3_600_000));
    assert_eq!(states(&mut life), [SessionState::Draining; 2]);
    drop(waits);
    life.live(Duration::from_secs(1));
    assert_eq!(states(&mut life), [SessionState::Stopped; 2]);
    life.kill(client);
    let ended = life.ask::<DestroyGroup>(name(), ()).unwrap();
    assert_eq!(ended.certificates.len(), 2);
}

#[test]
fn member_aborted_then_the_others_do_not_wait_for_it() {
    let (mut life, _client, _lease) = held();
    let waits = life.begin_to_ask::<DestroyGroupWait>(&root(), name(), wait(3_600_000));
    let aborted = life.ask::<AbortSession>("in-5006".parse().unwrap(), ());
    aborted.unwrap();
    let refused = life.wait(waits).unwrap_err();
    assert!(refused.detail.contains("member in-5006"), "{refused}");
    let gone = life.ask::<ShowGroup>(name(), ()).unwrap_err();
    assert_eq!(gone.code, ProblemCode::NoSuchGroup);
}

#[test]
fn member_of_a_stalled_poller_then_no_other_waits_for_it() {
    let mut life = Life::begin();
    let made = life.ask::<CreateGroup>((), receivers()).unwrap();
    let [free, stalled] = [0, 1].map(|at| made.members[at].session.poller.clone());
    assert_ne!(free, stalled);
    life.world
        .let_pollers_stand(["p0", "p1"].map(|it| it == stalled));
    life.live(Duration::from_secs(6));
    life.ask::<StopGroup>(name(), ()).unwrap();
    let now = life.ask::<DestroyGroup>(name(), ()).unwrap_err();
    let late = life.ask::<DestroyGroupWait>(name(), wait(300)).unwrap_err();
    for refused in [now, late] {
        assert_eq!(refused.code, ProblemCode::PollerDown, "{refused}");
        assert!(refused.detail.contains("member in-5006"), "{refused}");
    }
    assert_eq!(states(&mut life), [SessionState::Stopped; 2]);
    life.world.let_pollers_stand([false; 2]);
    life.live(Duration::from_secs(1));
    let ended = life.ask::<DestroyGroup>(name(), ()).unwrap();
    assert_eq!(ended.certificates.len(), 2);
}

/// The description of a receiver of the group `in`.
fn receiver(udp: u16, more: serde_json::Value) -> onair_api::SessionSpec {
    let mut all = json!({"flow": {"destination": format!("239.9.1.1:{udp}")}});
    let more = more.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(more);
    match session(&format!("in-{udp}"), "receive", all) {
        NewSession::Complete(spec) => *spec,
        NewSession::Converted(_) => unreachable!("it has packets"),
    }
}

fn group(members: Vec<onair_api::SessionSpec>) -> NewGroup {
    NewGroup {
        name: name(),
        sessions: members,
    }
}

fn receivers() -> NewGroup {
    group([5004, 5006].map(|udp| receiver(udp, json!({}))).into())
}

fn change(udp: [u16; 2]) -> GroupPatch {
    let members = [5004, 5006].into_iter().zip(udp).map(|(member, udp)| {
        let flow = json!({"destination": format!("239.9.1.1:{udp}")});
        json!({"name": format!("in-{member}"), "change": {"flow": flow}})
    });
    let members: Vec<_> = members.collect();
    serde_json::from_value(json!({ "sessions": members })).unwrap()
}

#[test]
fn member_that_is_impossible_then_nothing_of_the_group_remains() {
    let mut life = Life::begin();
    let other = session("in-5006", "receive", json!({}));
    life.ask::<CreateSession>((), other).unwrap();
    let refused = life.ask::<CreateGroup>((), receivers()).unwrap_err();
    assert!(refused.detail.contains("member in-5006"), "{refused}");
    assert_eq!(refused.code, ProblemCode::NameTaken);
    let all = life.ask::<ListSessions>((), SessionQuery::default());
    assert_eq!(all.unwrap().sessions.len(), 1);
    assert!(life.ask::<ListGroups>((), ()).unwrap().groups.is_empty());
    life.ask::<AbortSession>("in-5006".parse().unwrap(), ())
        .unwrap();
    life.ask::<CreateGroup>((), receivers()).unwrap();
    let again = life.ask::<CreateGroup>((), receivers()).unwrap_err();
    assert!(again.detail.contains("a group named in exists"), "{again}");
    assert_eq!(states(&mut life).len(), 2);
}

#[test]
fn group_retargeted_then_all_members_or_none_move() {
    let mut life = Life::begin();
    life.ask::<CreateGroup>((), receivers()).unwrap();
    let flows = |life: &mut Life| {
        let members = life.ask::<ShowGroup>(name(), ()).unwrap().members;
        let all = members.iter().map(|it| it.session.destination.clone());
        all.collect::<Vec<_>>()
    };
    life.ask::<RetargetGroup>(name(), change([5014, 5016]))
        .unwrap();
    let moved = ["239.9.1.1:5014", "239.9.1.1:5016"];
    assert_eq!(flows(&mut life), moved);
    let mut wrong = change([5004, 5006]);
    wrong.sessions[1].change.flow.destination = Some("224.0.0.1:5006".into());
    let refused = life.ask::<RetargetGroup>(name(), wrong);
    let refused = refused.unwrap_err();
    assert!(
        refused.errors[0].field.starts_with("sessions[1]"),
        "{refused}"
    );
    assert_eq!(flows(&mut life), moved);
}

#[test]
fn group_waits_for_its_last_user_then_all_are_destroyed() {
    let (mut life, client, lease) = held();
    let waits = life.begin_to_ask::<DestroyGroupWait>(&root(), name(), wait(3_600_000));
    client.attachment.put(lease).unwrap();
    let ended = life.wait(waits).unwrap();
    let names = ended.certificates.iter().map(|it| it.name.as_str());
    assert!(names.eq(["in-5004", "in-5006"]), "{ended:?}");
    let gone = life.ask::<ShowGroup>(name(), ()).unwrap_err();
    assert_eq!(gone.code, ProblemCode::NoSuchGroup);
    // The names and the flows are free.
    life.ask::<CreateGroup>((), receivers()).unwrap();
}

#[test]
fn daemon_ends_while_a_group_waits_then_each_in_its_turn() {
    let (mut life, client, _lease) = held();
    let _waits = life.begin_to_ask::<DestroyGroupWait>(&root(), name(), wait(3_600_000));
    life.shut_down(Duration::from_secs(1));
    let ended = life.end();
    let abandoned: Vec<_> = ended.abandoned().map(|it| it.blockers[0].pid).collect();
    assert_eq!((abandoned, ended.sessions.len()), (vec![client.pid], 2));
}

#[test]
fn group_of_others_then_only_operators_change_it() {
    let mut life = Life::begin();
    life.ask::<CreateGroup>((), receivers()).unwrap();
    let ask = &owner(7);
    let refused = [
        life.ask_as::<ShowGroup>(ask, name(), ()).map(drop),
        life.ask_as::<StopGroup>(ask, name(), ()).map(drop),
        life.ask_as::<StartGroup>(ask, name(), ()).map(drop),
        life.ask_as::<RetargetGroup>(ask, name(), change([5014, 5016]))
            .map(drop),
        life.ask_as::<DestroyGroup>(ask, name(), ()).map(drop),
        life.ask_as::<DestroyGroupWait>(ask, name(), wait(0))
            .map(drop),
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().code, ProblemCode::Forbidden);
    }
    assert_eq!(states(&mut life), [SessionState::Running; 2]);
}

#[test]
fn members_listed_for_those_that_may_attach_and_for_no_other() {
    let mut life = Life::begin();
    life.ask::<CreateGroup>((), receivers()).unwrap();
    let list = |life: &mut Life, caller: Caller, group: &str| {
        life.attach_action(|reply| AttachAction::ListMembers {
            caller,
            group: group.parse().unwrap(),
            reply,
        })
    };
    let members = list(&mut life, root(), "in").unwrap();
    let members = members
        .iter()
        .map(|it| (it.name.as_str(), it.essence.as_str()));
    assert!(members.eq([("in-5004", "video"), ("in-5006", "video")]));
    let refused = list(&mut life, owner(7), "in").unwrap_err();
    assert_eq!(refused.code, ProblemCode::Forbidden);
    let none = list(&mut life, root(), "other").unwrap_err();
    assert_eq!(none.code, ProblemCode::NoSuchGroup);
}

#[test]
fn member_with_notes_then_they_come_back_with_it() {
    let mut life = Life::begin();
    let note = json!({"line": 9, "parameter": "PM", "value": "2110XPM", "reason": "unknown"});
    let notes = json!({"persistent": true, "notes": [note]});
    let members = vec![
        receiver(5004, notes),
        receiver(5006, json!({"persistent": true})),
    ];
    life.ask::<CreateGroup>((), group(members)).unwrap();
    let members = life.again().ask::<ShowGroup>(name(), ()).unwrap().members;
    assert_eq!(members[0].notes[0].value.as_deref(), Some("2110XPM"));
    assert!(members[1].notes.is_empty());
}

#[test]
fn group_given_a_time_then_all_members_change_at_it() {
    let mut life = Life::begin();
    life.ask::<CreateGroup>((), receivers()).unwrap();
    let at_tai_ns = life.world.tai_ns() + 1_000_000_000;
    let at = |udp| GroupPatch {
        at_tai_ns: Some(at_tai_ns),
        ..change(udp)
    };
    life.ask::<RetargetGroup>(name(), at([5014, 5016])).unwrap();
    let waiting = |life: &mut Life| {
        let names = ["in-5004", "in-5006"].map(|it| SessionRef::Name(it.parse().unwrap()));
        let views = names.map(|it| life.ask::<ShowSession>(it, ()).unwrap());
        views.map(|it| (it.next.is_some(), it.flow.destination))
    };
    life.live(Duration::from_millis(970));
    let before = waiting(&mut life);
    assert!(before.iter().all(|it| it.0), "{before:?}");
    life.live(Duration::from_millis(60));
    let moved = ["239.9.1.1:5014", "239.9.1.1:5016"].map(|it| (false, it.to_owned()));
    assert_eq!(waiting(&mut life), moved);
}
