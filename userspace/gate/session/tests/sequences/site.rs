//! The core with one real attachment, a poller and a driver, played step by step.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_api::{Counts, Direction, Operation, SessionId, SessionName, SessionState, Via, Who};
use onair_ipc::caller::{Deadline, Lease};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_session::{
    Admission, Destroy, Effect, Event, EvictionTicket, PollerCommand, RetiredMemory, Runtime as _,
    SessionCore, SiteFinding, Ticket,
};

use crate::Step;
use crate::ledgers::Ledgers;
use crate::model::Shown;
use crate::rig::{Pair, SESSION};
use crate::seen::{Played, Seen};

const CLIENT: u64 = 1;
/// Longer than every time limit.
const LATE: Duration = Duration::from_secs(10);

/// One session with one client.
pub(crate) struct Site {
    core: SessionCore<Ledgers>,
    seen: Seen<World>,
    pair: Pair,
    lease: Option<Lease>,
    commands: VecDeque<PollerCommand<Ledgers>>,
    /// The runtime, while the poller has it.
    runtime: Option<Box<Ledgers>>,
    given_back: Vec<u64>,
    end: Option<Shown>,
    counts: Option<Counts>,
}

/// What is so.
struct World {
    now: Instant,
    is_dead: bool,
}

fn who(pid: u32) -> Who {
    Who {
        uid: 0,
        gid: 0,
        pid,
        command: "test".into(),
        via: Via::Control,
    }
}

impl Site {
    /// A running session, which its poller has.
    pub(crate) fn new() -> Self {
        Self::traced(0)
    }

    /// As [`Self::new`], with a trace of up to so many bytes.
    pub(crate) fn traced(bytes: usize) -> Self {
        let frames = FrameMemory::create(Geometry::new(2, 100).unwrap(), true).unwrap();
        let pair = Pair::new(CLIENT, false, &frames, true);
        pair.memory.stop();
        let mut core = SessionCore::new(
            SessionId(SESSION),
            SessionName::try_from("test".to_owned()).unwrap(),
            Direction::Receive,
            Box::new(Ledgers::default()),
            Some(frames),
            None,
        );
        core.trace_up_to(bytes);
        let memory = Arc::clone(&pair.memory);
        let mut site = Self {
            core,
            seen: Seen(World {
                now: Instant::now(),
                is_dead: false,
            }),
            pair,
            lease: None,
            commands: VecDeque::new(),
            runtime: None,
            given_back: Vec::new(),
            end: None,
            counts: None,
        };
        site.handle(Event::Admit(Box::new(Admission {
            number: CLIENT,
            who: who(2),
            memory,
            frames: None,
            fills: false,
            samples: false,
            watched: Some(2),
            quota: 1,
            after: None,
        })));
        site.handle(Event::Start(Ticket::unread()));
        site.step(Step::Poller);
        site
    }

    /// The trace of its life.
    pub(crate) fn trace(&self) -> String {
        self.core.trace()
    }

    /// What can be seen of it.
    pub(crate) fn shown(&self) -> Shown {
        if let Some(end) = self.end {
            return end;
        }
        match self.core.state() {
            SessionState::Running => Shown::Running,
            SessionState::Created | SessionState::Stopped => Shown::Stopped,
            SessionState::Draining | SessionState::Destroyed => Shown::Draining,
            SessionState::Quarantined => Shown::Quarantined,
        }
    }

    pub(crate) fn step(&mut self, step: Step) {
        if self.end.is_some() {
            return;
        }
        match step {
            Step::Start => self.handle(Event::Start(Ticket::unread())),
            Step::Stop => {
                self.handle(Event::Stop);
                self.handle(Event::Examine);
            }
            Step::Destroy => self.destroy(Operation::Destroy, None),
            Step::DestroyWait => self.destroy(Operation::DestroyWait, Some(2)),
            Step::Abort => {
                let destroy = self.request(Operation::Abort, Some(5));
                self.handle(Event::Abort(destroy));
            }
            Step::Quarantine => {
                self.handle(Event::Quarantine(who(1)));
                // Possibly no process had any of its memory.
                self.handle(Event::Examine);
            }
            Step::Evict => {
                self.handle(Event::Evict(None, EvictionTicket::All(Ticket::unread())));
            }
            Step::Take => self.take(),
            Step::Put => {
                if let Some(lease) = self.lease.take()
                    && !self.seen.0.is_dead
                {
                    // Evicted clients put nothing back.
                    let _ = self.pair.client.put(lease);
                }
            }
            Step::Die => self.die(),
            Step::Poller => self.poll(),
            Step::Late => {
                self.seen.0.now += LATE;
                self.handle(Event::Tick);
            }
        }
        while self.end.is_none() && self.pair.is_kicked() {
            self.handle(Event::Kicked(CLIENT));
        }
    }

