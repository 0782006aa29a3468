//! The sequence RUNNING → STOP_ACCEPTING → DRAINING → CLEANUP → SHUTDOWN: which part ends when, and how long it
//! is waited for. It decides, and does nothing: no thread, no clock, no lock. `run.rs` asks [`Sequence::next`]
//! for the next step, does it, and tells it what happened.
//!
//! Two phases: every part is notified (phase 1, prepare) before the first one is stopped (phases 2 and 3,
//! commit).
//!
//! 1. *Notifications*, one after the other. Clients get the `draining` event here, recordings are cut. They come
//!    before any stop, so that a client knows why its calls return when they return.
//! 2. *Workers* accept no new work.
//! 3. *Waiters*, by priority: sessions and recordings, side by side. The actor stops and destroys all sessions
//!    within the graceful time (`onair_session::shutdown`). The sockets still serve, because clients need them to
//!    leave and operators to see who stays.
//! 4. *Servers* close, in parallel: no new request comes from here on.
//! 5. *Operations*: the requests in flight are answered.
//! 6. *Cleanups*, by priority (`run/parts.rs`): certificates, ports, the reclaimer, the control thread, what is
//!    left in the kernel. They come last, because the steps before need all of it. Several release what the
//!    control thread had and left to them when its sessions ended; if it did not get there, they say so instead
//!    of waiting.
//!
//! *Groups.* Parts of equal priority end in parallel, each on a thread of its own. The next group begins when the
//! last of them has ended or is left behind. A stage asks for its parts when it begins ([`SequenceStep::Take`]),
//! so it also has those that registered late.
//!
//! *No part can hang the end.* Each has a deadline from its own begin. A part that misses it is reported and left
//! behind: its thread is not killed, because it may hold a lock or be in the kernel; it ends with the process. If
//! it ends later after all, that changes nothing.
//!
//! *A busy host.* If the shutdown itself slept for longer than it was to, so did the parts: each gets that time.
//!
//! *Forced* (a second signal): a part gets `force_ms` from then, or from its begin if it begins later, and never
//! more than its own deadline. Parts are not skipped, because the last ones release objects of the kernel.
//!
//! *Reports first.* [`Sequence::next`] gives what has ended before it goes on, so the log has the order of
//! events.
//!
//! `R` is what ends a part: a function in the product, a script in the tests, which drive this without a thread.
//!
//! Read on in `run.rs` (carrying out), `coordinator.rs` (what a part registers),
//! `docs/adr/0011-shutdown-coordinator.md`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use onair_api::{PartOutcome, PartReport, ShutdownPhase};
use onair_mutant::mutant;
use onair_workers::absence::extended;

use super::countdown::Countdown;

/// How a part is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PartKind {
    /// Told of the begin, one after the other in the order of registration.
    Notification,
    /// Waited for, by priority.
    Waiter,
    /// Closed, all in parallel.
    Server,
    /// Released, by priority.
    Cleanup,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Parts(PartKind),
    StopWorkers,
    Operations,
    Over,
}

/// All that the shutdown does, in order.
const STAGES: [(ShutdownPhase, Stage); 7] = [
    (
        ShutdownPhase::StopAccepting,
        Stage::Parts(PartKind::Notification),
    ),
    (ShutdownPhase::StopAccepting, Stage::StopWorkers),
    (ShutdownPhase::Draining, Stage::Parts(PartKind::Waiter)),
    (ShutdownPhase::Cleanup, Stage::Parts(PartKind::Server)),
    (ShutdownPhase::Cleanup, Stage::Operations),
    (ShutdownPhase::Cleanup, Stage::Parts(PartKind::Cleanup)),
    (ShutdownPhase::Shutdown, Stage::Over),
];

/// A part to end. `R` is what ends it.
pub(super) struct PartToEnd<R> {
    pub(super) name: String,
    /// The lowest number is first; equal ones end in parallel.
    pub(super) priority: u8,
    /// Time that it has.
    pub(super) limit: Duration,
    /// The part of it that the log counts down.
    pub(super) counted: Duration,
    pub(super) run: R,
}

/// How a part ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) outcome: PartOutcome,
    pub(super) detail: Option<String>,
    pub(super) at: Instant,
}

/// An event of the shutdown.
#[derive(Clone, Debug)]
pub(super) enum SequenceEvent {
    /// The part of this number has ended.
    Ended(u64, Ended),
    /// The shutdown was forced at this time.
    Forced(Instant),
    /// So many requests are in flight.
    Operations(u64),
}

