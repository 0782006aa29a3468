//! Operations that the daemon settled for users that could not.

use serde::{Deserialize, Serialize};

use crate::text::texts;
use crate::time::Timestamp;

/// State that the daemon settled, exactly once, for a user that could not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reconciled {
    /// Process id of that user; 0: one of several, to which a daemon that ended left the memory.
    pub pid: u32,
    /// Its thread, if known.
    pub tid: Option<u32>,
    /// Its command name.
    pub command: String,
    /// The object that it left behind.
    pub what: ReconciledWhat,
    /// Credited frames.
    pub frames: u64,
    /// Cleared slots.
    pub slots: u64,
    /// Why the user could not settle it.
    pub cause: ReconciledCause,
    /// When the daemon settled it.
    pub at: Timestamp,
}

/// Object that a user left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReconciledWhat {
    /// It was blocked in a wait.
    Blocked,
    /// It held frames.
    HeldFrames,
    /// It was counted in slots.
    Slots,
}

texts! { ReconciledWhat: Blocked "blocked", HeldFrames "held frames", Slots "slots" }

/// Why a user could not settle its own state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReconciledCause {
    /// Its process died.
    ProcessDied,
    /// Its thread exited.
    ThreadExited,
    /// Its process released the session (exec, unmap, closed socket).
    Detached,
}

texts! {
    ReconciledCause:
    ProcessDied "process died", ThreadExited "thread exited", Detached "detached"
}
