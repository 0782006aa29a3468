//! The end of a group: one stop, one destroy.

use std::time::Duration;

use onair_api::operations::{
    AbortSession, CreateGroup, DestroyGroup, DestroyGroupWait, ShowGroup, StartGroup, StopGroup,
};
use onair_api::{DestroyWait, GroupName, NewGroup, NewSession, ProblemCode, SessionState};
use onair_ipc::caller::{Deadline, Lease};
use serde_json::json;

use crate::client::Client;
use crate::life::{Life, root, session};

fn name() -> GroupName {
    "in".parse().unwrap()
}

/// The group `in` of two senders; a client of the second one has a buffer when all are stopped.
fn held() -> (Life, Client, Lease) {
    let mut life = Life::begin();
    let members = [5004, 5006].map(|udp| {
        let flow = json!({"flow": {"destination": format!("239.9.1.1:{udp}")}});
        match session(&format!("in-{udp}"), "send", flow) {
            NewSession::OfPackets(spec) => *spec,
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
