//! What the parts of the daemon register.

use std::time::{Duration, Instant};

use super::coordinator::Shared;
use crate::config::ShutdownConfig;
use std::sync::Arc;

/// What a function that may block does: end its part. The error is what went wrong, for people.
pub(super) type End = Box<dyn FnOnce(&Waiting) -> Result<(), String> + Send>;

/// How long a part may take to end. What the configuration says is looked up when its turn comes: it
/// may have been reloaded since the part was registered.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// So long.
    Fixed(Duration),
    /// `timeouts.graceful_ms`, and `shutdown.handler_ms` for what it takes beyond that.
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

/// What of the configuration bounds the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) config: ShutdownConfig,
    /// `timeouts.graceful_ms`.
    pub(super) graceful: Duration,
}

impl Times {
    /// What of `limit` is counted down in the log: users have `graceful_ms`.
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
    pub(super) run: End,
}

#[derive(Default)]
pub(super) struct Parts {
    /// Of phase 1, in the order of their registration.
    pub(super) notifications: Vec<Part>,
    pub(super) waiters: Vec<Part>,
    pub(super) servers: Vec<Part>,
    pub(super) cleanups: Vec<Part>,
}

/// The time that a part has to end in.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub(super) deadline: Instant,
    pub(super) shared: Arc<Shared>,
}

impl Waiting {
    /// When it is left behind.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// How long it has.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether the shutdown was forced: end at once, in order or not.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        self.shared.is_forced()
    }
}
