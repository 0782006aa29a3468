//! Schedules of one client's threads on the simulator's words, which whole lives are not likely to meet.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod open;
#[path = "../../../../gate/ipc/tests/rig/pair.rs"]
mod pair;

use std::any::Any;

use onair_ipc::caller::{Deadline, Refusal};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::pins::End;
use onair_sim_kernel::{Outcome, below, boot, give_way, run, shut_down, spawn};

/// Steps after which a schedule counts as endless.
const STEPS: u64 = 400_000;

/// Runs so many schedules of `play`, which may spawn other tasks. All have to end.
fn schedules(count: u64, play: impl Fn() + Copy + 'static) {
    for seed in 0..count {
        boot(seed, 128, 0);
        spawn(vec![], play);
        let ended = match run(STEPS, || true) {
            Outcome::Done => Ok(()),
            Outcome::Panicked(_, panic) => Err(message(&*panic)),
            other => Err(format!("{other:?}")),
        };
        // Before a panic: the tasks end while they are there.
        shut_down();
        assert_eq!(ended, Ok(()), "seed {seed}");
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&it| it.to_owned()));
    text.unwrap_or_else(|| "a panic".into())
}

/// Lets other tasks run for a while.
fn dawdle(steps: usize) {
    for _ in 0..below(steps) {
        give_way();
    }
}

/// The daemon's wakes beyond the one of each kind at a stop: sometimes one, sometimes none. The callers themselves
/// wake the others.
fn wake_more(memory: &AttachmentMemory) {
    if below(2) == 0 {
        memory.wake_some(1);
    }
}

/// Attachment of a receive session with `frames`, which counts with plain stores or atomic additions.
fn pair_of(frames: &FrameMemory) -> pair::Pair {
    let number = below(2) as u64;
    pair::Pair::new(number, false, frames, number == 0)
}

/// A start by another thread lets callers in until the session's gate is replaced.
#[test]
fn leave_against_a_stop_and_a_start_then_no_caller_sleeps_on() {
    schedules(6_000, || {
        let frames = FrameMemory::create(Geometry::new(1, 100).unwrap(), true).unwrap();
        let pair = pair_of(&frames);
        for _ in 0..2 {
            let client = pair.client.clone();
            spawn(vec![], move || {
                while client.get(Deadline::Never) != Err(Refusal::Stale) {
                    let _ = client.wait_started(Deadline::Never);
                }
            });
        }
        let (pauses, leaves) = (pair.client.clone(), pair.client.clone());
        spawn(vec![], move || {
            pauses.stop();
            pauses.start();
        });
        spawn(vec![], move || leaves.leave(End::ByHand));
    });
}
