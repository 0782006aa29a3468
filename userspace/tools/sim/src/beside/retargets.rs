//! Lives of sessions that get other addresses while they start, stop, and lose their poller.

use std::collections::{BTreeSet, VecDeque};

use onair_session::{RetargetEvent, RetargetStep, Retargeting, RuntimePlace};
use onair_sim_kernel::Random;

use crate::world::violation;

/// Things that happen in a life.
const EVENTS: u32 = 80;
/// Flows that there are.
const FLOWS: u64 = 3;

/// A command to a poller, in order.
enum Command {
    Start(u64),
    Retarget(u64),
    Quiesce,
}

/// A report of a poller, in order.
enum Report {
    Changed,
    HandedBack(u64),
}

/// One session. A flow is a number.
struct Session {
    core: Retargeting<u64, ()>,
    receives: bool,
    /// The flow that it says it has.
    flow: u64,
    place: RuntimePlace,
    /// The flow of its runtime, if that is here.
    here: Option<u64>,
    /// The flow of the runtime that the poller has.
    polled: Option<u64>,
    commands: VecDeque<Command>,
    reports: VecDeque<Report>,
    /// Requests that wait for their answer.
    open: u32,
}

/// The flows that are claimed, each with a session of it.
type Claims = BTreeSet<(u64, usize)>;

/// Lives the life of `seed`.
pub(super) fn live(seed: u64) {
    let mut random = Random::new(seed ^ 0x0e7a_6e75);
    let mut below = |limit: u64| random.below(limit);
    let mut claims = Claims::new();
    // Two receivers, and a sender, which claims nothing.
    let mut all: Vec<Session> = (0..3).map(|at| Session::new(at, at < 2)).collect();
    for step in 0..EVENTS {
        for (at, session) in all.iter_mut().enumerate() {
            let what = if step + 10 < EVENTS { below(9) } else { 8 };
            session.live(what, below(FLOWS), at, &mut claims);
            let wrong = session.check(at, &claims, step + 1 == EVENTS);
            if let Some(wrong) = wrong {
                return violation(format!("retarget {at}: {wrong}"));
            }
        }
    }
}

impl Session {
    fn new(flow: u64, receives: bool) -> Self {
        Self {
            core: Retargeting::default(),
            receives,
            flow,
            place: RuntimePlace::Here,
            here: Some(flow),
            polled: None,
            commands: VecDeque::new(),
            reports: VecDeque::new(),
            open: 0,
        }
    }

    /// Something happens to it.
    fn live(&mut self, what: u64, next: u64, at: usize, claims: &mut Claims) {
        match what {
            0 | 1 => {
                self.open += 1;
                let asked = RetargetEvent::Asked {
                    next,
                    later: (what == 1).then_some(()),
                    place: self.place,
                    receives: self.receives,
                    reply: (),
                };
                self.handle(asked, at, claims);
            }
            2 => {
                if self.place == RuntimePlace::Here
                    && let Some(flow) = self.here.take()
                {
                    claims.insert((flow, at));
                    self.place = RuntimePlace::Poller;
                    self.commands.push_back(Command::Start(flow));
                }
            }
            3 if self.place == RuntimePlace::Poller => {
                self.place = RuntimePlace::Returning;
                self.commands.push_back(Command::Quiesce);
            }
            // The poller dies, and another takes its place.
            4 if next == 0 => {
                let waiting = self.commands.drain(..).find_map(|it| match it {
                    Command::Start(flow) => Some(flow),
                    Command::Retarget(_) | Command::Quiesce => None,
                });
                let lost = self.polled.take().or(waiting);
                self.reports.extend(lost.map(Report::HandedBack));
            }
            5 | 6 => self.poll(),
            _ => {
                self.poll();
                self.hear(at, claims);
            }
        }
    }

    /// The poller does what it was told first.
    fn poll(&mut self) {
        match self.commands.pop_front() {
            Some(Command::Start(flow)) => self.polled = Some(flow),
            Some(Command::Retarget(next)) => {
                if let Some(flow) = &mut self.polled {
                    *flow = next;
                    self.reports.push_back(Report::Changed);
                }
            }
            Some(Command::Quiesce) => {
                let back = self.polled.take();
                self.reports.extend(back.map(Report::HandedBack));
            }
            None => {}
        }
    }

    /// The control thread gets the next report.
    fn hear(&mut self, at: usize, claims: &mut Claims) {
        match self.reports.pop_front() {
            Some(Report::Changed) => self.handle(RetargetEvent::Changed, at, claims),
            Some(Report::HandedBack(flow)) => {
                (self.here, self.place) = (Some(flow), RuntimePlace::Here);
                self.handle(RetargetEvent::HandedBack, at, claims);
            }
            None => {}
        }
    }

    fn handle(&mut self, event: RetargetEvent<u64, ()>, at: usize, claims: &mut Claims) {
        for step in self.core.handle(event) {
            match step {
                RetargetStep::Join(next) => drop(claims.insert((next, at))),
                RetargetStep::Command(next) => self.commands.push_back(Command::Retarget(next)),
                RetargetStep::Change(next) => self.here = self.here.map(|_| next),
                RetargetStep::Adopt(next) => {
                    self.flow = next;
                    claims.retain(|(flow, of)| *of != at || *flow == next);
                }
                // What comes later is a second answer.
                RetargetStep::Accept(()) => {}
                RetargetStep::Answer(()) | RetargetStep::Refuse((), _) => self.open -= 1,
            }
        }
    }

    /// The broken invariant, if any. `is_over`: nothing more will happen.
    fn check(&self, at: usize, claims: &Claims, is_over: bool) -> Option<String> {
        if self.receives
            && let Some(flow) = self.polled
            && !claims.contains(&(flow, at))
        {
            return Some(format!("its poller receives {flow}, which is not claimed"));
        }
        if self.open > 1 {
            return Some(format!("{} changes at a time", self.open));
        }
        let is_quiet = self.commands.is_empty() && self.reports.is_empty();
        let has = self.polled.or(self.here);
        if is_quiet && has != Some(self.flow) {
            return Some(format!("it says {}, and has {has:?}", self.flow));
        }
        (is_over && is_quiet && self.open > 0).then(|| "a change is never answered".into())
    }
}
