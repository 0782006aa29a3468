//! Whether the session's memory was returned.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

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
