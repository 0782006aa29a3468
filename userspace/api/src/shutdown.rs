//! The daemon's end: where it stands while it happens, and what became of everything.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Timestamp;

/// How far the daemon's end has got. It only ever goes forward.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ShutdownPhase {
    /// The daemon serves.
    #[default]
    Running,
    /// Every part is told; nothing new is begun.
    StopAccepting,
    /// Sessions are stopped, users are waited for, sessions are destroyed.
    Draining,
    /// Sockets, threads, ports and the probe end.
    Cleanup,
    /// Nothing is left but to say how it went.
    Shutdown,
}

impl ShutdownPhase {
    /// Every phase, in order.
    pub const ALL: [Self; 5] = [
        Self::Running,
        Self::StopAccepting,
        Self::Draining,
        Self::Cleanup,
        Self::Shutdown,
    ];

    /// The word of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::StopAccepting => "stop_accepting",
            Self::Draining => "draining",
            Self::Cleanup => "cleanup",
            Self::Shutdown => "shutdown",
        }
    }
}

impl std::fmt::Display for ShutdownPhase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// When a phase began, and how long it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PhaseTime {
    /// Which.
    pub phase: ShutdownPhase,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, µs; absent while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub us: Option<u64>,
}

/// What became of one part of the daemon at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartOutcome {
    /// It ended in order.
    Done,
    /// It ended and said what went wrong.
    Failed,
    /// It panicked; the end went on without it.
    Panicked,
    /// Its time was up; it was left behind.
    TimedOut,
    /// It was left behind because a second signal came.
    Forced,
}

impl PartOutcome {
    /// The word of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed_out",
            Self::Forced => "forced",
        }
    }
}

/// The end of one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartReport {
    /// Name of the part.
    pub name: String,
    /// In which phase it ended.
    pub phase: ShutdownPhase,
    /// How.
    pub outcome: PartOutcome,
    /// How long it took, µs.
    pub us: u64,
    /// What it said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Where the daemon's end stands: `GET /v1/shutdown`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShutdownStatus {
    /// The phase.
    pub phase: ShutdownPhase,
    /// What began it; absent while the daemon runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// When it began; absent while the daemon runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Whether a second signal or request has cut it short.
    pub forced: bool,
    /// Sessions that still live. Counted while draining, else 0.
    pub sessions: u64,
    /// Users of those sessions: threads inside a call, and clients that hold frames. Counted while
    /// draining, else 0.
    pub users: u64,
    /// Requests that are being answered, this one included.
    pub operations: u64,
    /// Each phase that was entered, in order.
    pub phases: Vec<PhaseTime>,
    /// Each part that has ended, in order.
    pub parts: Vec<PartReport>,
}
