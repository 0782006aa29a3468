//! Memory that a process keeps.

use std::time::Duration;

use onair_api::operations::{
    CreateSession, DestroySession, QuarantineSession, ShowCertificate, ShowSession, StopSession,
};
use onair_api::{Memory, ProblemCode, SessionRef};
use onaird::control::attach::AttachAction;
use serde_json::json;

use crate::life::{Life, session};

fn cam() -> SessionRef {
    "cam".parse().unwrap()
}

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
