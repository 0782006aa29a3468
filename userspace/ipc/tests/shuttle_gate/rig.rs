//! Runs schedules; common parts of the tests: an attachment with both sides in this process.

use std::env;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use onair_ipc::caller::Attachment;
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::message::Attached;
use onair_ipc::scheduled::{self, Killed, Mortal};
use shuttle::rand::Rng;
use shuttle::scheduler::RandomScheduler;
use shuttle::thread::{self, JoinHandle};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

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

/// One attachment: the daemon's side and the client's.
pub(crate) struct Pair {
    pub(crate) memory: Arc<AttachmentMemory>,
    pub(crate) client: Arc<Attachment>,
    /// The daemon's end of the connection.
    pub(crate) socket: OwnedFd,
}

impl Pair {
    /// Attachment `number` of a receive session with `frames`, open and started.
    pub(crate) fn new(number: u64, frames: &FrameMemory) -> Self {
        let geometry = frames.geometry();
        let memory = Arc::new(AttachmentMemory::create(77, number, geometry).unwrap());
        memory.open();
        memory.start();
        let (ctl, seg) = memory.for_client().unwrap();
        let (socket, theirs) = rustix::net::socketpair(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::SEQPACKET,
            rustix::net::SocketFlags::CLOEXEC | rustix::net::SocketFlags::NONBLOCK,
            None,
        )
        .unwrap();
        let attached = Attached {
            session: format!("{:016x}", 77),
            name: "test".into(),
            attachment: number,
            owner: false,
            sends: false,
            version: layout::VERSION,
            geometry,
            width: 20,
            height: 25,
            depth: 8,
            rate_numerator: 60,
            rate_denominator: 1,
            watched: false,
        };
        let fds = [ctl, seg, frames.for_client().unwrap()];
        // Every other attachment counts with atomic additions.
        let plain = number.is_multiple_of(2);
        let client = Attachment::map(&attached, 77, fds, theirs, plain).unwrap();
        Self {
            memory,
            client,
            socket,
        }
    }

    /// Whether a kick arrived; consumes it.
    pub(crate) fn is_kicked(&self) -> bool {
        let mut byte = [0; 8];
        rustix::net::recv(&self.socket, &mut byte, rustix::net::RecvFlags::DONTWAIT).is_ok()
    }
}
