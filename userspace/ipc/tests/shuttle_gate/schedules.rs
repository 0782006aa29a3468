//! Runs schedules of the client's and the daemon's threads.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use onair_ipc::frames::FrameMemory;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::scheduled::{self, Killed, Mortal};
use shuttle::rand::Rng;
use shuttle::scheduler::RandomScheduler;
use shuttle::thread::{self, JoinHandle};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

use crate::rig::Pair;

/// Steps after which a schedule counts as endless.
const STEPS: usize = 400_000;

fn setting(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |value| value.parse().unwrap())
}

/// Runs this many random schedules of `play`.
pub(crate) fn schedules(count: usize, play: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    config.max_steps = MaxSteps::FailAfter(STEPS);
    config.failure_persistence = FailurePersistence::None;
    config.silence_warnings = true;
    let seed = setting("ONAIR_SHUTTLE_SEED", 0x0a1a);
    let times = usize::try_from(setting("ONAIR_SHUTTLE_TIMES", 1)).unwrap();
    let scheduler = RandomScheduler::new_from_seed(seed, times * count);
    Runner::new(scheduler, config).run(move || {
        scheduled::boot();
        play();
    });
}

/// A number below `limit`.
pub(crate) fn below(limit: usize) -> usize {
    shuttle::rand::thread_rng().gen_range(0..limit)
}

/// Lets other tasks run for a while.
pub(crate) fn dawdle(steps: usize) {
    for _ in 0..below(steps.max(1)) {
        scheduled::give_way();
    }
}

/// The daemon's wakes beyond the one of each kind at a stop: sometimes one, sometimes none. The
/// callers themselves wake the others.
pub(crate) fn wake_more(memory: &AttachmentMemory) {
    if below(2) == 0 {
        memory.wake_some(1);
    }
}

/// A thread that ends with `mortals`. Returns what `run` did, or `None` if it was killed.
pub(crate) fn spawn<T: Send + 'static>(
    mortals: Vec<Mortal>,
    run: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<Option<T>> {
    thread::spawn(move || {
        for mortal in &mortals {
            mortal.join();
        }
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(result) => {
                Mortal::outlive();
                Some(result)
            }
            Err(payload) if payload.is::<Killed>() => None,
            Err(payload) => resume_unwind(payload),
        }
    })
}

/// Attachment `number` of a receive session with `frames`. Every other one counts with atomic
/// additions.
pub(crate) fn pair(number: u64, frames: &FrameMemory) -> Pair {
    Pair::new(number, false, frames, number.is_multiple_of(2))
}
