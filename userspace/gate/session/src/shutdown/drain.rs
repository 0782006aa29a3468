//! The phases from the first stop to the end.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use onair_api::{SessionOutcome, SessionState};
use onair_mutant::mutant;

use super::boundary::{Remedy, ShutdownEffect, ShutdownEvent, ShutdownOrder, ShutdownStep};
use super::classes::{Classes, NextStep, SOON};
use super::roster::Roster;
use super::{Examinations, Finishing};

/// Pause between two counts of the remaining users.
const PAUSE: Duration = Duration::from_millis(100);
/// Time that work may delay a count.
const LATE: Duration = Duration::from_millis(2);

/// The shutdown, once it has begun.
#[derive(Debug)]
pub(super) struct Drain {
    roster: Roster,
    /// Until when users may take to leave.
    deadline: Instant,
    remedy: Remedy,
    quiesce: Duration,
    phase: Phase,
    examinations: Examinations,
    is_forced: bool,
    count: Count,
    /// No session has changed since the last count, after which it is over.
    is_counted: bool,
    /// Sessions whose users were evicted, once the remedy is applied.
    remedied: Option<BTreeSet<u64>>,
    /// The attempts to end each, if a daemon takes over.
    attempts: Option<Attempts>,
}

/// Attempts to end all sessions before a daemon that takes over waits for their users.
#[derive(Debug)]
struct Attempts {
    /// How long this one lasts.
    time: Duration,
    /// Until when. Before that, a destroy that has ended was refused.
    until: Instant,
    /// The sessions that have users, once they were looked for after this attempt.
    used: Option<Vec<u64>>,
}

impl Attempts {
    fn begin(time: Duration, now: Instant) -> Self {
        Self {
            time,
            until: now + time,
            used: None,
        }
    }
}

#[derive(Debug)]
enum Phase {
    /// These are still to be stopped, in order.
    Stopping(VecDeque<u64>, Finishing),
    /// All are stopped.
    Destroying(Classes),
    /// Time is up: each session is examined once more.
    LastLook,
    /// These still get the remedy, in order.
    Remedying(VecDeque<u64>),
    /// There is nothing left to wait for.
    Over,
}

impl Drain {
    pub(super) fn begin(order: ShutdownOrder, now: Instant) -> Self {
        let roster = Roster::new(order.sessions);
        Self {
            deadline: order.deadline,
            remedy: order.remedy,
            quiesce: order.quiesce,
            phase: Phase::Stopping(
                roster.order().collect(),
                Finishing::new(now, order.deadline),
            ),
            examinations: Examinations::default(),
            is_forced: false,
            count: Count::new(now),
            is_counted: false,
            remedied: None,
            attempts: order.hands_over.then(|| Attempts::begin(SOON, now)),
            roster,
        }
    }

    /// Whether sessions are still to be stopped.
    pub(super) fn is_stopping(&self) -> bool {
        matches!(&self.phase, Phase::Stopping(left, _) if !left.is_empty())
    }

    pub(super) fn handle(&mut self, event: ShutdownEvent, now: Instant) {
        match event {
            ShutdownEvent::State(id, state) => self.set(id, Some(state)),
            ShutdownEvent::Ended(id) => self.set(id, None),
            ShutdownEvent::HandedBack(id) => {
                if let Phase::Stopping(_, finishing) = &mut self.phase {
                    finishing.end(id, now);
                }
            }
            ShutdownEvent::Ready(id) => {
                let priority = self.roster.priority(id);
                let ready = priority.map(|priority| (priority, id));
                self.examinations.ready.extend(ready);
            }
            ShutdownEvent::Used(ids) => {
                if let Some(attempts) = &mut self.attempts {
                    attempts.used = Some(ids);
                }
            }
            ShutdownEvent::ToExamine => self.examinations.is_due = true,
            ShutdownEvent::Forced => {
                self.is_forced = !mutant!("shutdown: a forced one waits for users");
            }
            // It has begun.
            ShutdownEvent::Announce(_) | ShutdownEvent::Drain(_) => {}
        }
    }

    fn set(&mut self, id: u64, state: Option<SessionState>) {
        self.roster.set(id, state);
        self.is_counted = false;
    }

