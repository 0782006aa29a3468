//! Examines sessions that are due together: at a stop of many, at the daemon's exit, or because much
//! happened in one turn. The lowest priority number is first.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use onair_session::Examination;

use crate::control::actor::Actor;
use crate::control::schedule::Task;
use crate::session::Session;

/// Sessions that are examined together. More would make a step longer, and each no cheaper: what
/// they share costs some 20 µs, and the end of one session 100.
const TOGETHER: usize = 16;

impl Actor {
    /// The session is to be examined in this turn.
    pub(crate) fn examine_soon(&mut self, id: u64) {
        let session = self.sessions.any(id);
        self.due.extend(session.map(|it| (it.spec.priority, id)));
    }

    /// Examines the sessions that are due, until `budget` after `began`. Returns whether all are.
    pub(crate) fn examine_due(&mut self, began: Instant, budget: Duration) -> bool {
        within(began, budget, || {
            self.examine_first();
            !self.due.is_empty()
        })
    }

    /// Examines the first few of the sessions that are due.
    pub(crate) fn examine_first(&mut self) {
        let due = &mut self.due;
        let some = std::iter::from_fn(|| due.pop_first()).take(TOGETHER);
        let some = some.map(|(_, id)| id).collect();
        self.examine(&some, Examination::Due);
    }

    /// Examines these sessions. Each rests for its share, as after a task of its own.
    pub(crate) fn examine(&mut self, some: &BTreeSet<u64>, why: Examination) {
        if some.is_empty() {
            return;
        }
        let began = Instant::now();
        self.services.test_delay.step("examine");
        let services = &mut self.services;
        let done = self.sessions.change_together(some, |mut wanted| {
            wanted.sort_by_key(|it| (it.spec.priority, it.id));
            Session::examine_together(wanted, services, why)
        });
        let ended = Instant::now();
        let share = ended.duration_since(began) / u32::try_from(some.len()).unwrap_or(u32::MAX);
        for (id, progress) in done {
            self.schedule.charge(Task::Session(id.0), ended, share);
            self.follow(id.0, progress);
        }
    }
}

/// Repeats a step while it says that there is more, until `budget` after `began`; one is always
/// done. Returns whether nothing is left.
pub(crate) fn within(began: Instant, budget: Duration, mut step: impl FnMut() -> bool) -> bool {
    while step() {
        if began.elapsed() >= budget {
            return false;
        }
    }
    true
}
