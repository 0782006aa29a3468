//! Which session is destroyed when: one class of priorities after the other. A class begins when no
//! session before it delays it: each is gone, or is held, which means waited for beside the others.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use onair_mutant::mutant;

use super::roster::Roster;

/// Time after the last stop for which a session in use delays sessions with a higher number: its
/// callers were woken and may need this long to leave.
pub(super) const SOON: Duration = Duration::from_millis(100);

/// The order of the destroys.
#[derive(Debug)]
pub(super) struct Classes {
    /// When all sessions had been stopped.
    stopped_at: Instant,
    /// Sessions grouped by priority, the next group first.
    later: VecDeque<VecDeque<u64>>,
    /// Sessions of the current group whose destroy has not begun.
    to_destroy: VecDeque<u64>,
    /// The other sessions of the current group.
    current: Vec<u64>,
    /// Sessions that the daemon waits for beside the others.
    held: Vec<u64>,
    /// Held ones whose destroy is to be begun again: one that a client requested may have timed out.
    to_retry: VecDeque<u64>,
    /// Held ones were begun again when none drained any more.
    is_retried: bool,
}

/// The next step when every destroy of the current class has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextStep {
    /// The next class begins.
    Next,
    /// The current class may take until then.
    Soon(Instant),
    /// The held sessions may take until the deadline.
    Held,
    /// There is nothing to wait for.
    Done,
}

impl Classes {
    pub(super) fn new(roster: &Roster, stopped_at: Instant) -> Self {
        Self {
            stopped_at,
            later: roster.classes(),
            to_destroy: VecDeque::new(),
            current: Vec::new(),
            held: Vec::new(),
            to_retry: VecDeque::new(),
            is_retried: false,
        }
    }

    /// After the remedy: all that is left is waited for side by side, without classes.
    pub(super) fn of_held(held: Vec<u64>, now: Instant) -> Self {
        Self {
            stopped_at: now,
            later: VecDeque::new(),
            to_destroy: VecDeque::new(),
            current: Vec::new(),
            held,
            to_retry: VecDeque::new(),
            is_retried: false,
        }
    }

    /// Has the destroys of held sessions begun again.
    pub(super) fn retry(&mut self) {
        self.to_retry = self.held.iter().copied().collect();
    }

    /// The next session whose destroy is to begin.
    pub(super) fn next(&mut self, roster: &Roster) -> Option<u64> {
        while let Some(id) = self.to_retry.pop_front() {
            if roster.is_idle(id) {
                return Some(id);
            }
        }
        while let Some(id) = self.to_destroy.pop_front() {
            self.current.push(id);
            if roster.is_idle(id) {
                return Some(id);
            }
        }
        None
    }

    /// The next step when [`Self::next`] has no more. `is_up`: nothing is waited for.
    pub(super) fn advance(&mut self, roster: &Roster, is_up: bool, now: Instant) -> NextStep {
        let is_draining = |id: &u64| roster.is_draining(*id);
        let soon = self.stopped_at + SOON;
        let delays = !is_up && now < soon && self.current.iter().any(is_draining);
        if delays && !mutant!("shutdown: a class does not wait for the one before") {
            return NextStep::Soon(soon);
        }
        self.held.append(&mut self.current);
        let is_held = mutant!("shutdown: held sessions delay the others")
            && !is_up
            && self.held.iter().any(is_draining);
        if !is_held && let Some(class) = self.later.pop_front() {
            self.to_destroy = class;
            return NextStep::Next;
        }
        self.held.retain(|id| roster.is_living(*id));
        if !is_up && self.held.iter().any(is_draining) {
            return NextStep::Held;
        }
        // Destroys that clients requested may have given up: users have time left.
        if !is_up && !std::mem::replace(&mut self.is_retried, true) {
            self.retry();
            return NextStep::Next;
        }
        NextStep::Done
    }
}
