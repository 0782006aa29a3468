//! Clients that are evicted, and what they had.

use std::time::Duration;

use onair_api::operations::{
    AbortSession, CreateSession, DestroySession, EvictAll, EvictAttachment, FlushSession,
    ListBlockers, ShowCertificate, ShowSession, StopSession,
};
use onair_api::{EvictionCause, Flush, Memory, Operation, ProblemCode, Says};
use onair_engine::inputs::AttachAction;
use onair_engine::inputs::Input;
use onair_engine::services::reply::{Awaited, Reply};
use onair_ipc::caller::{Deadline, Refusal};
use onair_ipc::layout::SEG_FRAMES;
use rustix::io::pwrite;
use serde_json::json;

use onair_sim_machine::life::client::Client;
use onair_sim_machine::life::{Life, cam, owner, root, session};

/// A session that sends, and its client.
fn sending(more: serde_json::Value) -> (Life, Client) {
    let mut life = Life::begin();
    life.ask::<CreateSession>((), session("cam", "send", more))
        .unwrap();
    let client = life.attach("cam").unwrap();
    life.live(Duration::from_millis(100));
    (life, client)
}

fn is_stale(client: &Client) {
    let refused = client.attachment.get(Deadline::Now).unwrap_err();
    assert_eq!(refused, Refusal::Stale);
}

#[test]
fn sender_evicted_with_a_buffer_then_its_place_is_free_at_once() {
    let (mut life, first) = sending(json!({}));
    let lease = first.attachment.get(Deadline::Now).unwrap();
    let full = life.attach("cam").map(drop).unwrap_err();
    assert_eq!(full.code, ProblemCode::LimitReached);
    let evicted = life.ask::<EvictAttachment>(first.place(), ()).unwrap();
    assert_eq!(
        (evicted.pid, evicted.cause),
        (first.pid, EvictionCause::Requested)
    );
    assert_eq!(
        (evicted.frames_revoked > 0, evicted.frames_set_aside),
        (true, 0)
    );
    is_stale(&first);
    assert_eq!(first.attachment.put(lease), Err(Refusal::Stale));
    let again = life.ask::<EvictAttachment>(first.place(), ()).unwrap();
    assert_eq!(again, evicted, "done already");
    let (place, number) = first.place();
    let none = life.ask::<EvictAttachment>((place, number + 9), ());
    assert_eq!(none.unwrap_err().code, ProblemCode::NoSuchAttachment);
    let second = life.attach("cam").unwrap();
    life.live(Duration::from_millis(100));
    let lease = second.attachment.get(Deadline::Now).unwrap();
    second.attachment.submit(lease).unwrap();
    life.detach(second).unwrap();
    life.ask::<StopSession>(cam(), ()).unwrap();
    let certificate = life.ask::<DestroySession>(cam(), ()).unwrap();
    assert_eq!(certificate.evicted, [evicted]);
    assert!(matches!(certificate.memory, Memory::Pending { .. }));
    life.kill(first);
    life.live(Duration::from_secs(1));
    let complete = life.ask::<ShowCertificate>(certificate.session.into(), ());
    assert!(matches!(complete.unwrap().memory, Memory::Returned { .. }));
}

#[test]
fn session_destroyed_over_an_evicted_caller_then_certified_so() {
    const CALLERS: u32 = 3;
    // Its count comes first (`onair_ipc::slot::Slot`).
    const SLOT_BYTES: usize = 64;
    let mut life = Life::begin();
    let spec = session("cam", "receive", json!({}));
    let id = life.ask::<CreateSession>((), spec).unwrap().id;
    let client = life.attach("cam").unwrap();
    // A slot counts them, and the kernel sees them asleep.
    client.attachment.get(Deadline::Now).unwrap_err();
    let slot = usize::from(client.attachment.slot_of_caller());
    let at = client.attachment.geometry().seg_slots() + slot * SLOT_BYTES;
    pwrite(&client.files[1], &CALLERS.to_ne_bytes(), at as u64).unwrap();
    let number = client.attachment.attachment();
    life.world.set_blocked(id.0, number, CALLERS.into());
    life.ask::<StopSession>(cam(), ()).unwrap();
    let busy = life.ask::<DestroySession>(cam(), ()).unwrap_err();
    assert_eq!(busy.code, ProblemCode::Busy);
    let evicted = life.ask::<EvictAll>(cam(), ()).unwrap().evicted;
    let callers: Vec<_> = evicted.iter().map(|it| it.callers_inside).collect();
    assert_eq!(callers, [u64::from(CALLERS)]);
    let left = life.ask::<ListBlockers>(cam(), ()).unwrap();
    assert!(left.blockers.is_empty(), "{left:?}");
    let certificate = life.ask::<DestroySession>(cam(), ()).unwrap();
    for name in ["slots", "probe"] {
        let reading = certificate.readings.iter().find(|it| it.name == name);
        let reading = reading.unwrap();
        let seen = (reading.says, reading.users, reading.left_out);
        assert_eq!(seen, (Says::Zero, 0, CALLERS.into()), "{reading:?}");
        assert!(reading.detail.contains("evicted"), "{reading:?}");
    }
    let Memory::Pending { held_by, .. } = &certificate.memory else {
        panic!("{:?}", certificate.memory);
    };
    assert_eq!(held_by, &[client.pid]);
    is_stale(&client);
    life.kill(client);
    life.live(Duration::from_secs(1));
    let complete = life.ask::<ShowCertificate>(certificate.session.into(), ());
    let complete = complete.unwrap();
    assert!(matches!(complete.memory, Memory::Returned { .. }));
    assert_eq!(complete.evicted, evicted);
}

