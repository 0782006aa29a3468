//! Notes about a session, for the log and the event stream.

use onair_api::{
    Eviction, EvictionCause, Operation, ProblemCode, Reconciled, ReconciledCause, Who,
};
use onair_ipc::lender::Violation;
use serde::Serialize;

use crate::boundary::runtime::AttachRefusal;

/// One thing that happened, reported once. The driver makes the log line of it, and the event if
/// there is one.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// It runs.
    Started {
        /// Number of starts.
        generation: u64,
    },
    /// Its gates are closed.
    Stopped {
        /// Attachments.
        attachments: u64,
        /// Callers inside.
        callers: u64,
    },
    /// Its duration has passed: it stops.
    Expired,
    /// A poller handed back a runtime although one is here.
    SecondRuntime,
    /// It is not destroyed: its requester has gone.
    Abandoned {
        /// The requester.
        requester: Who,
    },
    /// It is not destroyed.
    NotDestroyed {
        /// The requester.
        requester: Who,
        /// The refusal.
        code: ProblemCode,
        /// One sentence.
        reason: String,
    },
    /// The witnesses contradict each other.
    Contradicted,
    /// It is destroyed.
    Destroyed {
        /// The operation that ended it.
        operation: Operation,
        /// Who asked.
        requester: Who,
    },
    /// It is closed with its users inside.
    Quarantined,
    /// It was quarantined, and its last holder is gone.
    Freed,
    /// A poller, or the runtime here, did not take an attachment.
    NotAttached {
        /// The attachment.
        attachment: u64,
        /// Why.
        reason: AttachRefusal,
    },
    /// A client changed its memory with a system call; it is evicted.
    MemoryTouched {
        /// Its attachment.
        attachment: u64,
        /// Its process.
        pid: u32,
    },
    /// A client wrote words that no client writes that follows the protocol; it is evicted.
    ProtocolBroken {
        /// Its attachment.
        attachment: u64,
        /// The violation.
        violation: Violation,
    },
    /// A client is evicted; its frames are not taken back yet.
    Evicted {
        /// Its attachment.
        attachment: u64,
        /// Its process.
        pid: u32,
        /// Name of the process.
        command: String,
        /// Why.
        cause: EvictionCause,
    },
    /// The frames of an evicted client are taken back.
    TakenBack {
        /// The record.
        eviction: Eviction,
    },
    /// An attachment has ended.
    AttachmentEnded {
        /// Its number.
        attachment: u64,
        /// Its process.
        pid: u32,
        /// Name of the process.
        command: String,
        /// Why.
        cause: ReconciledCause,
    },
    /// Something was settled for a user that could not settle it itself.
    Reconciled {
        /// The record.
        reconciled: Reconciled,
    },
}
