//! Frames that are taken while they are received: no caller sleeps on what stands, and what stands does not change.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use onair_ipc::caller::{Attachment, Deadline, Refusal};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_ipc::lender::Lender;
use onair_ipc::memory::{AttachmentMemory, AttachmentState};
use onair_ipc::meta::FrameMeta;
use onair_sim_kernel::{below, give_way, set_slowness, spawn};

use crate::{dawdle, pair_of, schedules, wake_more};

const FRAMES: u32 = 3;
const BYTES: u32 = 100;
/// What stands while the frame is received, a part after the other.
const PARTS: [u32; 3] = [20, 60, 80];

/// Looks at the poller's side until something is so.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let mut looks = 0;
    while !done() {
        looks += 1;
        assert!(looks < 20_000, "{what}");
        give_way();
    }
}

fn until_returned(lender: &mut Lender, what: &str) {
    until(what, || {
        lender.reap(|_| ());
        lender.loaned() == 0
    });
}

fn memory() -> FrameMemory {
    FrameMemory::create(Geometry::new(FRAMES, BYTES).unwrap(), true).unwrap()
}

/// A caller that makes this call again and again until the session is gone.
fn until_stale(call: impl Fn() -> Result<(), Refusal> + 'static) {
    spawn(vec![], move || {
        loop {
            match call() {
                Ok(()) => {}
                Err(Refusal::Stale) => return,
                Err(other) => panic!("{other:?}"),
            }
        }
    });
}

/// The session is gone.
fn end(memory: &AttachmentMemory) {
    memory.set_state(AttachmentState::Gone);
    memory.stop();
    wake_more(memory);
}

/// Takes a frame of which some bytes stand, waits for more of it, and puts it. What it read stays so.
fn take_open(client: &Attachment, more: u32, taken: &AtomicU32) -> Result<(), Refusal> {
    let held = client.take_open([1, 10, 20][below(3)], Deadline::Never)?;
    taken.fetch_add(1, Ordering::SeqCst);
    let stamp = held.bytes()[0];
    let before = held.len();
    assert!(before >= 20 && held.bytes().iter().all(|it| *it == stamp));
    let stand = held.wait_bytes(more, Deadline::Never, None)?;
    assert!(stand.is_none_or(|it| it >= more));
    assert!(held.bytes().iter().all(|it| *it == stamp) && held.len() >= before);
    Ok(())
}

/// A part of a frame that comes: all bytes of a frame are alike.
fn part(lender: &mut Lender, frames: &FrameMemory, (frame, stamp): (u32, u8), end: u32) {
    frames.write(frame, 0, &vec![stamp; end as usize]);
    lender.advance(frame, end);
}

#[test]
fn open_frames_to_sleepers_then_each_is_taken_as_it_stands() {
    schedules(1500, || {
        let frames = memory();
        let pair = pair_of(&frames);
        let taken = Arc::new(AtomicU32::new(0));
        let _ = pair.client.take_open(1, Deadline::Now).map(|_| ());
        for _ in 0..1 + below(3) {
            let (client, taken) = (pair.client.clone(), Arc::clone(&taken));
            // Some want no more than comes before the poller pauses, others wait for the end.
            let more = [60, 60, 80, 90][below(4)];
            until_stale(move || take_open(&client, more, &taken));
        }
        let mut lender = Lender::new(pair.memory.clone(), FRAMES);
        assert!(lender.ask_for_open());
        for round in 1..=4 {
            let frame = (u32::from(round), round);
            let frame = (frame.0 % FRAMES, frame.1);
            lender.publish_open(frame.0, &FrameMeta::default()).unwrap();
            let before = taken.load(Ordering::SeqCst);
            for end in PARTS {
                part(&mut lender, &frames, frame, end);
                dawdle(20);
            }
            // All that it takes stands, and no more comes.
            until("L1: asleep beside what stands", || {
                taken.load(Ordering::SeqCst) > before
            });
            frames.write(frame.0, 0, &[round; BYTES as usize]);
            assert!(lender.end_open(frame.0, &FrameMeta::default()));
            until_returned(&mut lender, "L1: asleep beside an end");
        }
        end(&pair.memory);
    });
}

/// The wake-up for one may reach another that has just come, for another frame.
#[test]
fn open_frame_ends_as_another_caller_comes_then_its_own_wakes() {
    schedules(1500, || {
        let frames = memory();
        let pair = pair_of(&frames);
        let _ = pair.client.take_open(1, Deadline::Now).map(|_| ());
        let mut lender = Lender::new(pair.memory.clone(), FRAMES);
        for frame in [0, 1] {
            lender.publish_open(frame, &FrameMeta::default()).unwrap();
            part(&mut lender, &frames, (frame, 7), 40);
        }
        for late in [0, below(60)] {
            let client = pair.client.clone();
            spawn(vec![], move || {
                let held = client.take_open(20, Deadline::Never).unwrap();
                dawdle(late);
                let waited = held.wait_bytes(90, Deadline::Never, None);
                assert!(matches!(waited, Ok(None)), "{waited:?}");
            });
        }
        dawdle(40);
        for frame in [0, 1] {
            assert!(lender.end_open(frame, &FrameMeta::default()));
            until("L1: asleep beside an end", || {
                lender.reap(|_| ());
                !lender.has(frame)
            });
        }
    });
}

