//! Clients that use a session, leave it, or die in it.

use std::sync::Arc;
use std::time::Duration;

use onair_api::operations::{
    AbortSession, CreateSession, DestroySession, DestroySessionWait, EvictAttachment, ShowSession,
    StartSession, StopSession,
};
use onair_api::{
    DestroyWait, Memory, Operation, ProblemCode, Reading, Says, SessionState, Witness,
};
use onair_engine::inputs::AttachAction;
use onair_engine::inputs::Input;
use onair_engine::services::reply::Reply;
use onair_ipc::caller::{Attachment, Deadline, Lease, Refusal};
use serde_json::json;

use onair_sim_machine::life::client::Client;
use onair_sim_machine::life::{Life, cam, root, session};

use crate::stream::Stream;

const AN_HOUR: DestroyWait = DestroyWait {
    deadline_ms: 3_600_000,
};

/// A session that sends; its client has a buffer when it is stopped.
fn held() -> (Life, Client, Lease) {
    let mut life = Life::begin();
    let spec = session("cam", "send", json!({}));
    life.ask::<CreateSession>((), spec).unwrap();
    let client = life.attach("cam").unwrap();
    life.live(Duration::from_millis(100));
    let lease = client.attachment.get(Deadline::Now).unwrap();
    life.ask::<StopSession>(cam(), ()).unwrap();
    (life, client, lease)
}

#[test]
fn client_has_a_buffer_then_no_destroy_until_it_dies() {
    let (mut life, client, _lease) = held();
    let busy = life.ask::<DestroySession>(cam(), ()).unwrap_err();
    assert_eq!(busy.code, ProblemCode::Busy);
    assert_eq!(busy.blockers[0].pid, client.pid);
    life.kill(client);
    let certificate = life.ask::<DestroySession>(cam(), ()).unwrap();
    assert!(matches!(certificate.memory, Memory::Returned { .. }));
    assert_eq!(certificate.counts.frames_reconciled, 1);
}

#[test]
fn destroy_refused_then_the_next_ones_certificate_verifies() {
    let (mut life, client, lease) = held();
    let busy = life.ask::<DestroySession>(cam(), ()).unwrap_err();
    assert_eq!(busy.code, ProblemCode::Busy);
    life.live(Duration::from_secs(20));
    client.attachment.put(lease).unwrap();
    let wait = DestroyWait { deadline_ms: 100 };
    let certificate = life.ask::<DestroySessionWait>(cam(), wait).unwrap();
    let document = serde_json::to_value(&certificate).unwrap();
    let checks = onair_certificate::verify(&document).unwrap();
    assert!(checks.holds, "{checks:#?}");
}

#[test]
fn caller_that_only_the_kernel_sees_then_no_destroy() {
    let mut life = Life::begin();
    let spec = session("cam", "receive", json!({}));
    let id = life.ask::<CreateSession>((), spec).unwrap().id;
    let client = life.attach("cam").unwrap();
    life.ask::<StopSession>(cam(), ()).unwrap();
    let attachment = client.attachment.attachment();
    life.world.set_blocked(id.0, attachment, 2);
    let says = |readings: &[Reading], name: &str| {
        let reading = readings.iter().find(|it| it.name == name).unwrap();
        (reading.says, reading.users)
    };
    for _ in 0..3 {
        let busy = life.ask::<DestroySession>(cam(), ()).unwrap_err();
        assert_eq!(busy.code, ProblemCode::Busy);
        let verdict = busy.verdict.unwrap();
        assert!(verdict.disagreement && !verdict.destroyable);
        assert_eq!(says(&verdict.readings, "slots"), (Says::Zero, 0));
        assert_eq!(says(&verdict.readings, "probe"), (Says::Users, 2));
        assert_eq!(busy.blockers.len(), 2);
        for blocker in busy.blockers {
            assert_eq!(blocker.seen_by, [Witness::W2]);
        }
        life.live(Duration::from_millis(100));
    }
    life.world.set_blocked(id.0, attachment, 0);
    let certificate = life.ask::<DestroySession>(cam(), ()).unwrap();
    // It tells of one contradiction, and that it ended before the session did.
    let [it] = &certificate.disagreements[..] else {
        panic!("{:?}", certificate.disagreements);
    };
    assert_eq!(says(&it.readings, "slots").0, Says::Zero);
    assert_eq!(says(&it.readings, "probe").0, Says::Users);
    let resolved = it.resolved_at.unwrap();
    assert!(it.at.0 <= resolved.0 && resolved.0 <= certificate.issued_at.0);
    assert_eq!(says(&certificate.readings, "probe").0, Says::Zero);
}

#[test]
fn client_returns_its_buffer_then_the_waiting_destroy_is_done() {
    let (mut life, client, lease) = held();
    let waits = life.begin_to_ask::<DestroySessionWait>(&root(), cam(), AN_HOUR);
    client.attachment.put(lease).unwrap();
    let certificate = life.wait(waits).unwrap();
    assert_eq!(certificate.operation, Operation::DestroyWait);
    assert!(matches!(certificate.memory, Memory::Pending { .. }));
    let stale = client.attachment.get(Deadline::Now).unwrap_err();
    assert_eq!(stale, Refusal::Stale);
}

