//! One session and what is around it: clients with callers, the poller, the driver. The driver runs
//! in the test's own task; the poller and each caller have one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use onair_ipc::caller::{Deadline, Refusal};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::scheduled::{self, Mortal};
use onair_ipc::sys;
use onair_session::{
    Admission, Effect, Event, Evidence, Exit, Moment, Named, Order, Reply, RetiredMemory, Runtime,
    SessionCore, SiteFinding, Sites, Timeouts, View, witness,
};
use onair_types::{
    Direction, Reading, Says, SessionId, SessionName, SessionState, StepName, Timestamp, Via, Who,
    Witness, WordOf,
};
use shuttle::thread::{self, JoinHandle};

use crate::ledgers::Ledgers;
use crate::rig::Pair;
use crate::schedules::{below, dawdle, spawn, wake_more};

const FRAMES: u32 = 4;
const QUOTA: u32 = 2;
/// Turns of the driver without news before a session counts as one that never ends.
const PATIENCE: usize = 4_000;
/// Kicks after which the core may leave further ones to its timer, which fires then.
const FRUITLESS: u32 = 4;
/// Written over the frames once the session is destroyed.
const DEAD: u8 = 0xdd;

/// One client process.
struct Process {
    pair: Pair,
    mortal: Mortal,
    threads: Mutex<BTreeMap<u32, Mortal>>,
    /// Delivered frames, with the thread that has each. A ghost: the daemon cannot see it.
    delivered: Mutex<BTreeMap<u32, u32>>,
    /// Threads inside a get: asleep there, they are what the probe reports.
    getting: Mutex<BTreeSet<u32>>,
    /// Threads whose end was reported, and whether the process's was.
    reported: Mutex<(Vec<u32>, bool)>,
}

impl Process {
    fn number(&self) -> u64 {
        self.pair.memory.attachment()
    }

    fn tgid(&self) -> u32 {
        1000 + u32::try_from(self.number()).unwrap()
    }

    /// Whether a thread has ended with a frame: the frame belongs to its process now, and comes back
    /// when that ends.
    fn has_orphan(&self) -> bool {
        let threads: Vec<u32> = self.threads.lock().unwrap().keys().copied().collect();
        let held = self.pair.memory.held();
        let delivered = self.delivered.lock().unwrap();
        let has_owner = |frame: &u32| {
            let owner = delivered.get(frame);
            owner.is_some_and(|tid| !self.is_dead(*tid))
        };
        threads.iter().any(|tid| self.is_dead(*tid))
            && held.iter().any(|(frame, ..)| !has_owner(frame))
    }

    fn is_dead(&self, tid: u32) -> bool {
        let threads = self.threads.lock().unwrap();
        self.mortal.is_dead() || threads.get(&tid).is_some_and(Mortal::is_dead)
    }
}

/// What passes between driver and poller.
#[derive(Default)]
struct Wire {
    orders: VecDeque<Order<Ledgers>>,
    events: VecDeque<Event<Ledgers>>,
    is_over: bool,
}

/// How a session ended.
pub(crate) enum End {
    Destroyed(Box<Evidence>),
    Freed,
}

/// The session with its surroundings.
pub(crate) struct Plant {
    core: SessionCore<Ledgers>,
    frames: FrameMemory,
    processes: Vec<Arc<Process>>,
    wire: Arc<Mutex<Wire>>,
    tasks: Vec<JoinHandle<Option<()>>>,
    /// Answers of helper threads that are still to come.
    answers: VecDeque<Event<Ledgers>>,
    /// Numbers of attachments whose memory was given back.
    given_back: Vec<u64>,
    end: Option<End>,
    /// Kicks since the stop.
    kicks: u32,
    clock: Duration,
}

