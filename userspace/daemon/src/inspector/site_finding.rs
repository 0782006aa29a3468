//! What a helper thread saw of the probe's sites in a client.

use onair_probe::{Blind, Seen};

/// What a helper thread saw of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiteFinding {
    /// Its sites are armed, and no thread of it sleeps on the session's event counts.
    Armed,
    /// Threads of it sleep there that the probe lists: they came, or left, since.
    Asleep,
    /// Threads of it sleep there that the probe does not list.
    Unlisted {
        /// How many.
        users: u64,
        /// In words.
        reason: String,
    },
    /// The probe does not see it: why.
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