/// Calls for whole frames beside those for open ones.
#[test]
fn open_frames_to_callers_of_both_kinds_then_each_is_taken_once() {
    schedules(1000, || {
        let frames = memory();
        let pair = pair_of(&frames);
        let taken = Arc::new(AtomicU32::new(0));
        for number in 0..2 + below(2) {
            let (client, taken) = (pair.client.clone(), Arc::clone(&taken));
            until_stale(move || match number {
                0 => client.get(Deadline::Never).and_then(|it| client.put(it)),
                _ => take_open(&client, 70, &taken),
            });
        }
        let mut lender = Lender::new(pair.memory.clone(), FRAMES);
        for round in 1..=5_u8 {
            let frame = (u32::from(round) % FRAMES, round);
            let is_open = lender.ask_for_open() && below(3) > 0;
            if is_open {
                lender.publish_open(frame.0, &FrameMeta::default()).unwrap();
            }
            for end in PARTS {
                part(&mut lender, &frames, frame, end);
            }
            frames.write(frame.0, 0, &[round; BYTES as usize]);
            if !lender.end_open(frame.0, &FrameMeta::default()) {
                lender.publish(frame.0, &FrameMeta::default()).unwrap();
            }
            until_returned(&mut lender, "L1: asleep beside a frame");
        }
        end(&pair.memory);
    });
}

/// A caller of whole frames is in the midst of a look as its process takes the first open one, and the ring goes round.
#[test]
fn first_open_frame_amid_a_slow_look_then_never_taken_as_whole() {
    schedules(3000, || {
        let geometry = Geometry::new(1, BYTES).unwrap();
        let frames = FrameMemory::create(geometry, true).unwrap();
        let pair = pair_of(&frames);
        let mut lender = Lender::new(pair.memory.clone(), 1);
        lender.publish(0, &FrameMeta::default()).unwrap();
        let client = pair.client.clone();
        let slow = spawn(vec![], move || {
            while let Ok(held) = client.take(Deadline::Now) {
                assert_eq!(held.open_bytes(), None);
            }
        });
        dawdle(60);
        set_slowness(slow, 254);
        let _ = pair.client.take_open(1, Deadline::Now).map(|_| ());
        for stamp in 1..=geometry.ring_capacity() {
            lender.reap(|_| ());
            lender.drop_oldest();
            if lender.has(0) {
                break;
            }
            assert!(lender.ask_for_open());
            lender.publish_open(0, &FrameMeta::default()).unwrap();
            part(&mut lender, &frames, (0, u8::try_from(stamp).unwrap()), 40);
            if stamp == geometry.ring_capacity() {
                set_slowness(slow, 0);
                dawdle(100);
            }
            lender.end_open(0, &FrameMeta::default());
        }
        until("a frame is kept", || {
            lender.settle(|_| ());
            lender.loaned() == 0
        });
    });
}

/// A stop in the middle: each waiter is told once, and what is held stays as it was.
#[test]
fn stop_amid_open_frames_then_again_and_what_stands_stays() {
    schedules(1500, || {
        let frames = memory();
        let pair = pair_of(&frames);
        let _ = pair.client.take_open(1, Deadline::Now).map(|_| ());
        for _ in 0..2 {
            let client = pair.client.clone();
            spawn(vec![], move || {
                let Ok(held) = client.take_open(20, Deadline::Never) else {
                    return;
                };
                let stamp = held.bytes()[0];
                let waited = held.wait_bytes(90, Deadline::Never, None);
                assert!(
                    matches!(waited, Err(Refusal::Again) | Ok(None)),
                    "{waited:?}"
                );
                dawdle(10);
                assert!(
                    held.bytes()[..20].iter().all(|it| *it == stamp),
                    "I1: reused"
                );
            });
        }
        let mut lender = Lender::new(pair.memory.clone(), FRAMES);
        for frame in [1, 2] {
            lender.publish_open(frame, &FrameMeta::default()).unwrap();
            part(&mut lender, &frames, (frame, 7), 40);
        }
        dawdle(40);
        pair.memory.stop();
        wake_more(&pair.memory);
        lender.settle(|_| ());
        for frame in 0..FRAMES {
            if !lender.has(frame) {
                frames.write(frame, 0, &[9; 100]);
            }
        }
        until("a caller keeps its frame", || {
            lender.settle(|_| ());
            lender.loaned() == 0
        });
    });
}
