//! Why the daemon shuts down.

use std::time::Duration;

use onair_api::Who;
use signal_hook::low_level::signal_name;

/// The cause of the shutdown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A signal number.
    Signal(i32),
    /// `POST /v1/shutdown`.
    Request(Who),
    /// Another daemon takes over.
    Takeover {
        /// Who asked for it.
        who: Who,
        /// The other daemon's process.
        pid: u32,
    },
    /// `--duration` has expired.
    Duration(Duration),
    /// A required part of the daemon has ended.
    PartEnded {
        /// The part's name.
        part: String,
        /// The part's error.
        reason: String,
    },
    /// The start failed: the daemon stops the parts already started.
    StartFailed,
}

impl Cause {
    /// Whether the daemon failed, and was not asked to end.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::PartEnded { .. } | Self::StartFailed)
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Signal(signal) => match signal_name(*signal) {
                Some(name) => f.write_str(name),
                None => write!(f, "signal {signal}"),
            },
            Self::Request(who) => write!(f, "request of {who}"),
            Self::Takeover { who, pid } => write!(f, "process {pid} takes over, by {who}"),
            Self::Duration(duration) => write!(f, "--duration of {duration:?} has passed"),
            Self::PartEnded { part, reason } => write!(f, "{part} has ended: {reason}"),
            Self::StartFailed => f.write_str("the start failed"),
        }
    }
}
