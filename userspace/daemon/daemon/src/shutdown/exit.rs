//! Exit statuses of `onaird`, in one table.

use onair_settings::config::ConfigError;

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
