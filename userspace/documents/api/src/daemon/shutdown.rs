//! Shutdown of the daemon: its progress and its summary.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{SessionId, SessionName};
use crate::recording::RecordingSummary;
use crate::session::Blocker;
use crate::spec::Direction;
use crate::text::texts;
use crate::time::Timestamp;

/// Phase of the shutdown. It only moves forward.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ShutdownPhase {
    /// The daemon runs.
    #[default]
    Running,
    /// The daemon notifies every part and starts no new work.
    StopAccepting,
    /// The daemon stops the sessions, waits for users and destroys the sessions.
    Draining,
    /// Sockets, threads, ports and the probe end.
    Cleanup,
    /// Only the summary remains.
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
}

texts! {
    ShutdownPhase:
    Running "running", StopAccepting "stop_accepting", Draining "draining", Cleanup "cleanup",
    Shutdown "shutdown"
}

/// When a phase began, and how long it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PhaseTime {
    /// The phase.
    pub phase: ShutdownPhase,
    /// When it began.
    pub at: Timestamp,
    /// Its duration, µs; absent while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub us: Option<u64>,
}

/// How one part of the daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PartOutcome {
    /// It ended in order.
    Done,
    /// It ended with an error.
    Failed,
    /// It panicked; the shutdown continued without it.
    Panicked,
    /// Its time passed; the shutdown continued without it.
    TimedOut,
    /// A second signal arrived; the shutdown continued without it.
    Forced,
}

texts! {
    PartOutcome:
    Done "done", Failed "failed", Panicked "panicked", TimedOut "timed_out", Forced "forced"
}

/// The end of one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartReport {
    /// Name of the part.
    pub name: String,
    /// Phase in which it ended.
    pub phase: ShutdownPhase,
    /// How it ended.
    pub outcome: PartOutcome,
    /// Duration, µs.
    pub us: u64,
    /// Its own report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Progress of the shutdown: `GET /v1/shutdown`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShutdownStatus {
    /// The phase.
    pub phase: ShutdownPhase,
    /// The cause; absent while the daemon runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// When it began; absent while the daemon runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Whether a second signal or request shortened it.
    pub forced: bool,
    /// Sessions that still live. Counted while draining, else 0.
    pub sessions: u64,
    /// Users of those sessions: threads inside a call, and clients that hold frames. Counted while
    /// draining, else 0.
    pub users: u64,
    /// Requests in progress, this one included.
    pub operations: u64,
    /// Entered phases, in order.
    pub phases: Vec<PhaseTime>,
    /// Ended parts, in order.
    pub parts: Vec<PartReport>,
}

/// The daemon that takes over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Successor {
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
}

/// How a session ended at the shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionOutcome {
    /// Destroyed: every witness reported zero users. Its certificate has the details.
    Destroyed,
    /// Its clients were evicted, and it was destroyed: `shutdown.policy = "evict"`.
    Evicted,
    /// Set aside with its users: `shutdown.policy = "quarantine"`. Its certificate reports the
    /// memory as pending; the memory is freed when the users exit.
    Quarantined,
    /// Still in use. Its users were notified, and their memory stays mapped.
    Abandoned,
}

texts! {
    SessionOutcome:
    Destroyed "destroyed", Evicted "evicted", Quarantined "quarantined", Abandoned "abandoned"
}

/// One session at the shutdown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionSummary {
    /// Its id.
    pub id: SessionId,
    /// Its name.
    pub name: SessionName,
    /// The port of its packets.
    #[serde(default)]
    pub port: String,
    /// Direction of its packets.
    pub direction: Direction,
    /// Its certificate: a file in `certificates` of the state directory; absent if it was abandoned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// How it ended.
    pub outcome: SessionOutcome,
    /// Complete frames received, or frames sent.
    pub frames: u64,
    /// RTP packets received or sent.
    pub packets: u64,
    /// Bytes in these packets, RTP header included.
    pub bytes: u64,
    /// Losses and drops, by reason, without zeros. `frames_dropped_stop` counts those of the stop
    /// itself.
    pub drops: BTreeMap<String, u64>,
    /// Its users, if it was abandoned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<Blocker>,
}

/// One worker thread at the shutdown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ThreadSummary {
    /// Its name.
    pub name: String,
    /// Processed packets or jobs.
    pub processed: u64,
    /// Items dropped because the shutdown had begun.
    pub dropped_by_shutdown: u64,
    /// Of a poller and of a recording's thread: its traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<ThreadTraffic>,
    /// Whether the thread has ended.
    pub stopped: bool,
    /// Its panic message, if it panicked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic: Option<String>,
}

/// Traffic of a thread: a poller's for the sessions of the summary, a recording thread's to its
/// files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ThreadTraffic {
    /// Frames received complete or sent; 0 for a recording, which has packets.
    pub frames: u64,
    /// Bytes in the RTP packets, RTP header included; for a recording, written bytes.
    pub bytes: u64,
    /// Losses and drops, by reason, without zeros.
    pub drops: BTreeMap<String, u64>,
}

/// One port at the shutdown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PortSummary {
    /// Its name.
    pub name: String,
    /// Its counters by name.
    pub counters: BTreeMap<String, u64>,
}

/// Summary of the shutdown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShutdownSummary {
    /// The daemon's version.
    pub version: String,
    /// Its pid.
    pub pid: u32,
    /// The cause.
    pub cause: String,
    /// When it began.
    pub since: Option<Timestamp>,
    /// Duration, µs.
    pub us: u64,
    /// Whether a second signal shortened it.
    pub forced: bool,
    /// Exit status of the process.
    pub exit_status: u8,
    /// Each phase and its time.
    pub phases: Vec<PhaseTime>,
    /// Each part and how it ended.
    pub parts: Vec<PartReport>,
    /// Sessions that were live when it began.
    pub sessions: Vec<SessionSummary>,
    /// Sessions destroyed since the daemon's start, shutdown included; each has a certificate.
    pub destroyed: u64,
    /// Recordings that ran when it began.
    #[serde(default)]
    pub recordings: Vec<RecordingSummary>,
    /// Worker threads.
    pub threads: Vec<ThreadSummary>,
    /// Ports.
    pub ports: Vec<PortSummary>,
    /// Requests refused because the shutdown had begun.
    pub operations_refused: u64,
}
