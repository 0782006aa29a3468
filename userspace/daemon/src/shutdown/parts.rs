//! Registrations of the parts of the daemon.

use std::time::{Duration, Instant};

use super::coordinator::CoordinatorShared;
use crate::config::ShutdownConfig;
use std::sync::Arc;

/// Why a part did not end in order: an error of the part, for the report.
pub type PartError = Box<dyn std::error::Error + Send + Sync>;

/// Ends a part; may block.
pub(super) type EndPart = Box<dyn FnOnce(&Waiting) -> Result<(), PartError> + Send>;

/// Time-out of a part. A configured value is read when the part's turn comes: a reload may have
/// changed it since the registration.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// A fixed time.
    Fixed(Duration),
    /// `timeouts.graceful_ms`, plus `shutdown.handler_ms`.
    Graceful,
    /// `shutdown.handler_ms`.
    Handler,
    /// `shutdown.cleanup_ms`.
    Cleanup,
}

impl From<Duration> for Limit {
    fn from(limit: Duration) -> Self {
        Self::Fixed(limit)
    }
}

/// The configured limits of the shutdown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) config: ShutdownConfig,
    /// `timeouts.graceful_ms`.
    pub(super) graceful: Duration,
}

impl Times {
    /// The part of `limit` that the log counts down: users have `graceful_ms`.
    pub(super) fn counted(&self, limit: Limit) -> Duration {
        match limit {
            Limit::Graceful => self.graceful,
            limit => self.of(limit),
        }
    }

    pub(super) fn of(&self, limit: Limit) -> Duration {
        match limit {
            Limit::Fixed(limit) => limit,
            Limit::Graceful => self.graceful + self.config.handler(),
            Limit::Handler => self.config.handler(),
            Limit::Cleanup => self.config.cleanup(),
        }
    }
}

pub(super) struct Part {
    pub(super) name: String,
    pub(super) priority: u8,
    pub(super) limit: Limit,
    pub(super) run: EndPart,
}

#[derive(Default)]
pub(super) struct Parts {
    /// Phase 1, in the order of registration.
    pub(super) notifications: Vec<Part>,
    pub(super) waiters: Vec<Part>,
    pub(super) servers: Vec<Part>,
    pub(super) cleanups: Vec<Part>,
}

/// The time that a part has to end in.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub(super) deadline: Instant,
    pub(super) shared: Arc<CoordinatorShared>,
}

impl Waiting {
    /// When the part is left behind.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Time given to the part.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether the shutdown was forced: end at once, in order or not.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        self.shared.is_forced()
    }
}