/// The instant at which the clock stands, unless a test moves it.
pub(crate) fn epoch() -> Instant {
    static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

impl Plant {
    /// A running session with `processes` clients of `callers` threads each.
    pub(crate) fn with_clients(processes: usize, callers: usize) -> Self {
        let frames = FrameMemory::create(Geometry::new(FRAMES, 100).unwrap(), true).unwrap();
        let core = SessionCore::new(
            SessionId(77),
            SessionName::try_from("test".to_owned()).unwrap(),
            Direction::Receive,
            Box::new(Ledgers::default()),
            Some(frames.clone()),
            None,
        );
        let wire = Arc::new(Mutex::new(Wire::default()));
        let mut plant = Self {
            core,
            frames,
            processes: Vec::new(),
            wire,
            tasks: Vec::new(),
            answers: VecDeque::new(),
            given_back: Vec::new(),
            end: None,
            kicks: 0,
            clock: Duration::ZERO,
        };
        for number in 1..=processes as u64 {
            let process = Arc::new(Process {
                pair: Pair::new(number, false, &plant.frames, number.is_multiple_of(2)),
                mortal: Mortal::default(),
                threads: Mutex::default(),
                delivered: Mutex::default(),
                getting: Mutex::default(),
                reported: Mutex::default(),
            });
            // The core opens it again at the start.
            process.pair.memory.stop();
            plant.handle(Event::Admit(Box::new(Admission {
                number,
                who: Who {
                    uid: 1,
                    gid: 1,
                    pid: process.tgid(),
                    command: "client".into(),
                    via: Via::Attach,
                },
                memory: Arc::clone(&process.pair.memory),
                frames: None,
                watched: Some(process.tgid()),
                quota: QUOTA,
            })));
            plant.processes.push(process);
        }
        plant.start();
        let wire = Arc::clone(&plant.wire);
        plant.tasks.push(spawn(vec![], move || poller(&wire)));
        for process in plant.processes.clone() {
            for _ in 0..callers {
                let (process, frames) = (Arc::clone(&process), plant.frames.clone());
                let mortal = Mortal::default();
                let mortals = vec![process.mortal.clone(), mortal.clone()];
                plant.tasks.push(spawn(mortals, move || {
                    let tid = sys::gettid();
                    process.threads.lock().unwrap().insert(tid, mortal);
                    caller(&process, &frames);
                }));
            }
        }
        plant
    }

    pub(crate) fn clients(&self) -> usize {
        self.processes.len()
    }

    pub(crate) fn start(&mut self) {
        self.handle(Event::Start(Reply::unread()));
    }

    pub(crate) fn stop(&mut self) {
        self.kicks = 0;
        self.handle(Event::Stop);
        self.handle(Event::Examine);
    }

    /// Steps of the session's audit.
    pub(crate) fn steps(&mut self) -> Vec<StepName> {
        self.core.steps().iter().map(|it| it.step).collect()
    }

    /// Kills a thread, or a process.
    pub(crate) fn kill_something(&self) {
        let process = &self.processes[below(self.processes.len())];
        let threads: Vec<_> = process.threads.lock().unwrap().values().cloned().collect();
        match threads.get(below(2 * threads.len().max(1))) {
            Some(thread) => thread.kill(),
            None => process.mortal.kill(),
        }
    }

    pub(crate) fn kill_all(&self) {
        for process in &self.processes {
            process.mortal.kill();
        }
    }

    /// Gives an event to the core, and does what it says.
    pub(crate) fn handle(&mut self, event: Event<Ledgers>) {
        let seen = Seen {
            processes: &self.processes,
            now: epoch() + self.clock,
        };
        for effect in self.core.handle(event, &seen) {
            self.execute(effect);
        }
    }

    fn execute(&mut self, effect: Effect<Ledgers>) {
        match effect {
            Effect::Poller(order) => self.wire.lock().unwrap().orders.push_back(order),
            Effect::Wake(memory) => wake_more(&memory),
            Effect::WakeNow | Effect::Closed(_) | Effect::Left(_) | Effect::Tell(_) => {}
            Effect::LookAtThreads(question) => {
                let process = self.process(question.attachment);
                let mut dead = question.suspects;
                dead.retain(|slot| process.is_dead(slot.owner));
                let again = process.mortal.is_dead();
                self.answers.push_back(Event::ThreadsLookedAt {
                    attachment: question.attachment,
                    dead,
                    again,
                    cost: Duration::ZERO,
                });
            }
            Effect::LookAtSites(question) => self.answers.push_back(Event::SitesLookedAt {
                attachment: question.attachment,
                asked_at: question.asked_at,
                found: SiteFinding::Armed,
            }),
            Effect::NameUsers(Named::Refusal(_, problem)) => panic!("refused: {problem:?}"),
            Effect::NameUsers(_) | Effect::Started(_) | Effect::Quarantined(_) | Effect::Ready => {}
            Effect::NotAdmitted(reason) => panic!("{reason}"),
            Effect::Keep(memory) => self.give_back(&memory),
            Effect::Destroyed {
                evidence, retired, ..
            } => {
                self.give_back(&retired);
                self.end(End::Destroyed(evidence));
            }
            Effect::Freed { retired, .. } => {
                self.give_back(&retired);
                self.end(End::Freed);
            }
        }
    }

    fn give_back(&mut self, memory: &RetiredMemory) {
        let words = memory.words.iter().map(|words| words.attachment());
        self.given_back.extend(words);
    }

    fn end(&mut self, end: End) {
        assert!(self.end.is_none(), "it ended twice");
        let is_destroyed = matches!(&end, End::Destroyed(_));
        // An evicted client may still read its frames: they are not used again while it has them.
        let has_readers = matches!(&end, End::Destroyed(it) if !it.evicted.is_empty());
        let is_gone = |it: &Arc<Process>| it.mortal.is_dead();
        assert!(
            is_destroyed || self.processes.iter().all(is_gone),
            "freed under a process"
        );
        self.end = Some(end);
        self.wire.lock().unwrap().is_over = true;
        if is_destroyed && !has_readers {
            for frame in 0..FRAMES {
                self.frames.write(frame, 0, &[DEAD]);
            }
        }
    }

    fn process(&self, number: u64) -> &Arc<Process> {
        let mut all = self.processes.iter();
        all.find(|it| it.number() == number).unwrap()
    }

    /// One turn of the driver: what arrived, in some order. Returns whether there was something.
    fn turn(&mut self) -> bool {
        thread::yield_now();
        let mut news = false;
        let event = self.wire.lock().unwrap().events.pop_front();
        if let Some(event) = event {
            let is_handed_back = matches!(event, Event::HandedBack(_));
            self.handle(event);
            if is_handed_back {
                self.handle(Event::Examine);
            }
            news = true;
        }
        if let Some(answer) = self.answers.pop_front() {
            self.handle(answer);
            news = true;
        }
        for process in self.processes.clone() {
            if process.pair.is_kicked() {
                self.kicks += 1;
                self.handle(Event::Kicked(process.number()));
                news = true;
            }
            news |= self.report_deaths(&process);
            if process.has_orphan() {
                process.mortal.kill();
            }
        }
        news
    }

    /// The kernel reports the threads that ended, then the process.
    fn report_deaths(&mut self, process: &Process) -> bool {
        let threads = process.threads.lock().unwrap().clone();
        let mut news = false;
        for tid in threads.into_keys().filter(|tid| process.is_dead(*tid)) {
            if process.reported.lock().unwrap().0.contains(&tid) {
                continue;
            }
            process.reported.lock().unwrap().0.push(tid);
            let exit = Some(Exit { own_tid: tid, tid });
            let tgid = process.tgid();
            self.handle(Event::ThreadEnded { tgid, exit });
            self.handle(Event::Examine);
            news = true;
        }
        if process.mortal.is_dead() && !process.reported.lock().unwrap().1 {
            process.reported.lock().unwrap().1 = true;
            self.handle(Event::HungUp(process.number()));
            self.handle(Event::ProcessEnded(process.number()));
            news = true;
        }
        news
    }

    /// Lets the session run for some turns.
    pub(crate) fn run_for(&mut self, turns: usize) {
        for _ in 0..turns {
            self.turn();
        }
    }

    /// Lets the session run until this has come.
    pub(crate) fn run_until<T>(&mut self, mut come: impl FnMut() -> Option<T>) -> T {
        for _ in 0..PATIENCE {
            if let Some(it) = come() {
                return it;
            }
            self.turn();
        }
        panic!("L2: no event brings it");
    }

    /// Runs until the session has ended, and all tasks have.
    pub(crate) fn run_until_over(&mut self) -> End {
        let mut idle = 0;
        while self.end.is_none() {
            idle = if self.turn() { 0 } else { idle + 1 };
            if idle == PATIENCE / 2 && self.kicks >= FRUITLESS {
                self.clock += Duration::from_millis(200);
                self.handle(Event::Tick);
            }
            let state = self.core.state();
            assert!(
                idle < PATIENCE,
                "L2: no event ends the session, which is {state}"
            );
            if state == SessionState::Quarantined
                && self.processes.iter().all(|it| it.mortal.is_dead())
            {
                // The unmapping of a memory is no event.
                self.handle(Event::Examine);
            }
        }
        let has_dead = |it: &Arc<Process>| {
            let threads = it.threads.lock().unwrap();
            threads.values().any(Mortal::is_dead)
        };
        if self.processes.iter().any(has_dead) {
            // A thread that dies may take others' wake-up with it: they look again after a second.
            (0..PATIENCE).for_each(|_| thread::yield_now());
            scheduled::advance(2_000_000_000);
        }
        for task in self.tasks.drain(..) {
            task.join().unwrap();
        }
        self.end.take().unwrap()
    }

    /// What holds for every session that was destroyed.
    pub(crate) fn check(&mut self, evidence: &Evidence) {
        let mut numbers = std::mem::take(&mut self.given_back);
        numbers.sort_unstable();
        let all: Vec<u64> = (1..=self.processes.len() as u64).collect();
        assert_eq!(numbers, all, "each memory is given back once");
        let counts = &evidence.counts;
        let settled = counts.frames_returned
            + counts.frames_reclaimed
            + counts.frames_reconciled
            + counts.frames_revoked;
        assert_eq!(counts.frames_lent, settled, "no frame is lost: {counts:?}");
        let steps: Vec<_> = evidence.steps.iter().map(|it| it.step).collect();
        for step in [
            StepName::GatesClosed,
            StepName::PollersQuiesced,
            StepName::Destroyed,
        ] {
            assert_eq!(
                steps.iter().filter(|it| **it == step).count(),
                1,
                "{steps:?}"
            );
        }
        assert!(self.core.wake_at().is_none() || self.core.state() != SessionState::Running);
    }
}

/// A thread of a client: takes, reads and puts, until the session is gone.
fn caller(process: &Process, frames: &FrameMemory) {
    let client = &process.pair.client;
    loop {
        let deadline = [Deadline::Now, Deadline::Never, Deadline::Never][below(3)];
        process.getting.lock().unwrap().insert(sys::gettid());
        let got = client.get(deadline);
        process.getting.lock().unwrap().remove(&sys::gettid());
        match got {
            Ok(lease) => {
                let (frame, me) = (lease.frame(), sys::gettid());
                process.delivered.lock().unwrap().insert(frame, me);
                // Some hold it long after the poller has handed the session back.
                for _ in 0..[1, 3, 30, 90][below(4)] {
                    let mut byte = [0];
                    frames.read(lease.frame(), 0, &mut byte);
                    assert_ne!(byte[0], DEAD, "I1: overwritten under its holder");
                    dawdle(6);
                }
                process.delivered.lock().unwrap().remove(&frame);
                match client.put(lease) {
                    Ok(()) => {}
                    Err(Refusal::Stale) => return,
                    Err(other) => panic!("{other:?}"),
                }
            }
            Err(Refusal::TimedOut) => {}
            Err(Refusal::Again) => {
                if client.wait_started(Deadline::Never) == Err(Refusal::Stale) {
                    return;
                }
            }
            Err(Refusal::Stale) => return,
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// The poller: loans and reaps while it has the runtime, and follows orders.
fn poller(wire: &Mutex<Wire>) {
    let mut runtime: Option<Box<Ledgers>> = None;
    loop {
        scheduled::give_way();
        let (order, is_over) = {
            let mut wire = wire.lock().unwrap();
            (wire.orders.pop_front(), wire.is_over)
        };
        let event = match order {
            None if is_over => return,
            None => None,
            Some(Order::Start(started)) => {
                runtime = Some(started);
                None
            }
            Some(Order::Quiesce) => runtime.take().map(Event::HandedBack),
            Some(Order::Detach(number)) => runtime
                .as_mut()
                .and_then(|it| it.detach(number))
                .map(|(lender, _)| Event::LenderBack(lender)),
            Some(Order::Evict(number)) => {
                let evicted = runtime.as_mut().and_then(|it| it.evict(number));
                evicted.map(Event::Evicted)
            }
            Some(Order::Release(number)) => {
                if let Some(runtime) = &mut runtime {
                    runtime.release(|it| it == number);
                }
                None
            }
            Some(Order::CreditThread {
                attachment,
                ticket,
                slot,
            }) => {
                let mut lenders = runtime.iter_mut().flat_map(|it| it.lenders_mut());
                let lender = lenders.find(|it| it.attachment() == attachment);
                let credited = lender.map(|it| u64::from(it.credit_dead_thread(&slot).is_some()));
                Some(Event::ThreadCredited {
                    attachment,
                    ticket,
                    frames: credited,
                })
            }
            Some(Order::Attach { .. } | Order::Flush { .. }) => unreachable!("not played"),
        };
        if let Some(event) = event {
            wire.lock().unwrap().events.push_back(event);
        }
        if let Some(runtime) = &mut runtime {
            runtime.reap();
            // Seldom, so that callers sleep.
            let frame = u32::try_from(below(4 * FRAMES as usize)).unwrap();
            if frame < FRAMES {
                runtime.publish(frame);
            }
        }
    }
}

/// What the core sees: a clock that stands, the callers that sleep, the memory that is mapped.
struct Seen<'a> {
    processes: &'a [Arc<Process>],
    now: Instant,
}

impl Seen<'_> {
    fn asleep(&self) -> Vec<u64> {
        let asleep = scheduled::asleep();
        let mut all = Vec::new();
        for process in self.processes {
            let getting = process.getting.lock().unwrap();
            let inside = getting.iter().filter(|tid| asleep.contains(tid));
            all.extend(inside.map(|_| process.number()));
        }
        all
    }
}

impl View for Seen<'_> {
    fn now(&self) -> Moment {
        Moment {
            instant: self.now,
            wall: Timestamp::now(),
            monotonic_ns: 1,
        }
    }

    fn timeouts(&self) -> Timeouts {
        Timeouts {
            quiesce: Duration::from_secs(5),
            drain_warning: Duration::ZERO,
        }
    }

    fn poller_is_alive(&self) -> bool {
        true
    }

    fn sent_and_dropped(&self) -> (u64, u64) {
        (0, 0)
    }

    fn probe_refusal(&self) -> Option<String> {
        None
    }

    fn probe(
        &self,
        clients: &mut dyn Iterator<Item = (u32, Sites)>,
        out: &dyn Fn(u64) -> bool,
    ) -> Reading {
        let asleep = self.asleep();
        let left_out = asleep.iter().filter(|number| out(**number)).count() as u64;
        let users = asleep.len() as u64 - left_out;
        let mut all = clients.map(|(_, sites)| sites);
        let is_unknown = all.any(|sites| sites != Sites::Armed);
        let says = match users {
            0 if is_unknown => Says::Unknown,
            0 => Says::Zero,
            _ => Says::Users,
        };
        Reading {
            left_out,
            ..reading(Witness::W2, witness::PROBE, says, users)
        }
    }

    fn blocked(&self) -> Vec<u64> {
        self.asleep()
    }

    fn mapping(&self, memory: &RetiredMemory) -> Reading {
        let held = memory.words.iter().filter(|words| !self.is_released(words));
        let held = held.count() as u64;
        let says = if held == 0 { Says::Zero } else { Says::Users };
        reading(Witness::W4, witness::MAPPING, says, held)
    }

    fn is_released(&self, words: &AttachmentMemory) -> bool {
        let mut all = self.processes.iter();
        let process = all.find(|it| it.number() == words.attachment());
        process.is_none_or(|it| it.mortal.is_dead() && it.reported.lock().unwrap().1)
    }

    fn are_released(&self, _: &FrameMemory) -> bool {
        true
    }

    fn is_process_ending(&self, pid: u32) -> bool {
        let mut all = self.processes.iter();
        let process = all.find(|it| it.tgid() == pid);
        process.is_some_and(|it| it.mortal.is_dead())
    }
}

fn reading(witness: Witness, name: &str, says: Says, users: u64) -> Reading {
    Reading {
        witness,
        name: name.into(),
        says,
        users,
        left_out: 0,
        detail: String::new(),
        word_of: WordOf::Kernel,
        at_monotonic_ns: 1,
    }
}
