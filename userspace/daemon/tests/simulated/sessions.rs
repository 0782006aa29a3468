//! From create to the certificate.

use onair_api::operations::{
    CreateSession, DestroySession, RetargetSession, ShowSession, StopSession,
};
use onair_api::{Certificate, Memory, ProblemCode, SessionRef, SessionState};
use onair_settings::access::authority::Caller;
use onair_settings::access::etag::etag;
use serde_json::{from_value, json};

use crate::life::{Life, root, session};

fn cam() -> SessionRef {
    "cam".parse().unwrap()
}

/// A session is created, stopped, and destroyed.
fn certificate_of(life: &mut Life) -> Box<Certificate> {
    let view = life.ask::<CreateSession>((), session("cam", "receive", json!({})));
    assert_eq!(view.unwrap().state, SessionState::Running);
    let running = life.ask::<DestroySession>(cam(), ()).unwrap_err();
    assert_eq!(running.code, ProblemCode::Running);
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
fn running_session_retargeted_then_its_old_flow_is_free() {
    let mut life = Life::begin();
    let spec = || session("cam", "receive", json!({}));
    life.ask::<CreateSession>((), spec()).unwrap();
    let change = json!({"flow": {"destination": "239.9.1.1:5006"}});
    let change = Box::new(from_value(change).unwrap());
    let view = life.ask::<RetargetSession>(cam(), change).unwrap();
    assert_eq!(view.state, SessionState::Running);
    for (udp, is_free) in [(5004, true), (5006, false)] {
        let flow = json!({"flow": {"destination": format!("239.9.1.1:{udp}")}});
        let next = session(&format!("next-{udp}"), "receive", flow);
        assert_eq!(life.ask::<CreateSession>((), next).is_ok(), is_free);
    }
}
