//! The proof that a session was off air when it was destroyed.

#[cfg(feature = "verify")]
pub mod digest;
pub mod query;
#[cfg(feature = "verify")]
pub mod verify;

use serde::{Deserialize, Serialize};

use crate::eviction::Eviction;
use crate::health::Probe;
use crate::id::{SessionId, SessionName};
use crate::session::SessionCounters;
use crate::time::Timestamp;
use crate::verdict::Reading;
use crate::who::Who;

/// What one destroy stood on. Written once; only `memory` (with the step, the reading and the digest
/// that go with it) is completed later.
///
/// A field that is added is left out where it is empty, or [`Certificate::FORMAT`] is raised: a
/// certificate that was written without it must keep its digest when a later program hands it on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Certificate {
    /// Version of this document's form: [`Certificate::FORMAT`].
    pub format: u32,
    /// The session.
    pub session: SessionId,
    /// Its name.
    pub name: SessionName,
    /// Who made the session, and may see this. Absent in format 1: who asked may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Who>,
    /// Generation of its gate when it was destroyed: how many times it had been started.
    pub generation: u64,
    /// The kernel's boot id (`/proc/sys/kernel/random/boot_id`): monotonic times of two
    /// certificates compare only under one boot id.
    pub boot_id: String,
    /// What ran.
    pub versions: Versions,
    /// The probe at the verdict, with the files that it watched for this session.
    pub probe: Probe,
    /// Which operation, that is which policy, destroyed it.
    pub operation: Operation,
    /// The wait that the request allowed, in milliseconds; absent when it allowed none.
    pub deadline_ms: Option<u64>,
    /// Who asked.
    pub requester: Who,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The stop of an earlier daemon, of a session that came back stopped and was not started since.
    /// Absent of every other session, and if the earlier daemon did not write it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_before: Option<StoppedBefore>,
    /// Steps in the order in which they happened.
    pub steps: Vec<Step>,
    /// What each witness said at the verdict.
    pub readings: Vec<Reading>,
    /// What the daemon settled for those who could not do it themselves; the first 200.
    pub reconciled: Vec<Reconciled>,
    /// Clients that were cut off over the session's whole life; the first 200. The readings leave
    /// them out, and say whom.
    #[serde(default)]
    pub evicted: Vec<Eviction>,
    /// Numbers of the books over the session's whole life.
    pub counts: Counts,
    /// What passed through it.
    pub frames: SessionCounters,
    /// Whether the memory came back.
    pub memory: Memory,
    /// Moments on the way at which the witnesses contradicted each other.
    pub disagreements: Vec<Disagreement>,
    /// `sha256:` and the digits of the SHA-256 of all the rest in canonical form. It shows accident and careless
    /// editing; it is no signature. Absent in format 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// False in an answer that was given before the certificate was on disk: a kill of the daemon or of
    /// the machine may lose it. Absent otherwise, and in every file; the digest does not cover it.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    #[cfg_attr(feature = "openapi", schema(required = false, default = true))]
    pub durable: bool,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_yes(it: &bool) -> bool {
    *it
}

impl Certificate {
    /// The present [`Certificate::format`]. Format 1 had no digest and no owner.
    pub const FORMAT: u32 = 2;
    /// Entries of [`Certificate::reconciled`] at most: clients that die for ever do not fill the
    /// daemon's memory, and the certificate fits into a packet of the attach socket.
    pub const LISTED: usize = 200;

    /// User id of whom it belongs to: the session's owner.
    #[must_use]
    pub fn owner_uid(&self) -> u32 {
        self.owner.as_ref().unwrap_or(&self.requester).uid
    }

    /// The short form for lists.
    #[must_use]
    pub fn summary(&self) -> CertificateSummary {
        CertificateSummary {
            session: self.session,
            name: self.name.clone(),
            operation: self.operation,
            requester: self.requester.clone(),
            issued_at: self.issued_at,
            memory: self.memory.clone(),
            reconciled: self.counts.reconciliations,
            disagreements: self.disagreements.len() as u64,
        }
    }
}

/// A stop that an earlier daemon did, as that daemon wrote it down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoppedBefore {
    /// When.
    pub at: Timestamp,
    /// The session's id in that daemon: of an earlier incarnation.
    pub session: SessionId,
    /// The kernel's boot id then.
    pub boot_id: String,
}

/// What ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Versions {
    /// Version of the daemon.
    pub onaird: String,
    /// Version of DPDK.
    pub dpdk: String,
    /// Release of the kernel (`uname -r`).
    pub kernel: String,
}

/// The operation that destroyed a session. Policies are operations of their own, not flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// At once or not at all.
    Destroy,
    /// As soon as the last user has left, until a deadline.
    DestroyWait,
    /// The daemon's own shutdown.
    Shutdown,
    /// At once, for a watchdog: everybody was cut off first, and no user was waited for.
    Abort,
    /// Set aside with its users: it left the names, and its memory is freed when the last of them is
    /// gone. The readings say whom it had.
    Quarantine,
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Destroy => "destroy",
            Self::DestroyWait => "destroy_wait",
            Self::Shutdown => "shutdown",
            Self::Abort => "abort",
            Self::Quarantine => "quarantine",
        })
    }
}

/// One step on the way from stop to destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Step {
    /// Which.
    pub step: StepName,
    /// When, by the wall clock.
    pub at: Timestamp,
    /// When, by CLOCK_MONOTONIC, in nanoseconds.
    pub monotonic_ns: u64,
    /// Microseconds since the first step: `stop_requested`, or `restored`.
    pub since_stop_us: u64,
}