/// The next step.
pub(super) enum SequenceStep<R> {
    /// The phase begins.
    Enter(ShutdownPhase),
    /// Give the registered parts of this kind to [`Sequence::take`].
    Take(PartKind),
    /// Tell the workers to accept no new work.
    StopWorkers,
    /// End this part on a thread of its own, and report its end.
    Start {
        number: u64,
        name: String,
        deadline: Instant,
        run: R,
    },
    /// So much time is left to these parts.
    CountDown {
        phase: ShutdownPhase,
        remaining: Duration,
        parts: Vec<String>,
    },
    /// A part has ended, or is left behind.
    Report(PartReport),
    /// Nothing, until an event or this time.
    Wait(Instant),
    /// Nothing any more.
    Over,
}

/// A part that is ending.
struct Ending {
    number: u64,
    name: String,
    begun: Instant,
    deadline: Instant,
}

enum Current<R> {
    Nothing,
    Parts {
        later: VecDeque<Vec<PartToEnd<R>>>,
        to_start: VecDeque<PartToEnd<R>>,
        under_way: Vec<Ending>,
        countdown: Option<Countdown>,
    },
    Operations(Instant),
}

/// The shutdown, from its begin on.
pub(super) struct Sequence<R> {
    stages: std::slice::Iter<'static, (ShutdownPhase, Stage)>,
    phase: ShutdownPhase,
    current: Current<R>,
    /// Until when it was to sleep.
    sleeps_until: Option<Instant>,
    /// Number of the last part that was started.
    last: u64,
    reports: VecDeque<PartReport>,
    forced_at: Option<Instant>,
    operations: u64,
    /// Time for the requests in flight.
    handler: Duration,
    /// Time that a part has once the shutdown is forced.
    force: Duration,
}

impl<R> Sequence<R> {
    pub(super) fn new(handler: Duration, force: Duration) -> Self {
        Self {
            stages: STAGES.iter(),
            phase: ShutdownPhase::Running,
            current: Current::Nothing,
            sleeps_until: None,
            last: 0,
            reports: VecDeque::new(),
            forced_at: None,
            operations: 0,
            handler,
            force,
        }
    }

    /// Whether [`Self::handle`] has not been told of this yet.
    pub(super) fn is_news(&self, forced_at: Option<Instant>, operations: u64) -> bool {
        self.forced_at != forced_at || self.operations != operations
    }

    /// The parts that [`SequenceStep::Take`] asks for.
    pub(super) fn take(&mut self, kind: PartKind, mut parts: Vec<PartToEnd<R>>) {
        parts.sort_by_key(|part| part.priority);
        let mut later: VecDeque<Vec<PartToEnd<R>>> = VecDeque::new();
        for part in parts {
            match later.back_mut() {
                Some(group)
                    if group[0].priority == part.priority && kind != PartKind::Notification =>
                {
                    group.push(part);
                }
                _ => later.push_back(vec![part]),
            }
        }
        self.current = Current::Parts {
            later,
            to_start: VecDeque::new(),
            under_way: Vec::new(),
            countdown: None,
        };
    }

    /// Takes note of what has happened.
    pub(super) fn handle(&mut self, event: SequenceEvent) {
        match event {
            SequenceEvent::Forced(at) => self.forced_at = Some(at),
            SequenceEvent::Operations(open) => self.operations = open,
            SequenceEvent::Ended(number, ended) => {
                if let Current::Parts { under_way, .. } = &mut self.current
                    // A part that was left behind before is no longer in the list.
                    && let Some(place) = under_way.iter().position(|it| it.number == number)
                {
                    let it = under_way.remove(place);
                    self.report(it.name, it.begun, ended);
                }
            }
        }
    }

    /// The next step.
    pub(super) fn next(&mut self, now: Instant) -> SequenceStep<R> {
        self.wake(now);
        loop {
            if let Some(report) = self.reports.pop_front() {
                return SequenceStep::Report(report);
            }
            let step = match &self.current {
                Current::Nothing => self.next_stage(now),
                Current::Parts { .. } => self.next_of_parts(now),
                Current::Operations(begun) => self.next_of_operations(*begun, now),
            };
            if let Some(step) = step {
                if let SequenceStep::Wait(until) = step {
                    self.sleeps_until = Some(until);
                }
                return step;
            }
        }
    }

    /// Nothing is late because this thread is.
    fn wake(&mut self, now: Instant) {
        let until = self.sleeps_until.take();
        let Some((until, later)) = until.and_then(|it| Some((it, extended(it, now)?))) else {
            return;
        };
        let lost = later.saturating_duration_since(until);
        match &mut self.current {
            Current::Nothing => {}
            Current::Parts { under_way, .. } => {
                under_way.iter_mut().for_each(|it| it.deadline += lost);
            }
            Current::Operations(begun) => *begun += lost,
        }
    }

