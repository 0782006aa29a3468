//! I1: a process ends its attachment while its threads take, read and return frames. Borrowed bytes
//! stay, no caller sleeps on, and the last guard or caller releases the memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use onair_ipc::caller::{Attachment, Deadline, Refusal};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_ipc::lender::Lender;
use onair_ipc::memory::State;
use onair_ipc::meta::FrameMeta;
use onair_ipc::pins::End;
use onair_ipc::sys;
use shuttle::thread;

use crate::rig::{Pair, below, dawdle, schedules, spawn};

const FRAMES: u32 = 2;
/// Content of each loaned frame.
const LENT: u8 = 1;
/// Content of each frame after no process has the words.
const REUSED: u8 = 2;

/// How a caller handles a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// A guard, dropped or put.
    Guard,
    /// A raw handle, put.
    Handle,
    /// A raw handle, never put.
    Forgotten,
}

/// Takes and returns frames until the attachment has ended.
fn caller(client: &Attachment, habit: Habit) {
    loop {
        let deadline = [Deadline::Now, Deadline::Never, Deadline::Never][below(3)];
        let held = match client.take(deadline) {
            Ok(held) => held,
            Err(Refusal::Stale) => return,
            Err(Refusal::TimedOut) => continue,
            Err(Refusal::Again) => {
                let _ = client.wait_started(Deadline::Never);
                continue;
            }
            Err(other) => panic!("{other:?}"),
        };
        if habit == Habit::Guard {
            let bytes = held.bytes();
            for _ in 0..3 {
                assert_eq!(bytes[0], LENT, "I1: not what the guard borrowed");
                dawdle(8);
            }
            let _ = held.put();
            continue;
        }
        let raw = held.keep().into_raw();
        for _ in 0..3 {
            // SAFETY: the frame lies within the mapping, or within the zeros that replaced it.
            let byte = unsafe { client.frame_base(raw.frame()).read_volatile() };
            assert!(byte == LENT || byte == 0, "I1: written under a handle");
            dawdle(8);
        }
        if habit == Habit::Forgotten {
            return;
        }
        let _ = client.put_raw(raw);
    }
}

/// The daemon: loans returned frames again, and may evict the client.
fn lend(pair: &Pair, frames: &FrameMemory, over: &AtomicBool, evicts: bool) {
    let mut lender = Lender::new(pair.memory.clone(), FRAMES);
    let mut turns = below(40);
    while !over.load(Ordering::SeqCst) {
        if evicts && turns == 0 {
            pair.memory.set_state(State::Revoked);
            pair.memory.stop();
            while pair.memory.wake_some(2) {}
            lender.revoke(|_| ());
        }
        turns = turns.wrapping_sub(1);
        lender.reap(|_| ());
        let closed = pair.memory.session_gate() & 1 == 0;
        for frame in (0..FRAMES).filter(|_| !closed) {
            if !lender.has(frame) {
                frames.write(frame, 0, &[LENT]);
                lender.publish(frame, &FrameMeta::default()).unwrap();
            }
        }
        if pair.memory.is_sole_user().unwrap() {
            for frame in 0..FRAMES {
                frames.write(frame, 0, &[REUSED]);
            }
            return;
        }
        thread::yield_now();
    }
}

fn leaves(end: End, habits: &'static [Habit]) {
    sys::ignore_sigio();
    schedules(1500, move || {
        let frames =
            Arc::new(FrameMemory::create(Geometry::new(FRAMES, 100).unwrap(), true).unwrap());
        let pair = Arc::new(Pair::new(below(2) as u64, &frames));
        let over = Arc::new(AtomicBool::new(false));
        let daemon = {
            let (pair, frames, over) = (pair.clone(), frames.clone(), over.clone());
            let evicts = below(2) == 0;
            spawn(vec![], move || lend(&pair, &frames, &over, evicts))
        };
        let mut threads: Vec<_> = habits
            .iter()
            .map(|habit| {
                let client = pair.client.clone();
                spawn(vec![], move || caller(&client, *habit))
            })
            .collect();
        if below(2) == 0 {
            let client = pair.client.clone();
            threads.push(spawn(vec![], move || {
                dawdle(60);
                client.stop();
                dawdle(20);
                client.start();
            }));
        }
        let client = pair.client.clone();
        threads.push(spawn(vec![], move || {
            dawdle(120);
            client.leave(end);
        }));
        for thread in threads {
            thread.join().unwrap();
        }
        let gone = pair.memory.is_sole_user().unwrap() && frames.is_sole_user().unwrap();
        assert!(gone, "nothing borrows from it, and the memory is kept");
        over.store(true, Ordering::SeqCst);
        daemon.join().unwrap();
    });
}

#[test]
fn leave_amid_guards_of_three_threads_then_bytes_stay_and_the_last_lets_go() {
    leaves(End::ByHand, &[Habit::Guard, Habit::Guard, Habit::Guard]);
}

#[test]
fn leave_by_hand_with_handles_then_they_keep_nothing_and_are_not_written_under() {
    leaves(
        End::ByHand,
        &[Habit::Guard, Habit::Handle, Habit::Forgotten],
    );
}

#[test]
fn leave_found_out_with_handles_then_the_memory_goes_with_the_last() {
    leaves(End::FoundOut, &[Habit::Guard, Habit::Handle]);
}