    /// At the end of each sequence.
    pub(crate) fn check_the_end(&self) {
        assert!(self.end.is_some(), "it goes on");
        assert_eq!(self.given_back, [CLIENT], "each memory is given back once");
        let counts = self.counts.unwrap();
        let settled = counts.frames_returned
            + counts.frames_reclaimed
            + counts.frames_reconciled
            + counts.frames_revoked;
        assert_eq!(counts.frames_lent, settled, "no frame is lost: {counts:?}");
    }

    fn request(&self, operation: Operation, seconds: Option<u64>) -> Destroy {
        Destroy {
            who: who(1),
            operation,
            deadline: seconds.map(|it| self.seen.0.now + Duration::from_secs(it)),
            deadline_ms: seconds.map(|it| it * 1000),
            waits_for_turn: false,
            stops: false,
            ticket: Ticket::unread(),
        }
    }

    fn destroy(&mut self, operation: Operation, seconds: Option<u64>) {
        let destroy = self.request(operation, seconds);
        self.handle(Event::Destroy(destroy));
    }

    fn take(&mut self) {
        if self.seen.0.is_dead || self.lease.is_some() || self.shown() != Shown::Running {
            return;
        }
        self.poll();
        if let Some(runtime) = &mut self.runtime {
            runtime.reap();
            runtime.publish(0);
        }
        self.lease = self.pair.client.get(Deadline::Now).ok();
    }

    fn die(&mut self) {
        if !std::mem::replace(&mut self.seen.0.is_dead, true) {
            if let Some(lease) = self.lease.take() {
                // The frame stays as it is.
                let _ = lease.into_raw();
            }
            self.handle(Event::HungUp(CLIENT));
            self.handle(Event::ProcessEnded(CLIENT));
        }
    }

    /// The poller does all that it was told.
    fn poll(&mut self) {
        while let Some(command) = self.commands.pop_front() {
            let event = match command {
                PollerCommand::Start(runtime) => {
                    self.runtime = Some(runtime);
                    continue;
                }
                PollerCommand::Quiesce => self.runtime.take().map(Event::HandedBack),
                PollerCommand::Detach(number) => {
                    let detached = self.runtime.as_mut().and_then(|it| it.detach(number));
                    detached.map(|(lender, _)| Event::LenderBack(lender))
                }
                PollerCommand::Evict(number) => {
                    let evicted = self.runtime.as_mut().and_then(|it| it.evict(number));
                    evicted.map(Event::Evicted)
                }
                PollerCommand::Release(number) => {
                    if let Some(runtime) = &mut self.runtime {
                        runtime.release(|it| it == number);
                    }
                    continue;
                }
                other => panic!("not played: {other:?}"),
            };
            if let Some(event) = event {
                let is_handed_back = matches!(event, Event::HandedBack(_));
                self.handle(event);
                if is_handed_back {
                    self.handle(Event::Examine);
                }
            }
        }
    }

    fn handle(&mut self, event: Event<Ledgers>) {
        let facts = self.seen.facts();
        for effect in self.core.handle(event, facts, &self.seen) {
            self.execute(effect);
        }
    }

    fn execute(&mut self, effect: Effect<Ledgers>) {
        match effect {
            Effect::Poller(command) => self.commands.push_back(command),
            Effect::LookAtThreads(question) => {
                let again = self.seen.0.is_dead;
                self.handle(Event::ThreadsLookedAt {
                    attachment: question.attachment,
                    dead: Vec::new(),
                    again,
                    cost: Duration::ZERO,
                });
            }
            Effect::LookAtSites(question) => self.handle(Event::SitesLookedAt {
                attachment: question.attachment,
                asked_at: question.asked_at,
                cost: Duration::ZERO,
                found: SiteFinding::Armed,
            }),
            Effect::Examine => self.handle(Event::Examine),
            Effect::Keep(memory) => self.give_back(&memory),
            Effect::Destroyed {
                evidence,
                retired,
                destroy,
            } => {
                assert_eq!(evidence.operation, destroy.operation);
                self.give_back(&retired);
                self.counts = Some(evidence.counts);
                self.end(Shown::Destroyed(destroy.operation));
            }
            Effect::Freed {
                counts, retired, ..
            } => {
                self.give_back(&retired);
                self.counts = Some(counts);
                self.end(Shown::Freed);
            }
            Effect::NotAdmitted(reason) => panic!("{reason}"),
            _ => {}
        }
    }

    fn give_back(&mut self, memory: &RetiredMemory) {
        let words = memory.words().map(|words| words.attachment());
        self.given_back.extend(words);
    }

    fn end(&mut self, end: Shown) {
        assert!(self.end.is_none(), "it ended twice");
        self.end = Some(end);
    }
}

impl Played for World {
    fn now(&self) -> Instant {
        self.now
    }

    fn asleep(&self, _: SessionId) -> Vec<u64> {
        Vec::new()
    }

    fn session(&self) -> SessionId {
        SessionId(SESSION)
    }

    fn is_gone(&self, _: u64) -> bool {
        self.is_dead
    }

    fn is_ending(&self, _: u32) -> bool {
        false
    }
}
