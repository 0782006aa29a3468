//! Collects what a session's certificate says.

use onair_api::{Counts, Operation, Reading, Who};

use crate::boundary::evidence::Evidence;
use crate::boundary::runtime::Runtime;
use crate::state::asking::Asking;
use crate::state::{SessionCore, audit};

/// The request that an evidence is for.
pub(crate) struct Issue {
    pub(crate) operation: Operation,
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) requester: Who,
    pub(crate) readings: Vec<Reading>,
}

impl<R: Runtime> SessionCore<R> {
    pub(crate) fn evidence(&self, view: Asking<'_>, issue: Issue) -> Box<Evidence> {
        Box::new(Evidence {
            operation: issue.operation,
            deadline_ms: issue.deadline_ms,
            requester: issue.requester,
            generation: self.runs.generation,
            stopped_before: self.audit.stopped_before.clone(),
            steps: self.audit.steps(),
            readings: issue.readings,
            reconciled: self.audit.reconciled.clone(),
            evicted: self.audit.evicted.clone(),
            disagreements: self.audit.disagreements.clone(),
            counts: self.counts(view),
            bytes: self.memory().bytes(),
            held_by: self.holders().map(|it| it.who.pid).collect(),
        })
    }

    /// The audit's counts, plus those of the ledgers that are here.
    pub(crate) fn counts(&self, view: Asking<'_>) -> Counts {
        let mut counts = self.audit.counts;
        if let Some(runtime) = self.runtime() {
            audit::add(&mut counts, view.totals(runtime.lenders()));
        }
        counts
    }

    /// Size of the frames that evicted senders and senders that left still have, in bytes, with the sender's user;
    /// a user may come several times.
    pub fn left_frame_bytes(&self) -> impl Iterator<Item = (u32, u64)> {
        let evicted = self.clients.evicted.list.values();
        let evicted = evicted.map(|it| (it.attachment.who.uid, it.attachment.frames.as_ref()));
        let retired = self.retired.clients.iter();
        let all = evicted.chain(retired.map(|it| (it.uid, it.frames.as_ref())));
        all.filter_map(|(uid, frames)| Some((uid, frames?.len() as u64)))
    }
}
