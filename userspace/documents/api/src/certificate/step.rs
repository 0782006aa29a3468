//! Steps on the way from stop to destroyed.

use serde::{Deserialize, Serialize};

use crate::text::texts;
use crate::time::Timestamp;

/// One step on the way from stop to destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Step {
    /// Name of the step.
    pub step: StepName,
    /// Time, by the wall clock.
    pub at: Timestamp,
    /// Time, by CLOCK_MONOTONIC, in nanoseconds.
    pub monotonic_ns: u64,
    /// Microseconds since the first step: `stop_requested`, or `restored`.
    pub since_stop_us: u64,
}

/// Names of the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// The daemon restored the session at its start, with its gates closed, and has not started it
    /// since. An earlier daemon ran and stopped it.
    Restored,
    /// A requester asked to stop.
    StopRequested,
    /// The gates are closed and every sleeping caller was woken.
    GatesClosed,
    /// Every poller handed the session's runtime back.
    PollersQuiesced,
    /// A requester asked to destroy.
    DestroyRequested,
    /// The clients were evicted (an abort).
    Evicted,
    /// The last user left.
    LastUserLeft,
    /// The witnesses agreed.
    Verdict,
    /// The session was set aside with its users.
    Quarantined,
    /// The session is gone.
    Destroyed,
    /// No other process has its memory open or mapped, and the daemon gave it up: see `memory`.
    MemoryReturned,
}

texts! {
    StepName:
    Restored "restored", StopRequested "stop_requested", GatesClosed "gates_closed",
    PollersQuiesced "pollers_quiesced", DestroyRequested "destroy_requested", Evicted "evicted",
    LastUserLeft "last_user_left", Verdict "verdict", Quarantined "quarantined",
    Destroyed "destroyed", MemoryReturned "memory_returned"
}
