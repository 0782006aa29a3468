//! What has happened in the shutdown so far.

use std::time::Instant;

use onair_api::{PartReport, PhaseTime, ShutdownPhase, Timestamp};

use crate::shutdown::cause::Cause;
use crate::shutdown::sequence::Ended;

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
}
