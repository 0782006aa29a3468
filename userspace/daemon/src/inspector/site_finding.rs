//! Result of a helper thread's inspection of a client's probe sites.

use onair_probe::{Blind, Seen};

/// Result of an inspection of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl From<Result<Seen, Blind>> for SiteFinding {
    fn from(seen: Result<Seen, Blind>) -> Self {
        match seen {
            Ok(seen) if seen.asleep.is_empty() => Self::Armed,
            Ok(_) => Self::Asleep,
            Err(blind) => match &blind {
                Blind::Unlisted { tids } => Self::Unlisted {
                    users: tids.len() as u64,
                    reason: blind.to_string(),
                },
                _ => Self::Blind(blind.to_string()),
            },
        }
    }
}
