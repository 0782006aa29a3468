//! Local sessions: who fills, who reads, and what becomes of both.

use std::time::Duration;

use onair_api::operations::{
    CreateSession, DescribeSession, DestroySession, EvictAttachment, FlushSession, RetargetSession,
    ShowCertificate, ShowPicture, ShowSession, StartRecording, StartSession, StopSession,
};
use onair_api::{
    Memory, NewSession, ProblemCode, SessionProblemKind as Kind, SessionRef, SessionState,
    SessionView,
};
use onair_ipc::caller::{Deadline, Refusal};
use onair_sim_machine::life::client::Client;
use onair_sim_machine::life::{Life, of_document};
use serde_json::{from_value, json};

fn mix() -> SessionRef {
    "mix".parse().unwrap()
}

fn spec(more: serde_json::Value) -> NewSession {
    let video = json!({"width": 320, "height": 180, "frame_rate": "50/1", "depth": 8});
    let mut all = json!({"name": "mix", "direction": "local", "video": video, "quota": 2, "max_attachments": 3});
    let more = more.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(more);
    of_document(all)
}

fn life() -> Life {
    let mut life = Life::begin();
    life.ask::<CreateSession>((), spec(json!({}))).unwrap();
    life
}

fn show(life: &mut Life) -> SessionView {
    life.ask::<ShowSession>(mix(), ()).unwrap()
}

fn problems(life: &mut Life) -> Vec<Kind> {
    life.live(Duration::from_secs(2));
    let problems = show(life).problems;
    problems.iter().map(|it| it.problem).collect()
}

/// Submits a frame.
fn submit(life: &mut Life, filler: &Client) {
    let lease = filler.attachment.get(Deadline::Now).unwrap();
    filler.attachment.submit(lease).unwrap();
    life.live(Duration::from_millis(20));
}

#[test]
fn reader_before_the_filler_then_it_has_what_is_submitted() {
    let mut life = life();
    assert_eq!(problems(&mut life), []);
    let reader = life.attach("mix").unwrap();
    assert_eq!(problems(&mut life), [Kind::NoFiller]);
    let filler = life.attach_to_fill("mix").unwrap();
    assert!(filler.attachment.sends() && !reader.attachment.sends());
    life.live(Duration::from_millis(20));
    for number in 0..5 {
        submit(&mut life, &filler);
        let lease = reader.attachment.get(Deadline::Now).unwrap();
        assert_eq!(reader.attachment.meta(&lease).number, number);
        reader.attachment.put(lease).unwrap();
    }
    let view = show(&mut life);
    assert_eq!(view.counters.frames_complete, 5);
    let fills = view.attachments.iter().filter(|it| it.fills);
    assert!(fills.map(|it| it.pid).eq([filler.pid]));
    // It is there, and says nothing.
    assert_eq!(problems(&mut life), [Kind::NoSignal]);
    submit(&mut life, &filler);
    let flushed = life.ask::<FlushSession>(mix(), from_value(json!({"deadline_ms": 100})).unwrap());
    assert!(flushed.is_ok(), "{flushed:?}");
    life.ask::<StopSession>(mix(), ()).unwrap();
    life.kill(reader);
    life.kill(filler);
    let certificate = life.ask::<DestroySession>(mix(), ()).unwrap();
    assert_eq!(
        certificate.counts.frames_lent,
        certificate.counts.frames_returned
            + certificate.counts.frames_reclaimed
            + certificate.counts.frames_reconciled
    );
}

