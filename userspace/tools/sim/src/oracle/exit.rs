//! The daemon's exit: its order, its time, and what it says of each session.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use onair_api::{SessionOutcome, SessionState};
use onair_session::shutdown::{Remedy, ShutdownEffect, ShutdownOrder, ShutdownStep};

use onair_sim_kernel::{current, stalled_ns};

use crate::world::{id, violation, world};

/// Time after the last stop for which a session in use delays those of later classes.
const SOON: Duration = Duration::from_millis(100);
/// How much later than it may the exit may come, without the stalls of its own thread.
const SLACK: Duration = Duration::from_millis(500);

/// State of the exit.
#[derive(Debug)]
struct Exit {
    priorities: BTreeMap<u64, u8>,
    remedy: Remedy,
    deadline: Instant,
    quiesce: Duration,
    /// How long the control thread had stalled before, ns.
    stalled_ns: u64,
    stopped_at: Option<Instant>,
    /// Sessions whose destroy has begun.
    begun: BTreeSet<u64>,
    /// Sessions that drained since the last stop: if another's destroy of one gives up, the exit begins its own
    /// after a pause.
    drained: BTreeSet<u64>,
    /// Sessions of these whose destroy gave up before the exit began its own: they delay none.
    given_up: BTreeSet<u64>,
    ready: BTreeSet<(u8, u64)>,
    has_looked: bool,
    remedied: BTreeSet<u64>,
    /// Sessions whose clients were not told yet.
    untold: BTreeSet<u64>,
    /// Sessions that end now, because it is their turn.
    in_turn: Vec<u64>,
    is_forced: bool,
    forced_at: Option<Instant>,
}

thread_local! {
    static EXIT: RefCell<Option<Exit>> = const { RefCell::new(None) };
}

/// A life begins.
pub(crate) fn no_exit() {
    EXIT.with(|it| *it.borrow_mut() = None);
}

/// The daemon is told to exit.
pub(crate) fn exit_begins(order: &ShutdownOrder) {
    let exit = Exit {
        priorities: order
            .sessions
            .iter()
            .map(|it| (it.id, it.priority))
            .collect(),
        remedy: order.remedy,
        deadline: order.deadline,
        quiesce: order.quiesce,
        stalled_ns: stalled_ns(current()),
        stopped_at: None,
        begun: BTreeSet::new(),
        drained: BTreeSet::new(),
        given_up: BTreeSet::new(),
        ready: BTreeSet::new(),
        has_looked: false,
        remedied: BTreeSet::new(),
        untold: order.sessions.iter().map(|it| it.id).collect(),
        in_turn: Vec::new(),
        is_forced: false,
        forced_at: None,
    };
    EXIT.with(|it| *it.borrow_mut() = Some(exit));
}

/// A second signal.
pub(crate) fn exit_forced() {
    with(|exit| exit.is_forced = true);
}

/// A session can be destroyed.
pub(crate) fn ready(id: u64) {
    with(|exit| {
        if let Some(priority) = exit.priorities.get(&id) {
            exit.ready.insert((*priority, id));
        }
    });
}

fn with<T: Default>(look: impl FnOnce(&mut Exit) -> T) -> T {
    EXIT.with(|it| it.borrow_mut().as_mut().map(look).unwrap_or_default())
}

/// The next step of the exit, at `now`. `state`: of each session, as far as the core was told. `is_due`:
/// sessions are to be examined.
pub(crate) fn exit_step(
    step: &ShutdownStep,
    now: Instant,
    state: impl Fn(u64) -> Option<SessionState>,
    is_due: bool,
) {
    let wrong = with(|exit| exit.check(step, now, &state, is_due));
    wrong
        .into_iter()
        .for_each(|it| violation(format!("exit: {it}")));
}

/// Whether its destroy can begin.
fn is_idle(state: SessionState) -> bool {
    matches!(state, SessionState::Stopped | SessionState::Created)
}

type State<'a> = &'a dyn Fn(u64) -> Option<SessionState>;

impl Exit {
    fn check(
        &mut self,
        step: &ShutdownStep,
        now: Instant,
        state: State<'_>,
        is_due: bool,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.is_forced {
            self.forced_at.get_or_insert(now);
        }
        if self.stopped_at.is_some() {
            let ids = self.priorities.keys().copied();
            let drained = ids.filter(|id| state(*id) == Some(SessionState::Draining));
            self.drained.extend(drained);
            let drained = self.drained.difference(&self.begun).copied();
            self.given_up
                .extend(drained.filter(|id| state(*id).is_some_and(is_idle)));
        }
        match step {
            ShutdownStep::Do(effect) => {
                self.check_effect(effect, now, (state, is_due), &mut wrong);
            }
            ShutdownStep::Wait(until) => self.check_wait(*until, now, state, &mut wrong),
            ShutdownStep::Over => {}
        }
        let last = match self.remedy {
            Remedy::Abandon => self.deadline,
            Remedy::Evict | Remedy::Quarantine => self.deadline + self.quiesce,
        };
        let last = self.forced_at.map_or(last, |at| at.min(last)) + SLACK;
        let last = last + Duration::from_nanos(stalled_ns(current()) - self.stalled_ns);
        if now > last {
            wrong.push(format!("{:?} later than it may", now - last));
        }
        wrong
    }

