//! Exit statuses of `onaird`, in one table.

use std::time::Duration;

use onair_api::Who;
use onair_settings::config::ConfigError;
use signal_hook::low_level::signal_name;

/// Exit status and its reason. docs/reference.md lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Ended in order.
    Clean,
    /// The start failed, or a part failed.
    Failed,
    /// Wrong arguments (clap's own status).
    Arguments,
    /// Sessions were still in use after the graceful time-out.
    InUse,
    /// Forced by a second signal.
    Forced,
    /// Invalid configuration (LSB: not configured).
    NotConfigured,
    /// A part did not end in time and was left behind.
    TimedOut,
    /// A second signal ended an unfinished start.
    StartForced,
}

impl From<&ConfigError> for Exit {
    fn from(error: &ConfigError) -> Self {
        if error.is_of_the_machine() {
            Self::Failed
        } else {
            Self::NotConfigured
        }
    }
}

impl Exit {
    /// Every status, in order.
    pub const ALL: [Self; 8] = [
        Self::Clean,
        Self::Failed,
        Self::Arguments,
        Self::InUse,
        Self::Forced,
        Self::NotConfigured,
        Self::TimedOut,
        Self::StartForced,
    ];

    /// The status number.
    #[must_use]
    pub const fn status(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Failed => 1,
            Self::Arguments => 2,
            Self::InUse => 4,
            Self::Forced => 5,
            Self::NotConfigured => 6,
            Self::TimedOut => 7,
            Self::StartForced => 8,
        }
    }

    /// The meaning, for `--help`.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Clean => "ended in order",
            Self::Failed => "failed: it could not be started, or a part failed",
            Self::Arguments => "wrong arguments",
            Self::InUse => "sessions were still in use when timeouts.graceful_ms had passed",
            Self::Forced => "forced by a second signal",
            Self::NotConfigured => "the configuration is invalid",
            Self::TimedOut => "a part did not end in its time and was left behind",
            Self::StartForced => "a second signal ended a start that did not finish",
        }
    }
}

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
