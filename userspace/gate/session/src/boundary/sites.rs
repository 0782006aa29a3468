//! State of the probe's sites in a client's process.

use serde::{Deserialize, Serialize};

/// State of the probe's sites in one client's process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sites {
    /// Each site has the kernel's breakpoint, and no thread sleeps on the session's event counts.
    Armed,
    /// Threads sleep on the session's event counts, but the probe does not list them.
    Unlisted {
        /// Number of these threads.
        users: u64,
        /// A description for the reading.
        reason: String,
    },
    /// The probe does not see the process, with the reason.
    Blind(String),
    /// No fresh answer: a helper thread is looking.
    Unknown,
    /// The probe does not watch the process.
    Unwatched,
}

/// Result of an inspection of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SiteFinding {
    /// The sites are armed, and no thread of the client sleeps on the session's event counts.
    Armed,
    /// Threads sleep there, and the probe lists them: they came or left since.
    Asleep,
    /// Threads sleep there that the probe does not list.
    Unlisted {
        /// Number of these threads.
        users: u64,
        /// The reason as text.
        reason: String,
    },
    /// The probe does not see the client. The reason.
    Blind(String),
}
