//! What a session's certificate will tell: steps, counts, what was settled for others.

use onair_ipc::lender::Lender;
use onair_ipc::sys;
use onair_types::{
    Certificate, Counts, Disagreement, Eviction, Reading, Reconciled, ReconciledCause,
    ReconciledWhat, Step, StepName, StoppedBefore, Timestamp, Who,
};

/// Disagreements that are kept, as few as [`Certificate::LISTED`] is for what was reconciled.
const DISAGREEMENTS: usize = 8;

/// The audit of one session since its last stop (steps) and since its creation (the rest).
#[derive(Debug, Default)]
pub(super) struct Audit {
    steps: Vec<Step>,
    /// What an earlier daemon wrote down, until this one stops the session.
    pub(super) stopped_before: Option<StoppedBefore>,
    /// Settled for those who could not.
    pub(super) reconciled: Vec<Reconciled>,
    /// Those who were cut off.
    pub(super) evicted: Vec<Eviction>,
    /// Moments of contradiction.
    pub(super) disagreements: Vec<Disagreement>,
    /// Numbers.
    pub(super) counts: Counts,
}

impl Audit {
    /// The session is back, with its gates shut: what an earlier daemon did is only told.
    pub(super) fn restore(&mut self, stopped: Option<StoppedBefore>) {
        self.note(StepName::Restored);
        self.stopped_before = stopped;
    }

    /// A new stop: the steps of the last one are forgotten.
    pub(super) fn begin_stop(&mut self) {
        self.steps.clear();
        self.stopped_before = None;
        self.note(StepName::StopRequested);
    }

    /// Notes a step, once.
    pub(super) fn note(&mut self, step: StepName) {
        self.note_at(step, sys::monotonic_ns());
    }

    /// Notes a step that happened at `monotonic_ns`, once.
    pub(super) fn note_at(&mut self, step: StepName, monotonic_ns: u64) {
        if self.has(step) {
            return;
        }
        let began = self.steps.first().map_or(monotonic_ns, |s| s.monotonic_ns);
        self.steps.push(Step {
            step,
            at: Timestamp::now(),
            monotonic_ns,
            since_stop_us: monotonic_ns.saturating_sub(began) / 1000,
        });
    }

    /// Takes a step back that came to nothing.
    pub(super) fn forget(&mut self, step: StepName) {
        self.steps.retain(|noted| noted.step != step);
    }

    /// Whether a step was noted since the stop.
    pub(super) fn has(&self, step: StepName) -> bool {
        self.steps.iter().any(|noted| noted.step == step)
    }

    /// The steps so far.
    pub(super) fn steps(&self) -> Vec<Step> {
        self.steps.clone()
    }

    /// Notes what a user left behind that is gone; returns it, if it was anything, to be told.
    #[must_use]
    pub(super) fn reconcile(
        &mut self,
        who: &Who,
        tid: Option<u32>,
        cause: ReconciledCause,
        frames: u64,
        slots: u64,
    ) -> Option<Reconciled> {
        if frames == 0 && slots == 0 {
            return None;
        }
        let what = match (frames, tid) {
            (1.., _) => ReconciledWhat::HeldFrames,
            (0, None) => ReconciledWhat::Blocked,
            (0, Some(_)) => ReconciledWhat::Slots,
        };
        self.counts.frames_reconciled += frames;
        self.counts.reconciliations += 1;
        tracing::info!(pid = who.pid, ?tid, frames, slots, %cause, "reconciled");
        let reconciled = Reconciled {
            pid: who.pid,
            tid,
            command: who.command.clone(),
            what,
            frames,
            slots,
            cause,
            at: Timestamp::now(),
        };
        if self.reconciled.len() < Certificate::LISTED {
            self.reconciled.push(reconciled.clone());
        }
        Some(reconciled)
    }

    /// Adds the ledger of an attachment that has ended.
    pub(super) fn ended(&mut self, lender: &Lender) {
        self.counts.frames_lent += lender.published();
        self.counts.frames_returned += lender.returned();
        self.counts.frames_reclaimed += lender.withdrawn();
    }

    /// Notes a client that was cut off.
    pub(super) fn evict(&mut self, eviction: Eviction) {
        self.counts.evictions += 1;
        self.counts.frames_revoked += eviction.frames_revoked;
        if self.evicted.len() < Certificate::LISTED {
            self.evicted.push(eviction);
        }
    }

    /// Notes whether the witnesses contradict each other now. Returns true when that is new.
    pub(super) fn disagree(&mut self, readings: Option<(&[Reading], &str)>) -> bool {
        let full = self.disagreements.len() >= DISAGREEMENTS;
        let open = self
            .disagreements
            .last_mut()
            .filter(|last| last.resolved_at.is_none());
        match (open, readings) {
            (None, Some(_)) if full => false,
            (None, Some((readings, note))) => {
                self.disagreements.push(Disagreement {
                    at: Timestamp::now(),
                    resolved_at: None,
                    readings: readings.to_vec(),
                    note: note.to_owned(),
                });
                true
            }
            (Some(open), None) => {
                open.resolved_at = Some(Timestamp::now());
                false
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_steps_then_each_once_and_counted_from_the_stop() {
        let mut audit = Audit::default();
        audit.begin_stop();
        audit.note(StepName::GatesClosed);
        audit.note(StepName::GatesClosed);
        let steps = audit.steps();
        assert_eq!(steps.len(), 2);
        assert_eq!(steps[0].since_stop_us, 0);
        audit.begin_stop();
        assert_eq!(audit.steps().len(), 1);
    }

    #[test]
    fn books_restored_and_stopped_then_only_what_this_daemon_did_is_told() {
        let mut audit = Audit::default();
        audit.restore(Some(StoppedBefore {
            at: Timestamp::now(),
            session: onair_types::SessionId(1),
            boot_id: "b007".to_owned(),
        }));
        assert!(audit.has(StepName::Restored) && audit.stopped_before.is_some());
        audit.begin_stop();
        assert!(!audit.has(StepName::Restored) && audit.stopped_before.is_none());
    }

    #[test]
    fn books_disagreement_then_noted_once_and_resolved_once() {
        let mut audit = Audit::default();
        assert!(audit.disagree(Some((&[], "w"))));
        assert!(!audit.disagree(Some((&[], "w"))));
        assert!(!audit.disagree(None));
        assert!(audit.disagreements[0].resolved_at.is_some());
        assert!(audit.disagree(Some((&[], "again"))));
        assert_eq!(audit.disagreements.len(), 2);
    }
}
