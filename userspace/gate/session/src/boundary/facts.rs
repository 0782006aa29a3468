//! Facts that the driver gives with an event.

use std::time::{Duration, Instant};

use onair_api::{
    Counts, Disagreement, Eviction, Operation, Reading, Reconciled, Step, StoppedBefore, Who,
};
use serde::{Deserialize, Serialize};

/// Facts that the driver gives with an event: the same for all that the event decides.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// The time, for deadlines and pauses.
    #[serde(with = "crate::clock::at")]
    pub now: Instant,
    /// The time limits in force.
    pub timeouts: Timeouts,
    /// The poller that the session is placed on.
    pub poller: PollerFact,
    /// Frames of the session that were sent, and dropped, since it was created.
    pub sent_and_dropped: (u64, u64),
    /// Open requests whose requesters are gone, or never wanted an answer.
    pub left: Vec<u64>,
}

/// Whether a poller works; else which one, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PollerFact {
    /// It works.
    Works,
    /// It hands back what it has, and takes nothing.
    Died(String),
    /// It hands nothing back: it makes no turn.
    Stalled(String),
}

/// Time limits of the configuration.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Timeouts {
    /// How long a poller may take to hand a session back.
    pub quiesce: Duration,
    /// From a stop to the first warning that users remain; zero: no warnings.
    pub drain_warning: Duration,
}

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
