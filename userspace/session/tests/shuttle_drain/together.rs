//! Several sessions that end together: the driver examines those that are due in one go.

use onair_api::SessionId;
use onair_session::{Examination, Examined, examine_together};

use crate::plant::{End, Kernel, MAX_IDLE_TURNS, ModelSession};

/// Sessions with the same driver.
pub(crate) struct Together(pub(crate) Vec<ModelSession>);

impl Together {
    /// Running sessions, each with this many clients and callers.
    pub(crate) fn with_clients(sessions: &[(usize, usize)]) -> Self {
        let kernel = Kernel::default();
        let each = sessions.iter().zip(77..).map(|((processes, callers), id)| {
            ModelSession::beside(&kernel, SessionId(id), *processes, *callers)
        });
        Self(each.collect())
    }

    /// One turn of the driver: what arrived for any of them, then one examination.
    fn turn(&mut self) -> bool {
        let mut progressed = false;
        for session in self.0.iter_mut().filter(|it| it.end.is_none()) {
            progressed |= session.take_in();
        }
        examine(&mut self.0);
        progressed
    }

    pub(crate) fn run_for(&mut self, turns: usize) {
        for _ in 0..turns {
            self.turn();
        }
    }

    /// Runs until all have ended.
    pub(crate) fn run_until_over(&mut self) -> Vec<End> {
        let mut idle = 0;
        while self.0.iter().any(|it| it.end.is_none()) {
            idle = if self.turn() { 0 } else { idle + 1 };
            self.0.iter_mut().for_each(|it| it.let_the_timer_fire(idle));
            assert!(idle < MAX_IDLE_TURNS, "L2: no event ends the sessions");
        }
        self.0.iter_mut().map(ModelSession::finish).collect()
    }
}

/// Examines the sessions that are due, then those whose turn has come.
pub(crate) fn examine(sessions: &mut [ModelSession]) {
    let is_due = |it: &mut ModelSession| std::mem::take(&mut it.is_due);
    examine_where(sessions, Examination::Due, is_due);
    let is_ready = |it: &mut ModelSession| std::mem::take(&mut it.is_ready);
    examine_where(sessions, Examination::InTurn, is_ready);
}

fn examine_where(
    sessions: &mut [ModelSession],
    why: Examination,
    wanted: impl Fn(&mut ModelSession) -> bool,
) {
    let all = sessions.iter_mut();
    let mut all: Vec<&mut ModelSession> = all.filter_map(|it| wanted(it).then_some(it)).collect();
    all.retain(|it| it.end.is_none());
    let seen: Vec<_> = all.iter().map(|it| it.seen()).collect();
    let sessions = all.iter_mut().zip(&seen).map(|(session, view)| Examined {
        core: &mut session.core,
        facts: view.facts(),
        view,
    });
    let done = examine_together(sessions.collect(), why);
    for (id, effects) in done {
        let session = all.iter_mut().find(|it| it.core.id() == id).unwrap();
        for effect in effects {
            session.execute(effect);
        }
    }
}
