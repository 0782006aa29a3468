//! A machine for the engine, in one thread and without a kernel's part, and lives of the daemon's actor on it. For tests
//! only.
//!
//! Real are the data plane (its pollers make turns when [`World::turn`] says so; its ports have no device), the memory
//! files, and the words of the clients. Simulated are the clock, which stands until [`World::advance`], the threads, the
//! disk, the client processes, and what the probe sees. One thread has one life at a time.
#![forbid(unsafe_code)]

mod disk;
pub mod life;
mod machine;
mod probe;
mod processes;
mod recordings;
mod shutdown;
mod time;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use onair_api::{RecordingEnd, SessionId};
use onair_dataplane::{
    Dataplane, DataplaneConfig, DataplaneError, EventReceiver, ManualPoller, MediaClock,
};
use onair_engine::clients::inspection::Finding;
use onair_engine::clock::Clocks;
use onair_engine::machine::{Charge, FoundRecording, Later, MemoryReturn, RecorderEvent, Shutdown};
use onair_engine::session::attachment::Watched;
use onair_ipc::freshness::Freshness;
use onair_ipc::memfd::Memfd;
use onair_session::RetiredMemory;
use onair_workers::ThreadRegistry;

use crate::processes::Crowd;
use crate::recordings::RecorderState;
use crate::shutdown::ShutdownState;
use crate::time::{TAI_AHEAD_NS, Tasks, Time};

pub use crate::disk::DiskState;
pub use crate::machine::SimulatedMachine;
pub use crate::processes::Helpers;
pub use crate::recordings::Recorder;

/// Turns of a poller at one time, after which it has to wait for another one: a session that waits for the end of a frame has
/// each turn for its own.
const TURNS: u32 = 256;

/// Pollers of a life's configuration.
pub const POLLERS: usize = 2;

/// The engine's surroundings, in the hands of the test.
#[derive(Debug)]
pub struct World {
    time: Arc<Time>,
    media_clock: Arc<MediaClock>,
    pollers: Vec<ManualPoller>,
    /// Which pollers make no turn, though their sessions need one.
    stand: [bool; POLLERS],
    /// Which pollers have panicked.
    dead: [bool; POLLERS],
    events: EventReceiver,
    shared: Shared,
    tasks: Tasks,
}