#[test]
fn callers_loop_on_again_in_8_threads_then_destroy_completes() {
    let mut life = Life::begin();
    let more = json!({"quota": 2, "max_attachments": 2});
    life.ask::<CreateSession>((), session("cam", "receive", more))
        .unwrap();
    let (spinner, holder) = (life.attach("cam").unwrap(), life.attach("cam").unwrap());
    let spin = |attachment: &Attachment| {
        let mut stopped = 0;
        loop {
            match attachment.take(Deadline::Never).map(drop) {
                Ok(()) => {}
                Err(Refusal::Again) => stopped += 1,
                Err(refusal) => return (stopped, refusal),
            }
        }
    };
    let spinners: Vec<_> = (0..8)
        .map(|_| {
            let attachment = Arc::clone(&spinner.attachment);
            std::thread::spawn(move || spin(&attachment))
        })
        .collect();
    while spinner.attachment.callers() < 8 {
        std::thread::yield_now();
    }
    Stream::default().sends(&mut life);
    let held = holder.attachment.take(Deadline::Now).unwrap();
    life.ask::<StopSession>(cam(), ()).unwrap();
    let busy = life.ask::<DestroySession>(cam(), ()).unwrap_err();
    assert!(busy.blockers.iter().any(|it| it.pid == holder.pid));
    let waits = life.begin_to_ask::<DestroySessionWait>(&root(), cam(), AN_HOUR);
    held.put().unwrap();
    life.wait(waits).unwrap();
    for spinner in spinners {
        let (stopped, refusal) = spinner.join().unwrap();
        assert!(stopped > 0 && refusal == Refusal::Stale);
    }
}

#[test]
fn requester_of_a_destroy_goes_then_the_session_stays_stopped() {
    let (mut life, client, lease) = held();
    drop(life.begin_to_ask::<DestroySessionWait>(&root(), cam(), AN_HOUR));
    life.live(Duration::from_secs(1));
    client.attachment.put(lease).unwrap();
    life.kill(client);
    life.live(Duration::from_secs(1));
    let view = life.ask::<ShowSession>(cam(), ()).unwrap();
    assert_eq!(view.state, SessionState::Stopped);
    life.ask::<StartSession>(cam(), ()).unwrap();
    life.ask::<StopSession>(cam(), ()).unwrap();
    let certificate = life.ask::<DestroySession>(cam(), ()).unwrap();
    assert_eq!(certificate.operation, Operation::Destroy);
}

#[test]
fn client_evicted_while_a_destroy_waits_for_it_then_destroyed() {
    let (mut life, client, _lease) = held();
    let waits = life.begin_to_ask::<DestroySessionWait>(&root(), cam(), AN_HOUR);
    let target = (cam(), client.attachment.attachment());
    let evicted = life.ask::<EvictAttachment>(target, ()).unwrap();
    let certificate = life.wait(waits).unwrap();
    assert_eq!(certificate.operation, Operation::DestroyWait);
    assert_eq!(certificate.evicted, [evicted]);
    // A session of the same name and flow is no business of the evicted client.
    let spec = session("cam", "send", json!({}));
    life.ask::<CreateSession>((), spec).unwrap();
}

#[test]
fn session_aborted_while_a_destroy_waits_then_both_are_answered() {
    let (mut life, _client, _lease) = held();
    let waits = life.begin_to_ask::<DestroySessionWait>(&root(), cam(), AN_HOUR);
    let certificate = life.ask::<AbortSession>(cam(), ()).unwrap();
    assert_eq!(certificate.operation, Operation::Abort);
    let refusal = life.wait(waits).unwrap_err();
    assert_eq!(refusal.code, ProblemCode::StaleSession);
    assert_eq!(refusal.verdict, None);
}

#[test]
fn connection_of_a_waiting_destroy_closed_then_it_stays_stopped() {
    let mut life = Life::begin();
    let (peer, own) = life.create_own(root(), session("cam", "send", json!({})));
    life.live(Duration::from_millis(100));
    let lease = own.attachment.get(Deadline::Now).unwrap();
    own.attachment.stop();
    let (reply, waits) = Reply::new();
    life.take(Input::Attach(AttachAction::Destroy {
        connection: peer.connection,
        who: peer.caller.who.clone(),
        wait: Some(Duration::from_secs(3600)),
        reply,
    }));
    let state = |life: &mut Life| life.ask::<ShowSession>(cam(), ()).unwrap().state;
    assert_eq!(state(&mut life), SessionState::Draining);
    // The connection has the answer's other end.
    drop(waits);
    life.hang_up(peer.connection);
    life.live(Duration::from_secs(1));
    assert_ne!(state(&mut life), SessionState::Draining);
    drop(lease);
    life.kill(own);
    life.live(Duration::from_secs(1));
    life.ask::<StopSession>(cam(), ()).unwrap();
    let certificate = life.ask::<DestroySession>(cam(), ()).unwrap();
    assert_eq!(certificate.operation, Operation::Destroy);
}
