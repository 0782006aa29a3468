//! What has happened in the shutdown so far.

use std::time::Instant;

use onair_api::{PartOutcome, PartReport, PhaseTime, ShutdownPhase, Timestamp};

use crate::shutdown::cause::Cause;

/// Progress of the shutdown.
#[derive(Debug, Default)]
pub(in crate::shutdown) struct Ledger {
    pub(in crate::shutdown) phase: ShutdownPhase,
    pub(in crate::shutdown) cause: Option<Cause>,
    pub(in crate::shutdown) since: Option<(Timestamp, Instant)>,
    pub(in crate::shutdown) acknowledged: Option<Instant>,
    pub(in crate::shutdown) forced_at: Option<Instant>,
    pub(in crate::shutdown) phases: Vec<(PhaseTime, Instant)>,
    pub(in crate::shutdown) parts: Vec<PartReport>,
    /// Parts that have ended and are not reported yet, with their numbers.
    pub(in crate::shutdown) finished: Vec<(u64, Ended)>,
    pub(in crate::shutdown) next_part: u64,
}

/// How a part's function returned.
#[derive(Debug)]
pub(in crate::shutdown) struct Ended {
    pub(in crate::shutdown) outcome: PartOutcome,
    pub(in crate::shutdown) detail: Option<String>,
    pub(in crate::shutdown) at: Instant,
}
