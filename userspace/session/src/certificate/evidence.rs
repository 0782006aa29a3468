//! What the core knows of a certificate's content.

use onair_api::{
    Counts, Disagreement, Eviction, Operation, Reading, Reconciled, Step, StoppedBefore, Who,
};
use onair_ipc::frames::FrameMemory;

use crate::boundary::runtime::Runtime;
use crate::session_core::SessionCore;

/// The evidence for the end of a session. The driver adds what the daemon knows: identity, files,
/// frame counters.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The operation that ended it.
    pub operation: Operation,
    /// The requested wait, ms.
    pub deadline_ms: Option<u64>,
    /// The requester.
    pub requester: Who,
    /// Number of starts.
    pub generation: u64,
    /// The stop that an earlier daemon recorded.
    pub stopped_before: Option<StoppedBefore>,
    /// From the stop on.
    pub steps: Vec<Step>,
    /// The readings on which the decision rests.
    pub readings: Vec<Reading>,
    /// Settled for users that could not settle it themselves.
    pub reconciled: Vec<Reconciled>,
    /// Evicted clients.
    pub evicted: Vec<Eviction>,
    /// Moments at which the witnesses contradicted each other.
    pub disagreements: Vec<Disagreement>,
    /// Counters, with those of the ledgers that are here.
    pub counts: Counts,
    /// Size of the memory that the session has.
    pub bytes: u64,
    /// Processes that have some of it.
    pub held_by: Vec<u32>,
}

/// The request that an evidence is for.
pub(crate) struct Issue {
    pub(crate) operation: Operation,
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) requester: Who,
    pub(crate) readings: Vec<Reading>,
}

impl<R: Runtime> SessionCore<R> {
    pub(crate) fn evidence(&self, issue: Issue) -> Box<Evidence> {
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
            counts: self.counts(),
            bytes: self.memory().bytes(),
            held_by: self.holders().map(|it| it.who.pid).collect(),
        })
    }

    /// The audit's counts, plus those of the ledgers that are here.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = self.audit.counts;
        for lender in self.runtime().into_iter().flat_map(Runtime::lenders) {
            counts.frames_lent += lender.published();
            counts.frames_returned += lender.returned();
            counts.frames_reclaimed += lender.withdrawn();
        }
        counts
    }

    /// Size of the frames that evicted senders and clients that left still have, in bytes.
    #[must_use]
    pub fn left_frame_bytes(&self) -> u64 {
        let evicted = self.clients.evicted.list.values();
        let evicted = evicted.filter_map(|it| it.attachment.frames.as_ref());
        let all = evicted.chain(&self.retired.frames);
        all.map(FrameMemory::len).sum::<usize>() as u64
    }
}