    fn check_effect(
        &mut self,
        effect: &ShutdownEffect,
        now: Instant,
        (state, is_due): (State<'_>, bool),
        wrong: &mut Vec<String>,
    ) {
        self.in_turn.clear();
        match effect {
            ShutdownEffect::Announce(id) => {
                self.untold.remove(id);
            }
            ShutdownEffect::Stop(id) if !self.untold.is_empty() => {
                wrong.push(format!("{id} is stopped before all clients are told"));
            }
            ShutdownEffect::EndRecordings => self.stopped_at = Some(now),
            ShutdownEffect::BeginDestroy { id, .. } => self.check_begin(*id, now, state, wrong),
            ShutdownEffect::ExamineAll => {
                let is_again = std::mem::replace(&mut self.has_looked, true);
                if is_again || self.is_forced {
                    wrong.push("a last look, twice or amid a forced exit".into());
                }
            }
            ShutdownEffect::EndInTurn(ids) => {
                let first: Vec<u64> = self.ready.iter().take(ids.len()).map(|it| it.1).collect();
                if *ids != first {
                    wrong.push(format!("{ids:?} end before {:?}", self.ready));
                }
                if is_due && !self.is_up(now) {
                    wrong.push(format!("{ids:?} end before others are examined"));
                }
                self.ready.retain(|it| !ids.contains(&it.1));
                self.in_turn.clone_from(ids);
            }
            ShutdownEffect::Abandon(id)
            | ShutdownEffect::Quarantine(id)
            | ShutdownEffect::Abort { id, .. } => {
                let is_first = self.remedied.insert(*id);
                if !is_first || !self.has_looked {
                    wrong.push(format!("the remedy for {id}, twice or without a last look"));
                }
            }
            _ => {}
        }
    }

    fn check_begin(&mut self, id: u64, now: Instant, state: State<'_>, wrong: &mut Vec<String>) {
        if self
            .priorities
            .keys()
            .any(|it| state(*it) == Some(SessionState::Running))
        {
            wrong.push(format!("{id} is destroyed although some still run"));
        }
        let own = self.priorities.get(&id).copied();
        let is_first = self.begun.insert(id);
        let is_up = self.is_up(now);
        let may_delay = self.stopped_at.is_some_and(|at| now < at + SOON) && !is_up && is_first;
        for (other, priority) in self.priorities.iter().filter(|it| Some(*it.1) < own) {
            let is_idle = state(*other).is_some_and(is_idle);
            if is_idle && !self.begun.contains(other) && !self.drained.contains(other) {
                wrong.push(format!(
                    "{id} begins before {other}, whose number is lower: {priority}"
                ));
            }
            let delays =
                state(*other) == Some(SessionState::Draining) && !self.given_up.contains(other);
            if delays && may_delay && self.begun.contains(other) {
                wrong.push(format!("{id} does not wait for {other}"));
            }
        }
    }

    /// Whether users have no more time.
    fn is_up(&self, now: Instant) -> bool {
        self.is_forced || now >= self.deadline
    }

    fn check_wait(
        &self,
        until: Option<Instant>,
        now: Instant,
        state: State<'_>,
        wrong: &mut Vec<String>,
    ) {
        if until.is_none_or(|until| until <= now) {
            wrong.push(format!("it waits until {until:?}, at {now:?}"));
        }
        if self.is_forced {
            wrong.push("it waits although it is forced".into());
        }
        let is_late = self.stopped_at.is_some_and(|at| now > at + SOON);
        for id in self.priorities.keys().filter(|_| is_late) {
            let is_idle = state(*id).is_some_and(is_idle);
            if is_idle && !self.begun.contains(id) && !self.drained.contains(id) {
                wrong.push(format!("a held session delays {id}"));
            }
        }
    }
}

/// How a session ended, as the exit says; `state`: of what is left of it.
pub(crate) fn ended_as(index: usize, outcome: SessionOutcome, state: Option<SessionState>) {
    let id = id(index).0;
    let (was_remedied, remedy, is_forced) = with(|exit| {
        let was_remedied = exit.remedied.contains(&id);
        (was_remedied, Some(exit.remedy), exit.is_forced)
    });
    let was_set_aside = world(|world| world.sessions[index].is_quarantined);
    let is_right = match (outcome, state) {
        (SessionOutcome::Quarantined, None | Some(SessionState::Quarantined)) => was_set_aside,
        (_, None) if was_set_aside => false,
        (SessionOutcome::Abandoned, Some(state)) => state != SessionState::Quarantined,
        (SessionOutcome::Evicted, None) => remedy == Some(Remedy::Evict) && was_remedied,
        (SessionOutcome::Destroyed, None) => remedy != Some(Remedy::Evict) || !was_remedied,
        _ => false,
    };
    if !is_right {
        violation(format!(
            "session {index}: ended as {outcome:?}, and is {state:?}"
        ));
    }
    // A slow daemon may not have read yet what the poller did.
    let poller_works = world(|world| {
        world.sessions[index].has_sound_poller() && !world.mail.has_runtime_of(index)
    });
    let is_left = outcome == SessionOutcome::Abandoned;
    if is_left && remedy == Some(Remedy::Evict) && !is_forced && poller_works {
        violation(format!(
            "session {index}: abandoned, although its users were evicted"
        ));
    }
}

/// A session has ended while the daemon exits: in its turn.
pub(crate) fn ended_in_turn(index: usize) {
    let id = id(index).0;
    let is_wrong = with(|exit| {
        let is_its = exit.begun.contains(&id) || exit.remedied.contains(&id);
        is_its && !exit.in_turn.contains(&id)
    });
    if is_wrong {
        violation(format!("session {index}: ends before its turn"));
    }
}
