//! Memory that a process keeps.

use std::time::Duration;

use onair_api::operations::{
    AbortSession, CreateSession, DestroySession, EvictAll, ListBlockers, QuarantineSession,
    ShowCertificate, ShowSession, StartSession, StopSession,
};
use onair_api::{Certificate, Memory, Operation, ProblemCode, SessionRef, SessionState};
use onair_engine::inputs::AttachAction;
use onair_ipc::caller::{Deadline, Lease, Refusal};
use serde_json::json;

use onair_sim_machine::life::client::Client;
use onair_sim_machine::life::{Life, cam, session};

#[test]
fn session_without_users_then_quarantined_and_freed_at_once() {
    let mut life = Life::begin();
    let spec = session("cam", "receive", json!({}));
    let id = life.ask::<CreateSession>((), spec).unwrap().id;
    life.ask::<StopSession>(cam(), ()).unwrap();
    let certificate = life.ask::<QuarantineSession>(cam(), ()).unwrap();
    assert!(matches!(certificate.memory, Memory::Returned { .. }));
    let gone = life.ask::<ShowSession>(id.into(), ()).unwrap_err();
    assert_eq!(gone.code, ProblemCode::StaleSession);
}

#[test]
fn sender_left_and_its_memory_passed_on_then_certificate_waits() {
    let mut life = Life::begin();
    let spec = session("cam", "send", json!({}));
    life.ask::<CreateSession>((), spec).unwrap();
    let client = life.attach("cam").unwrap();
    let connection = client.connection;
    let detached = life.attach_action(|reply| AttachAction::Detach { connection, reply });
    detached.unwrap();
    drop(client.attachment);
    life.ask::<StopSession>(cam(), ()).unwrap();
    let certificate = life.ask::<DestroySession>(cam(), ()).unwrap();
    let Memory::Pending { bytes, .. } = certificate.memory else {
        panic!("a process has the files: {:?}", certificate.memory);
    };
    let mapping = certificate.readings.iter().find(|it| it.name == "mapping");
    assert_eq!(mapping.map(|it| it.users), Some(2), "{mapping:?}");
    drop(client.files);
    life.live(Duration::from_secs(1));
    let complete = life.ask::<ShowCertificate>(certificate.session.into(), ());
    let complete = complete.unwrap().memory;
    assert!(matches!(complete, Memory::Returned { bytes: all, .. } if all == bytes));
}

/// A sender whose client has a buffer, in quarantine; its id.
fn aside() -> (Life, Client, Lease, SessionRef) {
    let mut life = Life::begin();
    life.ask::<CreateSession>((), session("cam", "send", json!({})))
        .unwrap();
    let client = life.attach("cam").unwrap();
    life.live(Duration::from_millis(100));
    let lease = client.attachment.get(Deadline::Now).unwrap();
    let running = life.ask::<QuarantineSession>(cam(), ()).unwrap_err();
    assert_eq!(running.code, ProblemCode::Running);
    life.ask::<StopSession>(cam(), ()).unwrap();
    let certificate = life.ask::<QuarantineSession>(cam(), ()).unwrap();
    assert_eq!(certificate.operation, Operation::Quarantine);
    let Memory::Pending { held_by, .. } = &certificate.memory else {
        panic!("{:?}", certificate.memory);
    };
    assert_eq!(held_by, &[client.pid]);
    (life, client, lease, certificate.session.into())
}

fn completed(life: &mut Life, id: &SessionRef) -> Box<Certificate> {
    life.live(Duration::from_secs(1));
    let complete = life.ask::<ShowCertificate>(id.clone(), ()).unwrap();
    assert!(matches!(complete.memory, Memory::Returned { .. }));
    let gone = life.ask::<ShowSession>(id.clone(), ()).unwrap_err();
    assert_eq!(gone.code, ProblemCode::StaleSession);
    complete
}

#[test]
fn session_in_quarantine_then_by_id_only_until_its_user_dies() {
    let (mut life, client, _lease, id) = aside();
    let by_name = life.ask::<ShowSession>(cam(), ()).unwrap_err();
    assert_eq!(by_name.code, ProblemCode::StaleSession);
    let view = life.ask::<ShowSession>(id.clone(), ()).unwrap();
    assert_eq!(view.state, SessionState::Quarantined);
    let refused = [
        life.ask::<StartSession>(id.clone(), ()).map(drop),
        life.ask::<StopSession>(id.clone(), ()).map(drop),
        life.ask::<DestroySession>(id.clone(), ()).map(drop),
        life.ask::<EvictAll>(id.clone(), ()).map(drop),
        life.ask::<AbortSession>(id.clone(), ()).map(drop),
        life.ask::<QuarantineSession>(id.clone(), ()).map(drop),
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().code, ProblemCode::Quarantined);
    }
    let blockers = life.ask::<ListBlockers>(id.clone(), ()).unwrap().blockers;
    assert_eq!((blockers.len(), blockers[0].pid), (1, client.pid));
    // The name is free.
    life.ask::<CreateSession>((), session("cam", "send", json!({})))
        .unwrap();
    life.kill(client);
    let complete = completed(&mut life, &id);
    let settled: Vec<_> = complete.reconciled.iter().map(|it| it.frames).collect();
    assert_eq!(settled, [1], "once");
}

#[test]
fn session_in_quarantine_and_its_user_leaves_then_freed() {
    let (mut life, client, lease, id) = aside();
    let stale = client.attachment.get(Deadline::Now).unwrap_err();
    assert_eq!(stale, Refusal::Stale);
    client.attachment.put(lease).unwrap();
    drop(client);
    completed(&mut life, &id);
}

#[test]
fn taken_over_with_a_session_aside_then_the_next_completes_it() {
    let (mut life, client, _lease, id) = aside();
    life.shut_down(Duration::from_secs(1));
    life.end();
    let mut life = life.taken_over();
    life.live(Duration::from_secs(1));
    let ended = life.ask::<ShowCertificate>(id.clone(), ()).unwrap();
    assert!(matches!(ended.memory, Memory::Pending { .. }));
    let pid = client.pid;
    drop(client);
    let complete = completed(&mut life, &id);
    let Memory::Returned { left_to, .. } = &complete.memory else {
        panic!("{:?}", complete.memory);
    };
    assert_eq!(left_to, &[pid]);
    let settled = complete.reconciled.iter().map(|it| (it.pid, it.frames));
    assert_eq!(settled.collect::<Vec<_>>(), [(pid, 1)]);
    let checks = onair_certificate::verify(&serde_json::to_value(&complete).unwrap()).unwrap();
    assert!(checks.holds, "{checks:#?}");
}