    pub(super) fn next(&mut self, now: Instant) -> ShutdownStep {
        if let Phase::Over = self.phase {
            return ShutdownStep::Over;
        }
        let is_up = self.is_up(now);
        // Not once time is up: steps that last longer than a pause would begin them again for ever.
        if self.count.begin(now)
            && !is_up
            && let Phase::Destroying(classes) = &mut self.phase
        {
            classes.retry();
        }
        if self.count.take_late(now) {
            return ShutdownStep::Do(ShutdownEffect::CountUsers);
        }
        loop {
            return match self.advance(now) {
                None => continue,
                Some(ShutdownStep::Do(effect)) => ShutdownStep::Do(effect),
                // There is nothing else to do.
                Some(_) if self.count.take() => ShutdownStep::Do(ShutdownEffect::CountUsers),
                Some(rest) => rest,
            };
        }
    }

    /// How each session ended, in the order of the stops.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (u64, SessionOutcome)> {
        self.roster.order().map(|id| (id, self.outcome(id)))
    }

    fn outcome(&self, id: u64) -> SessionOutcome {
        let was_remedied = || self.remedied.as_ref().is_some_and(|it| it.contains(&id));
        match self.roster.state(id) {
            _ if self.roster.was_set_aside(id) => SessionOutcome::Quarantined,
            Some(_) => SessionOutcome::Abandoned,
            None if self.remedy == Remedy::Evict && was_remedied() => SessionOutcome::Evicted,
            None => SessionOutcome::Destroyed,
        }
    }

    /// The next step, unless the phase changes.
    fn advance(&mut self, now: Instant) -> Option<ShutdownStep> {
        let is_up = self.is_up(now);
        let roster = &self.roster;
        let effect = match &mut self.phase {
            Phase::Stopping(to_stop, finishing) => {
                let receives = to_stop.front().is_some_and(|it| roster.receives(*it));
                let until = finishing.until();
                if receives && !is_up && now < until {
                    return Some(self.wait(until));
                }
                let early = mutant!("shutdown: destroys before all are stopped");
                match pop_living(to_stop, roster).filter(|_| !early) {
                    Some(id) => {
                        if roster.is_running_sender(id) {
                            finishing.begin(id);
                        }
                        ShutdownEffect::Stop(id)
                    }
                    None => {
                        self.phase = Phase::Destroying(Classes::new(roster, now));
                        if let Some(attempts) = &mut self.attempts {
                            *attempts = Attempts::begin(SOON, now);
                        }
                        self.examinations.allow_each(roster);
                        ShutdownEffect::EndRecordings
                    }
                }
            }
            Phase::Destroying(classes) => {
                if let Some(id) = classes.next(roster) {
                    let until = self.attempts.as_ref().map(|it| it.until);
                    return Some(ShutdownStep::Do(ShutdownEffect::BeginDestroy {
                        id,
                        deadline: until.unwrap_or(self.deadline).min(self.deadline),
                        remaining: self.deadline.saturating_duration_since(now),
                    }));
                }
                // While users have time, whatever happened is looked at, as often as it happens.
                if !is_up {
                    self.examinations.allow_each(roster);
                    if let Some(effect) = self.examinations.next(is_up) {
                        return Some(ShutdownStep::Do(effect));
                    }
                }
                // Every destroy of the class has begun: wait, go on to the next class, or end.
                let attempt = self.attempts.as_ref().map(|it| it.until);
                match classes.advance(roster, is_up, now) {
                    NextStep::Next => return None,
                    NextStep::Soon(until) => return Some(self.wait(until)),
                    NextStep::Held if attempt.is_none_or(|it| it > now) => {
                        return Some(self.wait(attempt.unwrap_or(self.deadline)));
                    }
                    // A destroy that goes on is a client's, which does not hold a daemon that takes over.
                    NextStep::Held | NextStep::Done => {
                        if let Some(effect) = self.examinations.next(is_up) {
                            return Some(ShutdownStep::Do(effect));
                        }
                        let attempts = self.attempts.as_mut().filter(|it| now >= it.until);
                        let Some(attempts) = attempts.filter(|_| !is_up) else {
                            return self.end();
                        };
                        let Some(used) = attempts.used.take() else {
                            return Some(ShutdownStep::Do(ShutdownEffect::LookForUsers));
                        };
                        if roster.living().iter().all(|it| used.contains(it)) {
                            return self.end();
                        }
                        // It waits for a poller, or for what the probe sees.
                        *attempts = Attempts::begin(attempts.time * 2, now);
                        classes.retry();
                        return None;
                    }
                }
            }
            Phase::LastLook => match self.examinations.next(is_up) {
                Some(effect) => effect,
                None => {
                    // Each was looked at once more. What is left has users, and the remedy harms them.
                    self.phase = Phase::Remedying(roster.living().into());
                    self.remedied = Some(BTreeSet::new());
                    return None;
                }
            },
            Phase::Remedying(left) => match (pop_living(left, roster), self.remedy) {
                (Some(id), Remedy::Abandon) => ShutdownEffect::Abandon(id),
                (Some(id), Remedy::Quarantine) => ShutdownEffect::Quarantine(id),
                (Some(id), Remedy::Evict) => {
                    self.remedied.get_or_insert_default().insert(id);
                    ShutdownEffect::Abort {
                        id,
                        deadline: now + self.quiesce,
                    }
                }
                (None, Remedy::Abandon) => return self.finish(),
                (None, Remedy::Evict | Remedy::Quarantine) => {
                    // The remedy does not wait for users, but the pollers must still hand the runtimes back.
                    self.deadline = now + self.quiesce;
                    self.phase = Phase::Destroying(Classes::of_held(roster.living(), now));
                    self.examinations.allow_each(roster);
                    return None;
                }
            },
            Phase::Over => return Some(ShutdownStep::Over),
        };
        Some(ShutdownStep::Do(effect))
    }

    /// Whether users have no more time.
    fn is_up(&self, now: Instant) -> bool {
        self.is_forced || now >= self.deadline
    }

    fn wait(&self, until: Instant) -> ShutdownStep {
        let until = until.min(self.deadline).min(self.count.at());
        ShutdownStep::Wait(Some(until))
    }

    /// No session is waited for: those that are left get the remedy, once.
    fn end(&mut self) -> Option<ShutdownStep> {
        if self.attempts.take().is_some() && self.remedy == Remedy::Quarantine {
            // It waits for no poller.
            self.quiesce = Duration::ZERO;
        }
        let again = self.remedied.is_some() && !mutant!("shutdown: the remedy is applied again");
        if again || self.is_forced || self.roster.living().is_empty() {
            return self.finish();
        }
        self.phase = Phase::LastLook;
        self.examinations.is_due = true;
        self.examinations.allow_each(&self.roster);
        Some(ShutdownStep::Do(ShutdownEffect::ExamineAll))
    }

    /// It is over if no session changes until the last count is made. One that is owed then is not made.
    fn finish(&mut self) -> Option<ShutdownStep> {
        self.count.take();
        if !std::mem::replace(&mut self.is_counted, true) {
            return Some(ShutdownStep::Do(ShutdownEffect::CountUsers));
        }
        self.phase = Phase::Over;
        None
    }
}

/// The first of `ids` that still exists.
fn pop_living(ids: &mut VecDeque<u64>, roster: &Roster) -> Option<u64> {
    std::iter::from_fn(|| ids.pop_front()).find(|id| roster.is_living(*id))
}

/// When the next count is due.
#[derive(Debug)]
pub(super) struct Count {
    at: Instant,
    /// Since when a count is due and not made; `None`: none is due.
    owed: Option<Instant>,
}

impl Count {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            at: now,
            owed: None,
        }
    }

    /// Time of the next one.
    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// Whether a pause has ended; then a count is due.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        let is_due = now >= self.at;
        if is_due {
            self.at = now + PAUSE;
            self.owed.get_or_insert(now);
        }
        is_due
    }

    /// Whether one is to be made although there is work; it is then made.
    pub(super) fn take_late(&mut self, now: Instant) -> bool {
        self.owed.take_if(|since| now >= *since + LATE).is_some()
    }

    /// Whether one is to be made; it is then made.
    pub(super) fn take(&mut self) -> bool {
        self.owed.take().is_some()
    }
}
