//! The proof that a session was off air when it was destroyed.
//!
//! The document only: `onair-certificate` seals and verifies it.

mod reconciled;

use serde::{Deserialize, Serialize};

use crate::daemon::Probe;
use crate::id::{SessionId, SessionName};
use crate::session::{Eviction, Reading, SessionCounters};
use crate::text::texts;
use crate::time::Timestamp;
use crate::who::Who;

pub use reconciled::{Reconciled, ReconciledCause, ReconciledWhat};

/// The proof behind one destroy. Written once; only `memory` (with its step, reading and digest) is
/// completed later.
///
/// A new field is left out if it is empty; otherwise [`Certificate::FORMAT`] is raised. An old
/// certificate must keep its digest when a later program passes it on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Certificate {
    /// Version of the document's format: [`Certificate::FORMAT`].
    pub format: u32,
    /// The session.
    pub session: SessionId,
    /// Its name.
    pub name: SessionName,
    /// The owner of the session, which may read the certificate.
    pub owner: Who,
    /// Generation of its gate at the destroy: how many times the session had been started.
    pub generation: u64,
    /// The kernel's boot id (`/proc/sys/kernel/random/boot_id`): monotonic times of two
    /// certificates are comparable only under one boot id.
    pub boot_id: String,
    /// Versions of the software.
    pub versions: Versions,
    /// The probe at the verdict, with the files that it watched for this session.
    pub probe: Probe,
    /// The operation (the destroy policy) that destroyed it.
    pub operation: Operation,
    /// The wait that the request allowed, in milliseconds; absent if it allowed none.
    pub deadline_ms: Option<u64>,
    /// The requester.
    pub requester: Who,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The stop by an earlier daemon, for a session that was restored stopped and not started
    /// since. Absent for every other session, and if the earlier daemon did not record the stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_before: Option<StoppedBefore>,
    /// Steps, in order.
    pub steps: Vec<Step>,
    /// Readings of the witnesses at the verdict.
    pub readings: Vec<Reading>,
    /// Operations that the daemon settled for users that could not; the first 200.
    pub reconciled: Vec<Reconciled>,
    /// Clients evicted over the session's whole life; the first 200. The readings leave them out,
    /// and say which.
    #[serde(default)]
    pub evicted: Vec<Eviction>,
    /// Totals over the session's whole life.
    pub counts: Counts,
    /// Traffic.
    pub frames: SessionCounters,
    /// Whether the memory was returned.
    pub memory: Memory,
    /// Times at which the witnesses contradicted each other.
    pub disagreements: Vec<Disagreement>,
    /// `sha256:` and the digits of the SHA-256 of the other fields in canonical form. It detects
    /// accidents and careless edits; it is not a signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// False in an answer sent before the certificate was on disk: a kill of the daemon or of the
    /// machine may lose it. Absent otherwise, and in every file; the digest does not cover it.
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
    /// Current [`Certificate::format`].
    pub const FORMAT: u32 = 2;
    /// Most entries of [`Certificate::reconciled`]. Clients that die again and again cannot fill
    /// the daemon's memory, and the certificate fits into a packet of the attach socket.
    pub const LISTED: usize = 200;

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

/// A stop by an earlier daemon, as that daemon recorded it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoppedBefore {
    /// When it happened.
    pub at: Timestamp,
    /// The session's id in that daemon, from its incarnation.
    pub session: SessionId,
    /// The kernel's boot id at that time.
    pub boot_id: String,
}

/// Versions of the software.
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

/// The operation that destroyed a session. Each policy is an operation, not a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Now or not at all.
    Destroy,
    /// As soon as the last user has left, until a deadline.
    DestroyWait,
    /// The daemon's own shutdown.
    Shutdown,
    /// At once, for a watchdog: the clients were evicted first, and the daemon waited for no user.
    Abort,
    /// Set aside with its users: its name is free, and its memory is freed when the last of them is
    /// gone. The readings list its users.
    Quarantine,
}

texts! {
    Operation:
    Destroy "destroy", DestroyWait "destroy_wait", Shutdown "shutdown", Abort "abort",
    Quarantine "quarantine"
}

/// Totals over the session's life. At its end `frames_lent` is the sum of `frames_returned`,
/// `frames_reclaimed`, `frames_reconciled` and `frames_revoked`; for a quarantined session, once
/// its memory is returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Counts {
    /// Attachments over the session's life.
    pub attachments: u64,
    /// Attachments at the stop.
    pub attachments_at_stop: u64,
    /// Callers inside a call at the stop, as the clients' slots counted them.
    pub blocked_at_stop: u64,
    /// Loans of frames.
    pub frames_lent: u64,
    /// Of these, returned by their holder.
    pub frames_returned: u64,
    /// Of these, taken back unread.
    pub frames_reclaimed: u64,
    /// Of these, credited for a holder that could not return them.
    pub frames_reconciled: u64,
    /// Of these, taken back from evicted clients.
    pub frames_revoked: u64,
    /// Number of evictions; `evicted` lists the first 200.
    pub evictions: u64,
    /// Number of reconciliations; `reconciled` lists the first 200.
    pub reconciliations: u64,
}

/// A time at which the witnesses contradicted each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Disagreement {
    /// When it was first seen.
    pub at: Timestamp,
    /// When they agreed again; absent when they never did.
    pub resolved_at: Option<Timestamp>,
    /// The readings.
    pub readings: Vec<Reading>,
    /// Description, in one sentence.
    pub note: String,
}

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

/// A certificate in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CertificateSummary {
    /// The session.
    pub session: SessionId,
    /// Its name.
    pub name: SessionName,
    /// The operation that destroyed it.
    pub operation: Operation,
    /// The requester.
    pub requester: Who,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Whether the memory was returned.
    pub memory: Memory,
    /// Number of reconciliations.
    pub reconciled: u64,
    /// Number of disagreements.
    pub disagreements: u64,
}

/// Answer of `GET /v1/certificates`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CertificateList {
    /// Stored certificates, newest first.
    pub certificates: Vec<CertificateSummary>,
}

/// Whether the session's memory was returned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Memory {
    /// The kernel confirmed that no other process has it open or mapped (W4), and the daemon gave it up. A thread of
    /// the daemon then unmaps it: the kernel has the pages some milliseconds after `at`, and those that are in a pipe
    /// or registered with io_uring when they leave it. `limits.frame_memory_mb` counts them until then.
    Returned {
        /// Size, in bytes.
        bytes: u64,
        /// When the daemon gave it up.
        at: Timestamp,
        /// Processes that had it when the daemon that issued the certificate ended. It was theirs until `at`, when a later
        /// daemon saw that no process had it. Absent if the daemon that issued it gave it up.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left_to: Vec<u32>,
    },
    /// A process still has it open or mapped. The daemon does not reuse it, so it cannot show
    /// another session's frames.
    Pending {
        /// Size, in bytes.
        bytes: u64,
        /// Processes that still hold it, as far as known.
        held_by: Vec<u32>,
    },
    /// The kernel did not answer.
    Unverified {
        /// Size, in bytes.
        bytes: u64,
        /// The cause.
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
