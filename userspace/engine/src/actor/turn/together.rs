//! Examines sessions that are due together: at a stop of many, at the daemon's exit, or because much
//! happened in one turn.

use std::collections::BTreeSet;

use onair_session::Examination;

use crate::actor::Actor;
use crate::schedule::{Task, serve_within_a_turn};
use crate::session::Session;

impl Actor {
    /// The session is to be examined in this turn.
    pub(crate) fn examine_soon(&mut self, id: u64) {
        if let Some(session) = self.sessions.any(id) {
            self.due.add(session.spec.priority, id);
        }
    }

    /// All sessions are to be examined.
    pub(crate) fn examine_all_soon(&mut self) {
        let all: Vec<u64> = self.sessions.ids().collect();
        all.into_iter().for_each(|id| self.examine_soon(id));
    }

    /// Examines the sessions that are due, for a turn's time.
    pub fn examine_due(&mut self) {
        let clock = self.services.machine.clock().clone();
        serve_within_a_turn(
            || clock.now(),
            || {
                self.examine_first();
                !self.due.is_empty()
            },
        );
    }

    /// Examines the first few of the sessions that are due.
    pub(crate) fn examine_first(&mut self) {
        let some = self.due.take_some();
        self.examine(&some, Examination::Due);
    }

    /// Examines these sessions. Each rests for its share, as after a task of its own.
    pub(crate) fn examine(&mut self, some: &BTreeSet<u64>, why: Examination) {
        if some.is_empty() {
            return;
        }
        let began = self.services.machine.now();
        self.services.slow_down("examine");
        let services = &mut self.services;
        let done = self.sessions.change_together(some, |mut wanted| {
            wanted.sort_by_key(|it| (it.spec.priority, it.id));
            Session::examine_together(wanted, services, why)
        });
        let ended = self.services.machine.now();
        let share = ended.duration_since(began) / u32::try_from(some.len()).unwrap_or(u32::MAX);
        for (id, progress) in done {
            self.schedule.charge(Task::Session(id.0), ended, share);
            self.follow(id.0, progress);
        }
    }
}
