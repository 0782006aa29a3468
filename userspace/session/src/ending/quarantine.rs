//! Sets a session aside with its users: its name becomes free, no process gets anything of it any
//! more, and its memory is freed when the last holder is gone.

use onair_api::{Operation, Problem, ProblemCode, Says, StepName, Who};
use onair_mutant::mutant;

use crate::boundary::effect::{Effect, Named};
use crate::boundary::note::Note;
use crate::boundary::runtime::Runtime;
use crate::certificate::Issue;
use crate::running::refuse_starts;
use crate::state::{SessionCore, Turn};

impl<R: Runtime> SessionCore<R> {
    /// Whether [`Event::Quarantine`](crate::Event::Quarantine) would close the session.
    ///
    /// # Errors
    /// `running`, `draining`, `quarantined`.
    pub fn check_quarantine(&self) -> Result<(), Problem> {
        let checked = self.lifecycle.check_quarantine();
        checked.map_err(|refusal| self.refusal(refusal))
    }

    /// Closes the session for good, with its users inside: every call returns `ESTALE`. The
    /// certificate records the witnesses' readings, and is completed when the memory is freed.
    pub(crate) fn quarantine(&mut self, turn: &mut Turn<'_, R>, requester: Who) {
        if self.check_quarantine().is_err() {
            return;
        }
        // The witnesses are read before anything changes.
        let readings = self.read(turn, true);
        let Ok(starts) = self.lifecycle.quarantine() else {
            return;
        };
        turn.effects.answer(refuse_starts(
            starts,
            ProblemCode::Quarantined,
            "the session was quarantined before it had started",
        ));
        self.warnings.end();
        if !mutant!("quarantine: the clients are not told") {
            self.close_all(turn);
        }
        self.audit.note(StepName::Quarantined, turn.moment());
        let evidence = self.evidence(
            turn.view,
            Issue {
                operation: Operation::Quarantine,
                deadline_ms: None,
                requester,
                readings,
            },
        );
        turn.effects.push(Effect::Quarantined(evidence));
        turn.effects.push(Effect::NameUsers(Named::Quarantined));
        turn.effects.note(Note::Quarantined);
        self.rescan.begin(turn.now());
    }

    /// Ends it if its poller has handed it back and no process has any of its memory.
    pub(crate) fn advance_quarantine(&mut self, turn: &mut Turn<'_, R>) {
        self.settle(turn.view);
        let has_holder = !self.clients.attached.is_empty()
            || turn.view.mapping(&self.memory()).says != Says::Zero;
        let is_over = self.runtime().is_some()
            && self.clients.evicted.list.is_empty()
            && (!has_holder || mutant!("quarantine: freed while a process has the memory"));
        if !is_over {
            return;
        }
        let effect = Effect::Freed {
            counts: self.counts(turn.view),
            reconciled: self.audit.reconciled.clone(),
            evicted: self.audit.evicted.clone(),
            retired: {
                self.lifecycle.end();
                self.take_memory(turn)
            },
        };
        turn.effects.note(Note::Freed);
        turn.effects.push(effect);
    }
}