    fn next_stage(&mut self, now: Instant) -> Option<SequenceStep<R>> {
        let Some((phase, stage)) = self.stages.as_slice().first() else {
            return Some(SequenceStep::Over);
        };
        if self.phase != *phase {
            self.phase = *phase;
            return Some(SequenceStep::Enter(*phase));
        }
        self.stages.next();
        match stage {
            Stage::Parts(kind) => Some(SequenceStep::Take(*kind)),
            Stage::StopWorkers => Some(SequenceStep::StopWorkers),
            Stage::Operations => {
                self.current = Current::Operations(now);
                None
            }
            Stage::Over => None,
        }
    }

    fn next_of_parts(&mut self, now: Instant) -> Option<SequenceStep<R>> {
        let Current::Parts {
            later,
            to_start,
            under_way,
            countdown,
        } = &mut self.current
        else {
            return None;
        };
        // All parts of a group start before any is waited for: they end in parallel.
        if let Some(part) = to_start.pop_front() {
            self.last += 1;
            let ending = Ending {
                number: self.last,
                name: part.name.clone(),
                begun: now,
                deadline: now + part.limit,
            };
            let step = SequenceStep::Start {
                number: self.last,
                name: part.name,
                deadline: ending.deadline,
                run: part.run,
            };
            under_way.push(ending);
            return Some(step);
        }
        if under_way.is_empty() {
            match later.pop_front() {
                Some(group) => {
                    let counted = group.iter().map(|it| it.counted).min();
                    *countdown = counted.map(|it| Countdown::new(now, it));
                    to_start.extend(group);
                }
                None => self.current = Current::Nothing,
            }
            return None;
        }
        let due = countdown.as_mut().and_then(|it| it.due(now));
        if let Some(remaining) = due {
            return Some(SequenceStep::CountDown {
                phase: self.phase,
                remaining,
                parts: under_way.iter().map(|it| it.name.clone()).collect(),
            });
        }
        let (forced_at, force) = (self.forced_at, self.force);
        let until = |it: &Ending| until(it.begun, it.deadline, forced_at, force);
        let more = match self.phase {
            ShutdownPhase::StopAccepting => {
                mutant!("shutdown: a notification that hangs is waited for", 40, 0)
            }
            _ => mutant!("shutdown: a part that hangs is waited for", 40, 0),
        };
        let more = Duration::from_secs(more);
        // A part that is late leaves the list: its end, should it come after all, is not reported twice.
        let late = under_way.extract_if(.., |it| until(it) + more <= now);
        let late: Vec<Ending> = late.collect();
        if late.is_empty() {
            let report = countdown.as_ref().and_then(Countdown::next);
            let next = under_way.iter().map(until).chain(report).min();
            return next.map(SequenceStep::Wait);
        }
        for it in late {
            let outcome = match it.deadline <= now {
                true => PartOutcome::TimedOut,
                false => PartOutcome::Forced,
            };
            let ended = Ended {
                outcome,
                detail: None,
                at: now,
            };
            self.report(it.name, it.begun, ended);
        }
        None
    }

    /// Waits for the requests in flight.
    fn next_of_operations(&mut self, begun: Instant, now: Instant) -> Option<SequenceStep<R>> {
        let deadline = begun + self.handler;
        let until = until(begun, deadline, self.forced_at, self.force);
        let open = self.operations;
        let outcome = if open == 0 {
            PartOutcome::Done
        } else if now >= deadline {
            PartOutcome::TimedOut
        } else if now >= until {
            PartOutcome::Forced
        } else {
            return Some(SequenceStep::Wait(until));
        };
        let ended = Ended {
            outcome,
            detail: (outcome != PartOutcome::Done).then(|| format!("{open} not answered")),
            at: now,
        };
        self.report("requests in flight".to_owned(), begun, ended);
        self.current = Current::Nothing;
        None
    }

    fn report(&mut self, name: String, begun: Instant, ended: Ended) {
        let took = ended.at.saturating_duration_since(begun);
        self.reports.push_back(PartReport {
            name,
            phase: self.phase,
            outcome: ended.outcome,
            us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            detail: ended.detail,
        });
    }
}

/// Deadline of a part. Once forced each part has `force`, independent of other parts.
fn until(
    begun: Instant,
    deadline: Instant,
    forced_at: Option<Instant>,
    force: Duration,
) -> Instant {
    forced_at.map_or(deadline, |at| deadline.min(at.max(begun) + force))
}