#[test]
fn client_scribbles_over_its_frame_words_then_evicted() {
    let (mut life, client) = sending(json!({}));
    let _lease = client.attachment.get(Deadline::Now).unwrap();
    // FREE under serial 0 is no word that a client writes.
    let frames = client.attachment.geometry().frames as usize;
    pwrite(&client.files[1], &vec![0; 8 * frames], SEG_FRAMES as u64).unwrap();
    life.live(Duration::from_secs(1));
    is_stale(&client);
    life.ask::<StopSession>(cam(), ()).unwrap();
    let certificate = life.ask::<DestroySession>(cam(), ()).unwrap();
    let causes: Vec<_> = certificate.evicted.iter().map(|it| it.cause).collect();
    assert_eq!(causes, [EvictionCause::Violation]);
}

#[test]
fn client_evicted_and_attached_again_often_then_refused() {
    let mut life = Life::begin();
    let spec = session("cam", "receive", json!({}));
    life.ask::<CreateSession>((), spec).unwrap();
    let mut kept = Vec::new();
    let pid = life.peer(root()).pid;
    let attach = |life: &mut Life| {
        let peer = life.connect(root(), pid);
        let session = life.reserve(&peer, "cam", None)?;
        life.admit(&peer, session)
    };
    for _ in 0..64 {
        kept.push(attach(&mut life).unwrap());
        let all = life.ask::<EvictAll>(cam(), ()).unwrap();
        assert_eq!(all.evicted.len(), 1);
    }
    let refused = attach(&mut life).map(drop).unwrap_err();
    assert_eq!(refused.code, ProblemCode::LimitReached);
    assert!(refused.detail.contains("limits.departed"), "{refused}");
    drop(kept.pop());
    life.live(Duration::from_secs(1));
    kept.push(attach(&mut life).unwrap());
    life.ask::<StopSession>(cam(), ()).unwrap();
    let certificate = life.ask::<DestroySession>(cam(), ()).unwrap();
    assert_eq!(certificate.evicted.len(), 64);
}

#[test]
fn session_aborted_by_its_owner_only_then_all_are_evicted() {
    let mut life = Life::begin();
    let spec = session("cam", "receive", json!({}));
    let (peer, own) = life.create_own(owner(7), spec);
    let other = life.attach("cam").unwrap();
    let abort = |life: &mut Life, connection: u64, pid: u32| {
        let who = onair_sim_machine::life::who(7, pid);
        life.attach_action(|reply| AttachAction::Abort {
            connection,
            who,
            reply,
        })
    };
    let refused = abort(&mut life, other.connection, other.pid).unwrap_err();
    assert_eq!(refused.code, ProblemCode::Forbidden);
    let certificate = abort(&mut life, own.connection, peer.pid).unwrap();
    assert_eq!(certificate.operation, Operation::Abort);
    assert_eq!(certificate.requester.pid, peer.pid);
    assert_eq!(certificate.evicted.len(), 2);
    is_stale(&own);
    is_stale(&other);
    let again = abort(&mut life, own.connection, peer.pid).unwrap_err();
    assert_eq!(again.code, ProblemCode::StaleSession);
    // The name and the flow are free while a process has the memory.
    let next = session("cam", "receive", json!({}));
    life.ask::<CreateSession>((), next).unwrap();
}

/// Frames of a sender of one a second, and a flush that waits for them.
fn flushing() -> (Life, Client, Awaited<onair_api::Flushed>) {
    let slow = json!({"width": 320, "height": 180, "frame_rate": "1/1", "depth": 8});
    let (mut life, client) = sending(json!({"video": slow}));
    // The client has its first frames when one could be sent.
    life.live(Duration::from_secs(1));
    for _ in 0..4 {
        let lease = client.attachment.get(Deadline::Now).unwrap();
        client.attachment.submit(lease).unwrap();
    }
    let (reply, flush) = Reply::new();
    let wait = Duration::from_secs(3600);
    let connection = client.connection;
    life.take(Input::Attach(AttachAction::Flush {
        connection,
        wait,
        reply,
    }));
    (life, client, flush)
}

#[test]
fn client_evicted_or_session_aborted_while_it_flushes_then_told() {
    for is_abort in [false, true] {
        let (mut life, client, flush) = flushing();
        if is_abort {
            life.ask::<AbortSession>(cam(), ()).unwrap();
        } else {
            life.ask::<EvictAttachment>(client.place(), ()).unwrap();
            let sent = life.ask::<ShowSession>(cam(), ()).unwrap();
            assert!(sent.counters.frames_sent < 4, "{:?}", sent.counters);
        }
        let dropped = life.wait(flush).unwrap_err();
        assert_eq!(dropped.code, ProblemCode::FramesDropped, "{dropped}");
    }
}

#[test]
fn flush_of_a_receiver_refused_and_of_nothing_done_at_once() {
    let (mut life, _client) = sending(json!({}));
    let spec = session("in", "receive", json!({"port": "b"}));
    life.ask::<CreateSession>((), spec).unwrap();
    let wait = Flush { deadline_ms: 1000 };
    let refused = life.ask_as::<FlushSession>(&root(), "in".parse().unwrap(), wait);
    assert_eq!(refused.unwrap_err().code, ProblemCode::InvalidRequest);
    let flushed = life.ask::<FlushSession>(cam(), wait).unwrap();
    assert_eq!(flushed.frames_sent, 0);
}