/// Names of the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// The daemon brought the session back at its start, with its gates shut, and has not started it
    /// since: whatever ran and stopped was an earlier daemon's.
    Restored,
    /// Somebody asked to stop.
    StopRequested,
    /// The gates are shut and everyone who slept was woken.
    GatesClosed,
    /// Every poller handed the session's runtime back.
    PollersQuiesced,
    /// Somebody asked to destroy.
    DestroyRequested,
    /// Everybody was cut off (an abort).
    Evicted,
    /// The last user left.
    LastUserLeft,
    /// The witnesses agreed.
    Verdict,
    /// The session was set aside with its users.
    Quarantined,
    /// The session is gone.
    Destroyed,
    /// No process maps its memory any more; it was given back.
    MemoryReturned,
}

impl std::fmt::Display for StepName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Restored => "restored",
            Self::StopRequested => "stop_requested",
            Self::GatesClosed => "gates_closed",
            Self::PollersQuiesced => "pollers_quiesced",
            Self::DestroyRequested => "destroy_requested",
            Self::Evicted => "evicted",
            Self::LastUserLeft => "last_user_left",
            Self::Verdict => "verdict",
            Self::Quarantined => "quarantined",
            Self::Destroyed => "destroyed",
            Self::MemoryReturned => "memory_returned",
        })
    }
}

/// Something that the daemon settled, exactly once, for a user who could not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reconciled {
    /// Process id of that user.
    pub pid: u32,
    /// Its thread, where one is known.
    pub tid: Option<u32>,
    /// Its command name.
    pub command: String,
    /// What it left behind.
    pub what: ReconciledWhat,
    /// Frames that were credited.
    pub frames: u64,
    /// Slots that were cleared.
    pub slots: u64,
    /// Why it could not do it itself.
    pub cause: ReconciledCause,
    /// When it was settled.
    pub at: Timestamp,
}

/// What a user left behind.
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

impl std::fmt::Display for ReconciledWhat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Blocked => "blocked",
            Self::HeldFrames => "held frames",
            Self::Slots => "slots",
        })
    }
}

/// Why a user could not settle itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReconciledCause {
    /// Its process died.
    ProcessDied,
    /// Its thread exited.
    ThreadExited,
    /// Its process let go of the session (exec, unmap, closed socket).
    Detached,
}

impl std::fmt::Display for ReconciledCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ProcessDied => "process died",
            Self::ThreadExited => "thread exited",
            Self::Detached => "detached",
        })
    }
}

/// The books over the session's life. At its end `frames_lent` is the sum of `frames_returned`,
/// `frames_reclaimed`, `frames_reconciled` and `frames_revoked`; of a session that was quarantined,
/// once its memory is returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Counts {
    /// Attachments ever admitted.
    pub attachments: u64,
    /// Attachments at the stop.
    pub attachments_at_stop: u64,
    /// Callers that were inside a call at the stop, as the slots counted them (the clients' word).
    pub blocked_at_stop: u64,
    /// Frames lent, each loan counted.
    pub frames_lent: u64,
    /// Of these, given back by their holder.
    pub frames_returned: u64,
    /// Of these, taken back unread.
    pub frames_reclaimed: u64,
    /// Of these, credited for a holder that could not give them back.
    pub frames_reconciled: u64,
    /// Of these, taken back from clients that were cut off.
    pub frames_revoked: u64,
    /// Entries that `evicted` has, or would have: it lists the first 200.
    pub evictions: u64,
    /// Entries that `reconciled` has, or would have: it lists the first 200.
    pub reconciliations: u64,
}

/// Whether the session's memory came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Memory {
    /// The kernel confirmed that nobody maps it (W4); it was given back.
    Returned {
        /// How much, in bytes.
        bytes: u64,
        /// When.
        at: Timestamp,
    },
    /// Somebody still has it open or mapped. It is kept aside and cannot show another session's
    /// frames.
    Pending {
        /// How much, in bytes.
        bytes: u64,
        /// Processes that still hold it, as far as they are known.
        held_by: Vec<u32>,
    },
    /// The kernel would not say.
    Unverified {
        /// How much, in bytes.
        bytes: u64,
        /// Why.
        reason: String,
    },
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Returned { .. } => "returned",
            Self::Pending { .. } => "pending",
            Self::Unverified { .. } => "unverified",
        })
    }
}

/// A moment at which the witnesses contradicted each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Disagreement {
    /// When it was first seen.
    pub at: Timestamp,
    /// When they agreed again; absent when they never did.
    pub resolved_at: Option<Timestamp>,
    /// What each said.
    pub readings: Vec<Reading>,
    /// What it was, in one sentence.
    pub note: String,
}

/// A certificate in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CertificateSummary {
    /// The session.
    pub session: SessionId,
    /// Its name.
    pub name: SessionName,
    /// Which operation destroyed it.
    pub operation: Operation,
    /// Who asked.
    pub requester: Who,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Whether the memory came back.
    pub memory: Memory,
    /// How many things were reconciled.
    pub reconciled: u64,
    /// How many disagreements were seen on the way.
    pub disagreements: u64,
}

/// Answer of `GET /v1/certificates`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CertificateList {
    /// Certificates that are kept, newest first.
    pub certificates: Vec<CertificateSummary>,
}
