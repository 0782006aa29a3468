//! What the parts of the daemon register.

use std::time::{Duration, Instant};

use super::coordinator::Shared;
use std::sync::Arc;

/// What a function of phase 1 does: tell its part, without blocking.
pub(super) type Notify = Box<dyn FnOnce() + Send>;
/// What a function that may block does: end its part. The error is what went wrong, for people.
pub(super) type End = Box<dyn FnOnce(&Waiting) -> Result<(), String> + Send>;

pub(super) struct Notification {
    pub(super) name: String,
    pub(super) run: Notify,
}

pub(super) struct Part {
    pub(super) name: String,
    pub(super) priority: u8,
    pub(super) timeout: Duration,
    pub(super) run: End,
}

#[derive(Default)]
pub(super) struct Parts {
    pub(super) notifications: Vec<Notification>,
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