#[test]
fn filler_there_then_the_next_one_waits_for_its_memory() {
    let mut life = life();
    let first = life.attach_to_fill("mix").unwrap();
    let refused = life.attach_to_fill("mix").map(drop).unwrap_err();
    assert_eq!(refused.code, ProblemCode::LimitReached);
    assert!(refused.detail.contains(&first.pid.to_string()), "{refused}");
    // What it passed on can write.
    let kept = first.pass_on();
    life.kill(first);
    let refused = life.attach_to_fill("mix").map(drop).unwrap_err();
    assert!(refused.detail.contains("can write to them"), "{refused}");
    drop(kept);
    let second = life.attach_to_fill("mix").unwrap();
    let number = show(&mut life).attachments[0].attachment;
    life.ask::<EvictAttachment>((mix(), number), ()).unwrap();
    let refused = life.attach_to_fill("mix").map(drop).unwrap_err();
    assert!(refused.detail.contains("was evicted"), "{refused}");
    life.kill(second);
    life.live(Duration::from_millis(200));
    life.attach_to_fill("mix").unwrap();
}

#[test]
fn fillers_killed_with_frames_then_the_reader_goes_on() {
    let mut life = life();
    // It is there before any filler.
    let reader = life.attach("mix").unwrap();
    for number in 0..20 {
        let filler = life.attach_to_fill("mix").unwrap();
        life.live(Duration::from_millis(20));
        submit(&mut life, &filler);
        let lease = reader.attachment.get(Deadline::Now).unwrap();
        assert_eq!(reader.attachment.meta(&lease).number, number);
        reader.attachment.put(lease).unwrap();
        let held = filler.attachment.get(Deadline::Now).unwrap();
        life.kill(filler);
        drop(held);
        life.live(Duration::from_millis(200));
        assert_eq!(show(&mut life).attachments.len(), 1);
    }
    life.ask::<StopSession>(mix(), ()).unwrap();
    let certificate = life.ask::<DestroySession>(mix(), ()).unwrap();
    assert_eq!(certificate.counts.frames_reconciled, 20);
    assert_eq!(certificate.reconciled.len(), 20);
    let told = reader.attachment.get(Deadline::Now).unwrap_err();
    assert_eq!(told, Refusal::Stale);
    // It has the memory until it ends.
    life.live(Duration::from_secs(1));
    let id = SessionRef::from(certificate.session);
    let kept = life.ask::<ShowCertificate>(id.clone(), ()).unwrap();
    assert!(matches!(kept.memory, Memory::Pending { .. }));
    life.kill(reader);
    life.live(Duration::from_secs(1));
    let complete = life.ask::<ShowCertificate>(id, ()).unwrap();
    assert!(matches!(complete.memory, Memory::Returned { .. }));
}

#[test]
fn readers_take_all_but_the_place_of_the_filler() {
    let mut life = life();
    let readers = [life.attach("mix").unwrap(), life.attach("mix").unwrap()];
    let full = life.attach("mix").map(drop).unwrap_err();
    assert_eq!(full.code, ProblemCode::LimitReached);
    let filler = life.attach_to_fill("mix").unwrap();
    let full = life.attach("mix").map(drop).unwrap_err();
    assert_eq!(full.code, ProblemCode::LimitReached);
    drop((readers, filler));
}

#[test]
fn local_session_asked_for_packets_then_it_has_none() {
    let mut life = life();
    let flow = json!({"flow": {"destination": "239.9.1.1:5006"}});
    let flow = Box::new(from_value(flow).unwrap());
    let recording = from_value(json!({"name": "take", "format": "pcapng"})).unwrap();
    let refused = [
        life.ask::<DescribeSession>(mix(), ()).map(drop),
        life.ask::<ShowPicture>(mix(), ()).map(drop),
        life.ask::<RetargetSession>(mix(), flow).map(drop),
        life.ask::<StartRecording>(mix(), recording).map(drop),
    ];
    let codes = refused.map(|it| it.unwrap_err().code);
    assert_eq!(codes, [ProblemCode::NoPackets; 4]);
}

