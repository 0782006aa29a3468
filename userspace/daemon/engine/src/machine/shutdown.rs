//! The daemon's shutdown, in which the engine ends the sessions.

use std::fmt::Debug;
use std::time::Duration;

use onair_api::{Problem, ProblemCode, ShutdownStatus, Who};
use onair_settings::config::ShutdownConfig;

/// The daemon is shutting down and refuses the operation. HTTP 503 `shutting_down`, `ESHUTDOWN` in
/// the client library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the daemon is shutting down")]
pub struct ShuttingDown;

impl From<ShuttingDown> for Problem {
    fn from(refusal: ShuttingDown) -> Self {
        Self::new(ProblemCode::ShuttingDown, refusal.to_string())
    }
}

/// Why the engine ends the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// A user asked for it.
    Request(Who),
    /// A poller does not work any more.
    PollerLost {
        /// Its name.
        poller: String,
        /// Why.
        reason: String,
    },
}

/// The shutdown, before it and in progress.
pub trait Shutdown: Debug {
    /// Begins it. The first cause counts.
    fn begin(&self, cause: EndCause);
    /// Whether it has begun.
    fn is_shutting_down(&self) -> bool;
    /// Whether users are not waited for any more.
    fn is_forced(&self) -> bool;
    /// Whether another daemon takes over.
    fn is_takeover(&self) -> bool;
    /// Its state, for reports.
    fn status(&self) -> ShutdownStatus;
    /// Requests refused because it had begun.
    fn operations_refused(&self) -> u64;
    /// Its configuration.
    fn config(&self) -> ShutdownConfig;
    /// Replaces the configuration, unless it has begun. `graceful`: how long users may take to leave.
    fn configure(&self, config: ShutdownConfig, graceful: Duration);
    /// Sets the number of live sessions and their users, for reports.
    fn set_progress(&self, sessions: u64, users: u64);
}

impl dyn Shutdown + '_ {
    /// Whether the daemon takes requests that begin something.
    ///
    /// # Errors
    /// [`ShuttingDown`].
    pub fn check_service(&self) -> Result<(), ShuttingDown> {
        match self.is_shutting_down() {
            true => Err(ShuttingDown),
            false => Ok(()),
        }
    }
}
