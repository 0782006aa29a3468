//! The daemon's end: where it stands while it happens, and what became of everything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::blocker::Blocker;
use crate::id::{SessionId, SessionName};
use crate::recording::RecordingSummary;
use crate::spec::Direction;
use crate::time::Timestamp;

/// How far the daemon's end has got. It only ever goes forward.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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

/// What became of a session at the daemon's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionOutcome {
    /// It was destroyed: every witness said zero users. Its certificate says the rest.
    Destroyed,
    /// Its users were cut off, and it was destroyed: `shutdown.policy = "evict"`.
    Evicted,
    /// It was set aside with its users: `shutdown.policy = "quarantine"`. Its certificate says that its
    /// memory is pending; that goes when they do.
    Quarantined,
    /// It was still in use. Its users were told that it is gone, their memory stays theirs.
    Abandoned,
}

impl SessionOutcome {
    /// The word of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Destroyed => "destroyed",
            Self::Evicted => "evicted",
            Self::Quarantined => "quarantined",
            Self::Abandoned => "abandoned",
        }
    }
}

/// One session at the daemon's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionSummary {
    /// Its id.
    pub id: SessionId,
    /// Its name.
    pub name: SessionName,
    /// The port that its packets went over.
    #[serde(default)]
    pub port: String,
    /// Which way its packets went.
    pub direction: Direction,
    /// Its certificate: a file in `certificates` of the state directory; absent if it was abandoned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// What became of it.
    pub outcome: SessionOutcome,
    /// Frames that came whole, or were sent.
    pub frames: u64,
    /// RTP packets that came, or were sent.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What was lost or dropped, by reason; what is 0 is left out. `frames_dropped_stop` is what the
    /// stop itself dropped.
    pub drops: BTreeMap<String, u64>,
    /// Who was in the way, if it was abandoned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<Blocker>,
}

/// One worker thread at the daemon's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ThreadSummary {
    /// Its name.
    pub name: String,
    /// What it processed: packets, jobs.
    pub processed: u64,
    /// What it dropped because the shutdown had begun.
    pub dropped_by_shutdown: u64,
    /// Of a poller and of a recording's thread: what it carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<ThreadTraffic>,
    /// Whether it has ended.
    pub stopped: bool,
    /// What it said if it panicked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic: Option<String>,
}

/// What a thread carried: a poller for the sessions of the summary, a recording's thread to its files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ThreadTraffic {
    /// Frames that came whole or were sent; of a recording, frames in its files (0 of packets).
    pub frames: u64,
    /// Their bytes: those of the RTP packets; of a recording, those that were written.
    pub bytes: u64,
    /// What was lost or dropped, by reason; what is 0 is left out.
    pub drops: BTreeMap<String, u64>,
}

/// One port at the daemon's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PortSummary {
    /// Its name.
    pub name: String,
    /// Its counters by name.
    pub counters: BTreeMap<String, u64>,
}

/// How the daemon ended, in full: its last words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShutdownSummary {
    /// The daemon's version.
    pub version: String,
    /// Its pid.
    pub pid: u32,
    /// What began its end.
    pub cause: String,
    /// When that was.
    pub since: Option<Timestamp>,
    /// How long it took, µs.
    pub us: u64,
    /// Whether a second signal cut it short.
    pub forced: bool,
    /// The status that the process exits with.
    pub exit_status: u8,
    /// Each phase and its time.
    pub phases: Vec<PhaseTime>,
    /// Each part and how it ended.
    pub parts: Vec<PartReport>,
    /// Sessions that lived when it began.
    pub sessions: Vec<SessionSummary>,
    /// Sessions destroyed in the daemon's life, at its end included; each has a certificate.
    pub destroyed: u64,
    /// Recordings that ran when it began.
    #[serde(default)]
    pub recordings: Vec<RecordingSummary>,
    /// Worker threads.
    pub threads: Vec<ThreadSummary>,
    /// Ports.
    pub ports: Vec<PortSummary>,
    /// Requests that came too late.
    pub operations_refused: u64,
}