/// State that the machine and the test share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared(Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) crowd: Crowd,
    /// Answers that the engine has not taken.
    pub(crate) findings: Vec<Finding>,
    /// Why the probe does not see, if it does not.
    pub(crate) is_blind: bool,
    /// The program that converts is not there.
    pub(crate) has_no_converter: bool,
    /// Processes that convert and are to end.
    pub(crate) ended_converters: Vec<u32>,
    pub(crate) reclaimer: Reclaimer,
    pub(crate) recorder: RecorderState,
    pub(crate) shutdown: ShutdownState,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// A world with these ports and pollers, and the engine's machine in it.
    ///
    /// # Errors
    /// The configuration is invalid, or no descriptors are left.
    pub fn start(
        config: &DataplaneConfig,
    ) -> Result<(Self, SimulatedMachine), Box<DataplaneError>> {
        let (plane, pollers) = Dataplane::manual(config, &ThreadRegistry::default(), TAI_AHEAD_NS)
            .map_err(Box::new)?;
        let time = Arc::new(Time::start());
        let world = Self {
            time: Arc::clone(&time),
            media_clock: Arc::clone(plane.clock()),
            pollers,
            stand: [false; POLLERS],
            dead: [false; POLLERS],
            events: plane.events(),
            shared: Shared::default(),
            tasks: Tasks,
        };
        world.tell_time();
        let machine = SimulatedMachine::new(time, plane, world.shared.clone());
        Ok((world, machine))
    }

    /// The clocks.
    #[must_use]
    pub fn clock(&self) -> Clocks {
        self.time.clone()
    }

    /// Now, by the clock of send sessions: ns of TAI.
    #[must_use]
    pub fn tai_ns(&self) -> u64 {
        self.clock().monotonic_ns() + self.media_clock.ahead_ns()
    }

    /// Each poller makes turns until it has no work, and what the engine does beside its own turns goes on. Returns
    /// whether there was any.
    pub fn turn(&mut self) -> bool {
        let now_ns = self.clock().monotonic_ns();
        let mut worked = disk::work();
        worked |= self.tasks.poll();
        worked |= self.shared.answer_questions(self.time.clock().now());
        for (index, poller) in self.pollers.iter_mut().enumerate() {
            let at = |all: &[bool; POLLERS]| all.get(index).is_some_and(|it| *it);
            let mut turns = 0;
            while !at(&self.stand) && !at(&self.dead) && turns < TURNS && poller.turn_at(now_ns) {
                turns += 1;
            }
            worked |= (1..TURNS).contains(&turns);
        }
        worked
    }

    /// Which pollers make no turn from now on.
    pub const fn let_pollers_stand(&mut self, stand: [bool; POLLERS]) {
        self.stand = stand;
    }

    /// A poller panics, also one that stands.
    pub fn kill_poller(&mut self, index: usize) {
        if !std::mem::replace(&mut self.dead[index], true) {
            let now_ns = self.clock().monotonic_ns();
            self.pollers[index].panic_at("it was to panic", now_ns);
        }
    }

    /// Datagrams arrive at a port, for those of its pollers that make turns.
    pub fn deliver(&mut self, port: &str, ends: (SocketAddr, SocketAddr), payloads: &[Vec<u8>]) {
        let now_ns = self.clock().monotonic_ns();
        for (index, poller) in self.pollers.iter_mut().enumerate() {
            if !self.stand[index] && !self.dead[index] {
                poller.deliver(port, ends, payloads, now_ns);
            }
        }
    }

    /// The pollers' events.
    #[must_use]
    pub const fn events(&self) -> &EventReceiver {
        &self.events
    }

    /// How the disk is from now on.
    pub fn set_disk(&self, state: DiskState) {
        disk::set(state);
    }

    /// How the threads that look at processes behave from now on.
    pub fn set_helpers(&self, helpers: Helpers) {
        self.shared.lock().crowd.helpers = helpers;
    }

    /// Whether the probe does not see from now on.
    pub fn set_blind(&self, is_blind: bool) {
        self.shared.lock().is_blind = is_blind;
    }

    /// Whether the thread that gives memory back does nothing from now on.
    pub fn let_reclaimer_stand(&self, stands: bool) {
        self.shared.lock().reclaimer.set_stands(stands);
    }

    /// Number of tasks beside the engine's turns that have not ended.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.tasks.count()
    }

    /// Time since the start.
    #[must_use]
    pub fn passed(&self) -> Duration {
        self.time.passed()
    }

    /// The helper threads' answers.
    #[must_use]
    pub fn take_findings(&self) -> Vec<Finding> {
        std::mem::take(&mut self.shared.lock().findings)
    }

    /// Takes the events of the recorder's threads.
    #[must_use]
    pub fn take_recorder_events(&self) -> Vec<RecorderEvent> {
        self.shared.lock().recorder.take_events()
    }

    /// Whether the program that converts is there.
    pub fn set_converter(&self, is_there: bool) {
        self.shared.lock().has_no_converter = !is_there;
    }

    /// Processes that convert and were told to end.
    #[must_use]
    pub fn ended_converters(&self) -> Vec<u32> {
        self.shared.lock().ended_converters.clone()
    }

    /// How the recorder's threads behave from now on.
    pub fn set_recorder(&self, threads: Recorder) {
        self.shared.lock().recorder.threads = threads;
    }

    /// The recorder finds a recording of an earlier daemon.
    pub fn find_recording(&self, found: FoundRecording) {
        let found = RecorderEvent::Found(vec![found]);
        self.shared.lock().recorder.events.push(found);
    }

    /// Recordings of an earlier daemon that do not go on, each with the cause.
    #[must_use]
    pub fn concluded(&self) -> Vec<(String, RecordingEnd)> {
        self.shared.lock().recorder.concluded.clone()
    }

    /// The daemon's shutdown.
    #[must_use]
    pub fn shutdown(&self) -> &dyn Shutdown {
        &self.shared
    }

    /// Lets time pass until `at`, or until an earlier time that the engine waits for beside its turns.
    pub fn advance(&self, at: Instant) {
        let now = self.time.clock().now();
        let next = self.time.next_timer(now).unwrap_or(at);
        self.time.pass(at.min(next).saturating_duration_since(now));
        self.tell_time();
    }

    /// Lets this much time pass.
    pub fn pass(&self, time: Duration) {
        self.time.pass(time);
        self.tell_time();
    }

    /// The data plane has no clock of its own.
    fn tell_time(&self) {
        self.media_clock.set_now(self.clock().monotonic_ns());
    }

    /// A client process begins; its number.
    #[must_use]
    pub fn begin_process(&self) -> u32 {
        self.shared.lock().crowd.begin()
    }

    /// The probe has armed a client process.
    #[must_use]
    pub fn arm(&self, pid: u32) -> Watched {
        probe::watched(pid)
    }

    /// A client process ends.
    pub fn end_process(&self, pid: u32) {
        self.shared.lock().crowd.end(pid);
    }

    /// So many callers of this attachment are blocked, as the kernel sees it.
    pub fn set_blocked(&self, session: u64, attachment: u64, callers: u64) {
        let mut state = self.shared.lock();
        state.crowd.set_blocked(session, attachment, callers);
    }
}

/// The thread that gives memory back.
#[derive(Debug, Default)]
pub(crate) struct Reclaimer {
    stands: bool,
    /// Memory that it has not given back.
    waiting: Vec<(Charge, RetiredMemory)>,
}

impl Reclaimer {
    pub(crate) fn set_stands(&mut self, stands: bool) {
        self.stands = stands;
        if !stands {
            self.waiting.clear();
        }
    }

    fn is_returning(&self, session: SessionId) -> bool {
        self.waiting.iter().any(|(of, _)| of.session == session)
    }
}

impl MemoryReturn for SimulatedMachine {
    fn is_sole(&self, file: &Memfd) -> io::Result<bool> {
        file.is_sole_user()
    }

    fn replace_pages(&self, of: &Arc<Freshness>) {
        of.replace().expect("the kernel replaces pages");
    }

    fn give_back(&self, charge: Charge, memory: RetiredMemory) {
        let reclaimer = &mut self.shared.lock().reclaimer;
        if reclaimer.stands {
            reclaimer.waiting.push((charge, memory));
        }
    }

    fn is_returning(&self, session: SessionId) -> bool {
        self.shared.lock().reclaimer.is_returning(session)
    }

    fn when_returned(&self, session: SessionId) -> Later<()> {
        let shared = self.shared.clone();
        Box::pin(poll_fn(move |_| {
            match shared.lock().reclaimer.is_returning(session) {
                true => Poll::Pending,
                false => Poll::Ready(()),
            }
        }))
    }

    fn returning(&self) -> Vec<(u32, u64)> {
        let waiting = &self.shared.lock().reclaimer.waiting;
        let all = waiting.iter().flat_map(|(of, it)| it.bytes_by_user(of.uid));
        all.collect()
    }

    fn pinned(&self) -> Vec<(Charge, u64)> {
        Vec::new()
    }

    fn pinned_due(&self) -> Option<Instant> {
        None
    }

    fn ask_for_pinned(&mut self, _: Instant) {}
}
