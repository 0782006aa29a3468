//! Frames of a session that receives, among clients that hold them, scribble over their words, or are not there.

mod open;

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use onair_api::operations::{CreateSession, DestroySession, ShowHealth, ShowSession, StopSession};
use onair_api::{SessionProblemKind as Kind, SessionView};
use onair_ipc::caller::{Deadline, OwnedLoan, Refusal};
use onair_ipc::event::EventKind;
use onair_ipc::layout::{SEG_COUNT_PROGRESS, SEG_TAKES_OPEN};
use onair_sim_machine::life::client::Client;
use onair_sim_machine::life::{Life, cam, session};
use rustix::io::pwrite;
use serde_json::json;

use crate::stream::Stream;

const QUOTA: u32 = 3;

/// A session that receives, for two clients.
fn receiver() -> (Life, Stream) {
    let mut life = Life::begin();
    let more = json!({"quota": QUOTA, "max_attachments": 2});
    life.ask::<CreateSession>((), session("cam", "receive", more))
        .unwrap();
    (life, Stream::default())
}

fn show(life: &mut Life) -> SessionView {
    life.ask::<ShowSession>(cam(), ()).unwrap()
}

/// A frame comes, and the time of one passes.
fn comes(life: &mut Life, stream: &mut Stream) {
    stream.sends(life);
    life.live(Duration::from_millis(20));
}

/// Takes the next frame, and returns it.
fn takes(client: &Client, number: u64) {
    let loan = client.attachment.take(Deadline::Now).unwrap();
    let meta = loan.meta();
    assert_eq!((meta.number, meta.packets_lost), (number, 0));
}

#[test]
fn client_holds_its_quota_then_named_with_what_it_misses() {
    let (mut life, mut stream) = receiver();
    let (slow, other) = (life.attach("cam").unwrap(), life.attach("cam").unwrap());
    let mut held: Vec<OwnedLoan> = Vec::new();
    for number in 0..u64::from(QUOTA) {
        comes(&mut life, &mut stream);
        takes(&other, number);
        held.push(slow.attachment.take_owned(Deadline::Now, None).unwrap());
    }
    let as_taken: Vec<_> = held.iter().map(|it| it.bytes().to_vec()).collect();
    // Each frame of the session's memory is used again and again.
    for number in u64::from(QUOTA)..100 {
        comes(&mut life, &mut stream);
        takes(&other, number);
    }
    let full = slow.attachment.take(Deadline::Now).map(drop);
    assert_eq!(full, Err(Refusal::TimedOut));
    let view = show(&mut life);
    let [problem] = &view.problems[..] else {
        panic!("{:?}", view.problems);
    };
    assert_eq!(problem.problem, Kind::SlowClient);
    let process = format!("({}): ", slow.pid);
    for words in [&*process, "oldest frame held for ", "quota of 3 frames"] {
        assert!(problem.detail.contains(words), "{words}: {problem:?}");
    }
    let of = |pid: u32| view.attachments.iter().find(|it| it.pid == pid).unwrap();
    let [its, others] = [of(slow.pid), of(other.pid)];
    assert_eq!((its.held, its.frames_dropped_slow), (3, 97));
    assert!(its.oldest_held_ms >= Some(1900), "{its:?}");
    assert_eq!((others.held, others.frames_dropped_slow), (0, 0));
    assert_eq!(view.counters.frames_no_buffer, 0);
    // It is no fault of the daemon, and the client is told of each.
    let problems = life.ask::<ShowHealth>((), ()).unwrap().problems;
    assert!(
        !problems.iter().any(|it| it.contains("cam")),
        "{problems:?}"
    );
    let mut told = 0;
    while let Ok(event) = slow.attachment.poll_event(Deadline::Now, None) {
        if event.kind == EventKind::Dropped {
            told += event.argument;
        }
    }
    assert_eq!(told, 97);
    let as_held: Vec<_> = held.iter().map(|it| it.bytes().to_vec()).collect();
    assert!(as_held == as_taken, "a frame changed in its holder's hands");

    drop(held);
    comes(&mut life, &mut stream);
    comes(&mut life, &mut stream);
    takes(&slow, 100);
    life.live(Duration::from_secs(20));
    assert!(
        show(&mut life)
            .problems
            .iter()
            .all(|it| it.problem != Kind::SlowClient)
    );
}

#[test]
fn words_of_progress_scribbled_then_others_lose_none() {
    let (mut life, mut stream) = receiver();
    let (hostile, other) = (life.attach("cam").unwrap(), life.attach("cam").unwrap());
    let none = hostile.attachment.take_open(1, Deadline::Now);
    assert_eq!(none.map(drop), Err(Refusal::TimedOut));
    let geometry = hostile.attachment.geometry();
    let write = |bytes: &[u8], at: usize| {
        pwrite(&hostile.files[1], bytes, at as u64).unwrap();
    };
    for round in 0..64_u32 {
        // Of any serial, each byte, and very many sleepers.
        let wanted = [round.swap_bytes(), round.swap_bytes()];
        let wanted = wanted.map(u32::to_be_bytes).concat();
        write(
            &wanted.repeat(geometry.frames as usize),
            geometry.seg_progress(),
        );
        write(&[0xff; 4], SEG_TAKES_OPEN);
        write(&[0xff, 0xff, 0xff, 0x7f], SEG_COUNT_PROGRESS + 4);
        comes(&mut life, &mut stream);
        takes(&other, round.into());
        hostile.attachment.take(Deadline::Now).unwrap();
    }
    let counters = show(&mut life).counters;
    assert_eq!((counters.frames_complete, counters.violations), (64, 0));
    life.kill(hostile);
    life.kill(other);
    life.ask::<StopSession>(cam(), ()).unwrap();
    life.ask::<DestroySession>(cam(), ()).unwrap();
}

#[test]
fn session_without_a_client_then_four_frames_have_memory() {
    let mut life = Life::begin();
    let more = json!({"quota": 16, "max_attachments": 4});
    life.ask::<CreateSession>((), session("cam", "receive", more))
        .unwrap();
    let mut stream = Stream::default();
    // More frames than the session has buffers for.
    for _ in 0..100 {
        comes(&mut life, &mut stream);
    }
    assert_eq!(show(&mut life).counters.frames_complete, 100);
    let client = life.attach("cam").unwrap();
    let frames = File::from(client.files[2].try_clone().unwrap());
    let file = frames.metadata().unwrap();
    let frame = file.len() / u64::from(client.attachment.geometry().frames);
    // Of 512 bytes, inode(7).
    let resident = file.blocks() * 512;
    assert!(
        resident > 0 && resident <= 4 * frame,
        "{resident} of {frame}"
    );
}
