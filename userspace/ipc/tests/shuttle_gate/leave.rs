//! I1: a process ends its attachment while its threads take, read and return frames. Borrowed bytes
//! stay, no caller sleeps on, and the last guard or caller releases the memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use onair_ipc::caller::{Attachment, Deadline, Refusal};
use onair_ipc::fence::Fence;
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_ipc::lender::Lender;
use onair_ipc::memory::AttachmentState;
use onair_ipc::meta::FrameMeta;
use onair_ipc::pins::End;
use onair_ipc::sys;
use shuttle::thread;

use crate::rig::Pair;
use crate::schedules::{below, dawdle, pair, schedules, spawn};

/// Content of each loaned frame.
const LOANED: u8 = 1;
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

/// The length of a schedule. In a short one, two threads often take the same frame in turn.
#[derive(Clone, Copy)]
struct Haste {
    frames: u32,
    looks: usize,
    schedules: usize,
    /// Most steps before the process leaves.
    stays: usize,
}

const LONG: Haste = Haste {
    frames: 2,
    looks: 3,
    schedules: 1500,
    stays: 120,
};
const SHORT: Haste = Haste {
    frames: 1,
    looks: 1,
    schedules: 6000,
    stays: 60,
};

/// Takes and returns frames until the attachment has ended.
fn caller(client: &Attachment, habit: Habit, haste: Haste) {
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
            for _ in 0..haste.looks {
                assert_eq!(bytes[0], LOANED, "I1: not what the guard borrowed");
                dawdle(8);
            }
            let _ = held.put();
            continue;
        }
        let raw = held.keep().into_raw();
        for _ in 0..3 {
            // SAFETY: the frame lies within the mapping, or within the zeros that replaced it.
            let byte = unsafe { client.frame_base(raw.frame()).read_volatile() };
            assert!(byte == LOANED || byte == 0, "I1: written under a handle");
            dawdle(8);
        }
        if habit == Habit::Forgotten {
            return;
        }
        let _ = client.put_raw(raw);
    }
}

/// What the daemon does to the session meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Daemon {
    Runs,
    Evicts,
    Quarantines,
    Destroys,
}

impl Daemon {
    const ALL: [Self; 4] = [Self::Runs, Self::Evicts, Self::Quarantines, Self::Destroys];

    /// Loans returned frames again until no process has the words, or a drain sees no user.
    fn run(self, pair: &Pair, frames: &FrameMemory, over: &AtomicBool) {
        let count = frames.geometry().frames;
        let mut lender = Lender::new(pair.memory.clone(), count);
        let mut turns = below(40);
        while !over.load(Ordering::SeqCst) {
            if turns == 0 {
                self.end(pair, &mut lender);
            }
            turns = turns.wrapping_sub(1);
            lender.reap(|_| ());
            let closed = pair.memory.session_gate() & 1 == 0;
            for frame in (0..count).filter(|_| !closed) {
                if !lender.has(frame) {
                    frames.write(frame, 0, &[LOANED]);
                    lender.publish(frame, &FrameMeta::default()).unwrap();
                }
            }
            let drained = closed && self == Self::Destroys && has_no_user(pair, &mut lender);
            if drained || pair.memory.is_sole_user().unwrap() {
                for frame in 0..count {
                    frames.write(frame, 0, &[REUSED]);
                }
                return;
            }
            thread::yield_now();
        }
    }

    fn end(self, pair: &Pair, lender: &mut Lender) {
        match self {
            Self::Runs => return,
            Self::Evicts => pair.memory.set_state(AttachmentState::Revoked),
            Self::Quarantines => pair.memory.set_state(AttachmentState::Gone),
            Self::Destroys => {}
        }
        pair.memory.stop();
        while pair.memory.wake_some(2) {}
        if self == Self::Evicts {
            lender.revoke(|_| ());
        }
    }
}

/// One scan of a drain.
fn has_no_user(pair: &Pair, lender: &mut Lender) -> bool {
    let fence = Fence::with_kicks(std::iter::once(&*pair.memory));
    lender.settle(|_| ());
    pair.memory.users_at(&fence).is_empty() && lender.loaned() == 0
}

fn leaves(end: End, habits: &'static [Habit], haste: Haste) {
    sys::ignore_sigio();
    schedules(haste.schedules, move || {
        let geometry = Geometry::new(haste.frames, 100).unwrap();
        let frames = Arc::new(FrameMemory::create(geometry, true).unwrap());
        let pair = Arc::new(pair(below(2) as u64, &frames));
        let over = Arc::new(AtomicBool::new(false));
        let daemon = {
            let (pair, frames, over) = (pair.clone(), frames.clone(), over.clone());
            let daemon = Daemon::ALL[below(4)];
            spawn(vec![], move || daemon.run(&pair, &frames, &over))
        };
        let mut threads: Vec<_> = habits
            .iter()
            .map(|habit| {
                let client = pair.client.clone();
                spawn(vec![], move || caller(&client, *habit, haste))
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
            dawdle(haste.stays);
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
fn leave_amid_guards_of_three_threads_then_the_last_releases() {
    leaves(
        End::ByHand,
        &[Habit::Guard, Habit::Guard, Habit::Guard],
        LONG,
    );
}

#[test]
fn leave_amid_guards_of_one_frame_then_its_bytes_stay() {
    leaves(End::ByHand, &[Habit::Guard, Habit::Guard], SHORT);
}

#[test]
fn leave_by_hand_with_handles_then_nothing_kept_or_overwritten() {
    leaves(
        End::ByHand,
        &[Habit::Guard, Habit::Handle, Habit::Forgotten],
        LONG,
    );
}

#[test]
fn leave_by_hand_with_handles_of_one_frame_then_not_overwritten() {
    leaves(End::ByHand, &[Habit::Handle, Habit::Forgotten], SHORT);
}

#[test]
fn leave_found_out_with_handles_then_memory_goes_with_the_last() {
    leaves(End::FoundOut, &[Habit::Guard, Habit::Handle], LONG);
}

/// A start by another thread lets callers in until the session's gate is replaced.
#[test]
fn leave_against_a_stop_and_a_start_then_no_caller_sleeps_on() {
    schedules(6000, || {
        let frames = FrameMemory::create(Geometry::new(1, 100).unwrap(), true).unwrap();
        let pair = pair(below(2) as u64, &frames);
        let mut threads: Vec<_> = (0..2)
            .map(|_| {
                let client = pair.client.clone();
                spawn(vec![], move || {
                    while client.get(Deadline::Never) != Err(Refusal::Stale) {
                        let _ = client.wait_started(Deadline::Never);
                    }
                })
            })
            .collect();
        let client = pair.client.clone();
        threads.push(spawn(vec![], move || {
            client.stop();
            client.start();
        }));
        let client = pair.client.clone();
        threads.push(spawn(vec![], move || client.leave(End::ByHand)));
        for thread in threads {
            thread.join().unwrap();
        }
    });
}
