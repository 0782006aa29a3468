//! Collects the content of a session's certificate: steps, counts, and the operations settled for others.

use onair_api::{
    Certificate, Counts, Disagreement, Eviction, Reading, Reconciled, ReconciledCause,
    ReconciledWhat, Step, StepName, StoppedBefore, Who,
};
use serde::{Deserialize, Serialize};

use crate::boundary::view::Moment;

/// Maximum number of disagreements kept, the same as [`Certificate::LISTED`] for reconciled
/// entries.
const DISAGREEMENTS: usize = 8;

/// The audit of one session: steps since its last stop, the rest since its creation.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Audit {
    steps: Vec<Step>,
    /// The stop that an earlier daemon recorded, until this daemon stops the session.
    pub(crate) stopped_before: Option<StoppedBefore>,
    /// Settled for users that could not settle it themselves.
    pub(crate) reconciled: Vec<Reconciled>,
    /// Evicted clients.
    pub(crate) evicted: Vec<Eviction>,
    /// Moments at which the witnesses contradicted each other.
    pub(crate) disagreements: Vec<Disagreement>,
    /// Counters.
    pub(crate) counts: Counts,
}

impl Audit {
    /// Restores the session with its gates closed: the stop of an earlier daemon is only reported.
    pub(crate) fn restore(&mut self, stopped: Option<StoppedBefore>, now: Moment) {
        self.note(StepName::Restored, now);
        self.stopped_before = stopped;
    }

    /// Begins a new stop: clears the steps of the last one.
    pub(crate) fn begin_stop(&mut self, now: Moment) {
        self.steps.clear();
        self.stopped_before = None;
        self.note(StepName::StopRequested, now);
    }

    /// Records a step, once.
    pub(crate) fn note(&mut self, step: StepName, now: Moment) {
        if self.has(step) {
            return;
        }
        let monotonic_ns = now.monotonic_ns;
        let began = self.steps.first().map_or(monotonic_ns, |s| s.monotonic_ns);
        self.steps.push(Step {
            step,
            at: now.wall,
            monotonic_ns,
            since_stop_us: monotonic_ns.saturating_sub(began) / 1000,
        });
    }

    /// Removes a step that had no result.
    pub(crate) fn forget(&mut self, step: StepName) {
        self.steps.retain(|noted| noted.step != step);
    }

    /// Whether a step was recorded since the stop.
    pub(crate) fn has(&self, step: StepName) -> bool {
        self.steps.iter().any(|noted| noted.step == step)
    }

    /// The steps so far.
    pub(crate) fn steps(&self) -> Vec<Step> {
        self.steps.clone()
    }

    /// Records what a user that is gone left behind; returns the record to report, if there is one.
    #[must_use]
    pub(crate) fn reconcile(
        &mut self,
        who: &Who,
        tid: Option<u32>,
        cause: ReconciledCause,
        frames: u64,
        slots: u64,
        now: Moment,
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
        let reconciled = Reconciled {
            pid: who.pid,
            tid,
            command: who.command.clone(),
            what,
            frames,
            slots,
            cause,
            at: now.wall,
        };
        if self.reconciled.len() < Certificate::LISTED {
            self.reconciled.push(reconciled.clone());
        }
        Some(reconciled)
    }

    /// Adds what an attachment that has ended was loaned, returned, and had taken back.
    pub(crate) fn ended(&mut self, totals: [u64; 3]) {
        add(&mut self.counts, totals);
    }

    /// Records an evicted client.
    pub(crate) fn evict(&mut self, eviction: Eviction) {
        self.counts.evictions += 1;
        self.counts.frames_revoked += eviction.frames_revoked;
        if self.evicted.len() < Certificate::LISTED {
            self.evicted.push(eviction);
        }
    }

    /// Records whether the witnesses contradict each other now. Returns true if that is new.
    pub(crate) fn disagree(&mut self, readings: Option<(&[Reading], &str)>, now: Moment) -> bool {
        let full = self.disagreements.len() >= DISAGREEMENTS;
        let open = self
            .disagreements
            .last_mut()
            .filter(|last| last.resolved_at.is_none());
        match (open, readings) {
            (None, Some(_)) if full => false,
            (None, Some((readings, note))) => {
                self.disagreements.push(Disagreement {
                    at: now.wall,
                    resolved_at: None,
                    readings: readings.to_vec(),
                    note: note.to_owned(),
                });
                true
            }
            (Some(open), None) => {
                open.resolved_at = Some(now.wall);
                false
            }
            _ => false,
        }
    }
}

/// Adds frames that were loaned, returned and taken back.
pub(crate) fn add(counts: &mut Counts, [lent, returned, withdrawn]: [u64; 3]) {
    counts.frames_lent += lent;
    counts.frames_returned += returned;
    counts.frames_reclaimed += withdrawn;
}

#[cfg(test)]
mod tests {
    use onair_api::Timestamp;

    use super::*;

    fn now() -> Moment {
        Moment {
            wall: Timestamp::now(),
            monotonic_ns: 7,
        }
    }

    #[test]
    fn audit_notes_each_step_once_and_counted_from_the_stop() {
        let mut audit = Audit::default();
        audit.begin_stop(now());
        audit.note(StepName::GatesClosed, now());
        audit.note(StepName::GatesClosed, now());
        let steps = audit.steps();
        assert_eq!(steps.len(), 2);
        assert_eq!(steps[0].since_stop_us, 0);
        audit.begin_stop(now());
        assert_eq!(audit.steps().len(), 1);
    }

    #[test]
    fn audit_of_a_restored_session_then_only_what_this_daemon_did() {
        let mut audit = Audit::default();
        audit.restore(
            Some(StoppedBefore {
                at: Timestamp::now(),
                session: onair_api::SessionId(1),
                boot_id: "b007".to_owned(),
            }),
            now(),
        );
        assert!(audit.has(StepName::Restored) && audit.stopped_before.is_some());
        audit.begin_stop(now());
        assert!(!audit.has(StepName::Restored) && audit.stopped_before.is_none());
    }

    #[test]
    fn audit_notes_a_disagreement_once_and_resolves_it_once() {
        let mut audit = Audit::default();
        assert!(audit.disagree(Some((&[], "w")), now()));
        assert!(!audit.disagree(Some((&[], "w")), now()));
        assert!(!audit.disagree(None, now()));
        assert!(audit.disagreements[0].resolved_at.is_some());
        assert!(audit.disagree(Some((&[], "again")), now()));
        assert_eq!(audit.disagreements.len(), 2);
    }
}