#[test]
fn local_session_stopped_then_both_sides_are_told_and_go_on() {
    let mut life = life();
    let reader = life.attach("mix").unwrap();
    let filler = life.attach_to_fill("mix").unwrap();
    life.live(Duration::from_millis(20));
    life.ask::<StopSession>(mix(), ()).unwrap();
    for client in [&reader, &filler] {
        let told = client.attachment.get(Deadline::Never).unwrap_err();
        assert_eq!(told, Refusal::Again);
    }
    life.ask::<StartSession>(mix(), ()).unwrap();
    life.live(Duration::from_millis(20));
    submit(&mut life, &filler);
    let lease = reader.attachment.get(Deadline::Now).unwrap();
    reader.attachment.put(lease).unwrap();
    // What is submitted before the stop is published, or counted.
    let lease = filler.attachment.get(Deadline::Now).unwrap();
    filler.attachment.submit(lease).unwrap();
    life.ask::<StopSession>(mix(), ()).unwrap();
    let counted = show(&mut life).counters;
    assert_eq!(counted.frames_submitted, 2);
    assert_eq!(counted.frames_complete + counted.frames_dropped_stop, 2);
    life.ask::<DestroySession>(mix(), ()).unwrap();
    for client in [&reader, &filler] {
        let stale = client.attachment.get(Deadline::Now).unwrap_err();
        assert_eq!(stale, Refusal::Stale);
    }
}

#[test]
fn local_session_persistent_then_back_after_a_restart() {
    let mut life = Life::begin();
    let kept = spec(json!({"persistent": true, "max_attachments": 2}));
    life.ask::<CreateSession>((), kept).unwrap();
    let mut life = life.again();
    life.live(Duration::from_secs(1));
    let view = show(&mut life);
    assert_eq!(
        (view.state, view.port.as_str()),
        (SessionState::Running, "")
    );
    let filler = life.attach_to_fill("mix").unwrap();
    life.live(Duration::from_millis(20));
    submit(&mut life, &filler);
    assert_eq!(show(&mut life).counters.frames_complete, 1);
    life.ask::<StopSession>(mix(), ()).unwrap();
    life.ask::<StartSession>(mix(), ()).unwrap();
    life.live(Duration::from_millis(20));
    submit(&mut life, &filler);
    assert_eq!(show(&mut life).counters.frames_complete, 2);
}

#[test]
fn sampler_keeps_its_quota_then_slow_to_none() {
    let mut life = life();
    let (reader, sampler) = (
        life.attach("mix").unwrap(),
        life.attach_to_sample("mix").unwrap(),
    );
    let filler = life.attach_to_fill("mix").unwrap();
    life.live(Duration::from_millis(20));
    let mut held = Vec::new();
    for number in 0..20 {
        submit(&mut life, &filler);
        let lease = reader.attachment.get(Deadline::Now).unwrap();
        assert_eq!(reader.attachment.meta(&lease).number, number);
        reader.attachment.put(lease).unwrap();
        // It takes its quota late: of what waits then the older, then what comes.
        if number >= 10 && held.len() < 2 {
            let lease = sampler.attachment.get(Deadline::Now).unwrap();
            let waited = u64::from(held.is_empty());
            assert_eq!(sampler.attachment.meta(&lease).number, number - waited);
            held.push(lease);
        }
    }
    let view = show(&mut life);
    assert_eq!(view.counters.frames_dropped_slow, 0);
    let of_sampler = view.attachments.iter().find(|it| it.samples).unwrap();
    assert_eq!((of_sampler.pid, of_sampler.lent), (sampler.pid, 2));
    // Two were loaned and taken; the two loans of the first ten were over by then.
    assert_eq!(of_sampler.frames_sampled_out, 18);
    assert_eq!(of_sampler.frames_dropped_slow, 0);
    assert_eq!(problems(&mut life), [Kind::NoSignal], "the filler pauses");
    // Its loans are those of any client.
    life.ask::<StopSession>(mix(), ()).unwrap();
    life.kill(reader);
    life.kill(filler);
    let busy = life.ask::<DestroySession>(mix(), ()).unwrap_err();
    assert_eq!(busy.blockers[0].pid, sampler.pid);
    life.kill(sampler);
    let certificate = life.ask::<DestroySession>(mix(), ()).unwrap();
    assert_eq!(certificate.counts.frames_reconciled, 2);
}
