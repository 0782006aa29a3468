//! Sets a session aside with its users: its name becomes free, no process gets anything of it any
//! more, and its memory is freed when the last holder is gone.

use onair_api::{Operation, ProblemCode, Says, StepName, Who};
use onair_mutant::mutant;

use crate::boundary::effect::{Effect, Named};
use crate::boundary::note::Note;
use crate::boundary::runtime::Runtime;
use crate::running::refuse_starts;
use crate::state::{Issue, Parts, Turn};
use crate::witness::readings::Member;

impl Parts {
    /// Closes the session for good, with its users inside: every call returns `ESTALE`. The
    /// certificate records the witnesses' readings, and is completed when the memory is freed.
    pub(crate) fn quarantine<R: Runtime>(&mut self, turn: &mut Turn<R>, requester: Who) {
        if turn.life.check_quarantine().is_err() {
            return;
        }
        // The witnesses are read before anything changes.
        let readings = Member::new(self, turn).read();
        let Ok(starts) = turn.life.lifecycle.quarantine() else {
            return;
        };
        turn.effects.answer(refuse_starts(
            starts,
            ProblemCode::Quarantined,
            "the session was quarantined before it had started",
        ));
        self.warnings.end();
        if !mutant!("quarantine: the clients are not told") {
            self.clients.close_all(&mut turn.effects);
        }
        turn.step(StepName::Quarantined);
        let issue = Issue {
            operation: Operation::Quarantine,
            deadline_ms: None,
            requester,
            readings,
        };
        let evidence = issue.evidence(self, turn);
        turn.effects.push(Effect::Quarantined(evidence));
        turn.effects.push(Effect::NameUsers(Named::Quarantined));
        turn.effects.note(Note::Quarantined);
        turn.life.rescan.begin(turn.now());
    }

    /// Ends it if its poller has handed it back and no process has any of its memory.
    pub(crate) fn advance_quarantine<R: Runtime>(&mut self, turn: &mut Turn<R>) {
        self.clients.settle(turn);
        let has_holder = !self.clients.attached.is_empty()
            || turn.view.mapping(&self.memory(turn.life)).says != Says::Zero;
        let is_over = turn.life.runtime().is_some()
            && self.clients.evicted.list.is_empty()
            && (!has_holder || mutant!("quarantine: freed while a process has the memory"));
        if !is_over {
            return;
        }
        let effect = Effect::Freed {
            counts: turn.life.counts(turn.view),
            reconciled: turn.life.audit.reconciled.clone(),
            evicted: turn.life.audit.evicted.clone(),
            retired: {
                turn.life.lifecycle.end();
                self.take_memory(turn)
            },
        };
        turn.effects.note(Note::Freed);
        turn.effects.push(effect);
    }
}
