//! The core's part of a certificate's content.

use onair_api::{
    Counts, Disagreement, Eviction, Operation, Reading, Reconciled, Step, StoppedBefore, Who,
};
use serde::Serialize;

/// The evidence for the end of a session. The driver adds what the daemon knows: identity, files,
/// frame counters.
#[derive(Clone, Debug, Serialize)]
pub struct Evidence {
    /// The operation that ended it.
    pub operation: Operation,
    /// The requested wait, ms.
    pub deadline_ms: Option<u64>,
    /// Who asked.
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
