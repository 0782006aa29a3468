//! One session and what is around it: clients with callers, the poller, the driver. The driver runs
//! in the test's own task; the poller and each caller have one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use onair_api::{
    Direction, EvictionList, SessionId, SessionName, SessionState, StepName, Via, Who,
};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_ipc::scheduled::{self, Mortal};
use onair_ipc::sys;
use onair_session::{
    Admission, Answer, Effect, Event, Evidence, Exit, Named, RetiredMemory, SessionCore,
    SiteFinding, Ticket,
};
use shuttle::thread::{self, JoinHandle};

use crate::ledgers::Ledgers;
use crate::process::Process;
use crate::schedules::{below, dawdle, spawn, wake_more};
use crate::seen::{Played, Seen};
use crate::tasks::{Wire, caller, poller};
use crate::together::examine;

pub(crate) const FRAMES: u32 = 4;
const QUOTA: u32 = 2;
/// Turns of the driver without news before a session counts as one that never ends.
pub(crate) const MAX_IDLE_TURNS: usize = 4_000;
/// Kicks after which the core may leave further ones to its timer, which fires then.
const FRUITLESS: u32 = 4;
/// Written over the frames once the session is destroyed.
pub(crate) const DEAD: u8 = 0xdd;

/// How a session ended.
pub(crate) enum End {
    Destroyed(Box<Evidence>),
    Freed,
}

/// The session with its surroundings.
pub(crate) struct ModelSession {
    pub(crate) core: SessionCore<Ledgers>,
    /// The processes of every session.
    kernel: Kernel,
    frames: FrameMemory,
    processes: Vec<Arc<Process>>,
    wire: Arc<Mutex<Wire>>,
    tasks: Vec<JoinHandle<Option<()>>>,
    /// Tasks that kill, at some step.
    killers: Vec<JoinHandle<Option<()>>>,
    /// Answers of helper threads that are still to come.
    answers: VecDeque<Event<Ledgers>>,
    /// Numbers of attachments whose memory was given back.
    given_back: Vec<u64>,
    pub(crate) end: Option<End>,
    /// The answer to an eviction of all clients.
    pub(crate) evicted: Option<EvictionList>,
    /// To be examined.
    pub(crate) is_due: bool,
    /// To be destroyed in its turn.
    pub(crate) is_ready: bool,
    /// Kicks since the stop.
    pub(crate) kicks: u32,
    clock: Duration,
}

/// The instant at which the clock stands, unless a test moves it.
pub(crate) fn epoch() -> Instant {
    static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

impl ModelSession {
    /// A running session with `processes` clients of `callers` threads each.
    pub(crate) fn with_clients(processes: usize, callers: usize) -> Self {
        Self::beside(&Kernel::default(), SessionId(77), processes, callers)
    }

    /// The same, as one of the sessions of `kernel`.
    pub(crate) fn beside(kernel: &Kernel, id: SessionId, processes: usize, callers: usize) -> Self {
        let frames = FrameMemory::create(Geometry::new(FRAMES, 100).unwrap(), true).unwrap();
        let core = SessionCore::new(
            id,
            SessionName::try_from("test".to_owned()).unwrap(),
            Direction::Receive,
            Box::new(Ledgers::default()),
            Some(frames.clone()),
            None,
        );
        let wire = Arc::new(Mutex::new(Wire::default()));
        let mut session = Self {
            core,
            kernel: Arc::clone(kernel),
            frames,
            processes: Vec::new(),
            wire,
            tasks: Vec::new(),
            killers: Vec::new(),
            answers: VecDeque::new(),
            given_back: Vec::new(),
            end: None,
            evicted: None,
            is_due: false,
            is_ready: false,
            kicks: 0,
            clock: Duration::ZERO,
        };
        for number in 1..=processes as u64 {
            let process = Arc::new(Process::new(number, &session.frames));
            session.handle(Event::Admit(Box::new(Admission {
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
            kernel.lock().unwrap().push((id, Arc::clone(&process)));
            session.processes.push(process);
        }
        session.start();
        let wire = Arc::clone(&session.wire);
        session.tasks.push(spawn(vec![], move || poller(&wire)));
        for process in session.processes.clone() {
            for _ in 0..callers {
                let (process, frames) = (Arc::clone(&process), session.frames.clone());
                let mortal = Mortal::default();
                let mortals = vec![process.mortal.clone(), mortal.clone()];
                session.tasks.push(spawn(mortals, move || {
                    let tid = sys::gettid();
                    process.threads.lock().unwrap().insert(tid, mortal);
                    caller(&process, &frames);
                }));
            }
        }
        session
    }

    pub(crate) fn clients(&self) -> usize {
        self.processes.len()
    }

    pub(crate) fn start(&mut self) {
        self.handle(Event::Start(Ticket::unread()));
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

    /// Kills a thread, or a process, at some step from now on.
    pub(crate) fn kill_soon(&mut self) {
        let process = Arc::clone(&self.processes[below(self.processes.len())]);
        self.killers.push(spawn(vec![], move || {
            dawdle([30, 300][below(2)]);
            let threads: Vec<_> = process.threads.lock().unwrap().values().cloned().collect();
            match threads.get(below(2 * threads.len().max(1))) {
                Some(thread) => thread.kill(),
                None => process.mortal.kill(),
            }
        }));
    }

    pub(crate) fn kill_all(&self) {
        for process in &self.processes {
            process.mortal.kill();
        }
    }

    /// Gives an event to the core, and does what it says.
    pub(crate) fn handle(&mut self, event: Event<Ledgers>) {
        let seen = self.seen();
        for effect in self.core.handle(event, seen.facts(), &seen) {
            self.execute(effect);
        }
    }

    pub(crate) fn seen(&self) -> Seen<World> {
        Seen(World {
            session: self.core.id(),
            kernel: Arc::clone(&self.kernel),
            processes: self.processes.clone(),
            now: epoch() + self.clock,
        })
    }

    pub(crate) fn execute(&mut self, effect: Effect<Ledgers>) {
        match effect {
            Effect::Poller(command) => self.wire.lock().unwrap().commands.push_back(command),
            Effect::Wake(memory) => wake_more(&memory),
            Effect::WakeNow | Effect::Closed(_) | Effect::Left(_) | Effect::Note(_) => {}
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
            Effect::Answer(Answer::AllEvicted(_, evicted)) => self.evicted = Some(evicted.unwrap()),
            Effect::NameUsers(_)
            | Effect::Answer(_)
            | Effect::Started(_)
            | Effect::Quarantined(_) => {}
            Effect::Examine => self.is_due = true,
            Effect::Ready => self.is_ready = true,
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

    /// One turn of the driver. Returns whether something arrived.
    fn turn(&mut self) -> bool {
        let progressed = self.take_in();
        examine(std::slice::from_mut(self));
        progressed
    }

    /// What arrived, in some order. Returns whether there was something.
    pub(crate) fn take_in(&mut self) -> bool {
        thread::yield_now();
        let mut progressed = false;
        let event = self.wire.lock().unwrap().events.pop_front();
        if let Some(event) = event {
            let is_handed_back = matches!(event, Event::HandedBack(_));
            self.handle(event);
            self.is_due |= is_handed_back;
            progressed = true;
        }
        if let Some(answer) = self.answers.pop_front() {
            self.handle(answer);
            progressed = true;
        }
        for process in self.processes.clone() {
            if process.pair.is_kicked() {
                self.kicks += 1;
                self.handle(Event::Kicked(process.number()));
                progressed = true;
            }
            progressed |= self.report_deaths(&process);
            if process.has_orphan() {
                process.mortal.kill();
            }
        }
        progressed
    }

    /// The kernel reports the threads that ended, then the process.
    fn report_deaths(&mut self, process: &Process) -> bool {
        let threads = process.threads.lock().unwrap().clone();
        let mut dead: Vec<u32> = threads.into_keys().collect();
        dead.retain(|tid| process.is_dead(*tid));
        dead.retain(|tid| !process.reported.lock().unwrap().0.contains(tid));
        let mut progressed = !dead.is_empty();
        while !dead.is_empty() {
            let together = dead.split_off(below(dead.len()));
            process.reported.lock().unwrap().0.extend(&together);
            let exit = |tid: u32| Exit { own_tid: tid, tid };
            self.handle(Event::ThreadsEnded {
                tgid: process.tgid(),
                exits: together.into_iter().map(exit).collect(),
            });
        }
        if process.mortal.is_dead() && !process.reported.lock().unwrap().1 {
            process.reported.lock().unwrap().1 = true;
            self.handle(Event::HungUp(process.number()));
            self.handle(Event::ProcessEnded(process.number()));
            progressed = true;
        }
        progressed
    }

    /// Lets the session run for some turns.
    pub(crate) fn run_for(&mut self, turns: usize) {
        for _ in 0..turns {
            self.turn();
        }
    }

    /// Lets the session run until this has come.
    pub(crate) fn run_until<T>(&mut self, mut come: impl FnMut(&mut Self) -> Option<T>) -> T {
        for _ in 0..MAX_IDLE_TURNS {
            if let Some(it) = come(self) {
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
            self.let_the_timer_fire(idle);
            let state = self.core.state();
            assert!(
                idle < MAX_IDLE_TURNS,
                "L2: no event ends the session, which is {state}"
            );
            if state == SessionState::Quarantined
                && self.processes.iter().all(|it| it.mortal.is_dead())
            {
                // The unmapping of a memory is no event.
                self.handle(Event::Examine);
            }
        }
        self.finish()
    }

    /// A timer is due only for a session whose clients kicked it too often.
    pub(crate) fn let_the_timer_fire(&mut self, idle: usize) {
        if idle == MAX_IDLE_TURNS / 2 && self.kicks >= FRUITLESS && self.end.is_none() {
            self.clock += Duration::from_millis(200);
            self.handle(Event::Tick);
        }
    }

    /// The session has ended: waits for the tasks.
    pub(crate) fn finish(&mut self) -> End {
        // Some kill only now.
        for killer in self.killers.drain(..) {
            killer.join().unwrap();
        }
        let has_dead = |it: &Arc<Process>| {
            let threads = it.threads.lock().unwrap();
            threads.values().any(Mortal::is_dead)
        };
        if self.processes.iter().any(has_dead) {
            // A thread that dies may take others' wake-up with it: they look again after a second.
            (0..MAX_IDLE_TURNS).for_each(|_| thread::yield_now());
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

/// Every client process, with its session.
pub(crate) type Kernel = Arc<Mutex<Vec<(SessionId, Arc<Process>)>>>;

/// A clock that stands, the callers that sleep, the processes that are gone.
pub(crate) struct World {
    session: SessionId,
    kernel: Kernel,
    processes: Vec<Arc<Process>>,
    now: Instant,
}

impl Played for World {
    fn now(&self) -> Instant {
        self.now
    }

    fn session(&self) -> SessionId {
        self.session
    }

    fn asleep(&self, session: SessionId) -> Vec<u64> {
        let asleep = scheduled::asleep();
        let mut all = Vec::new();
        for (of, process) in &*self.kernel.lock().unwrap() {
            let getting = process.getting.lock().unwrap();
            let inside = getting.iter().filter(|tid| asleep.contains(tid));
            all.extend(inside.filter(|_| *of == session).map(|_| process.number()));
        }
        all
    }

    fn is_gone(&self, attachment: u64) -> bool {
        let mut all = self.processes.iter();
        let process = all.find(|it| it.number() == attachment);
        process.is_none_or(|it| it.mortal.is_dead() && it.reported.lock().unwrap().1)
    }

    fn is_ending(&self, pid: u32) -> bool {
        let mut all = self.processes.iter();
        let process = all.find(|it| it.tgid() == pid);
        process.is_some_and(|it| it.mortal.is_dead())
    }
}
