//! The shutdown handle that every part of the daemon has.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use onair_api::{ShutdownPhase, ShutdownStatus, Timestamp};
use onair_mutant::mutant;
use onair_settings::config::ShutdownConfig;
use onair_workers::ThreadRegistry;
use tokio_util::sync::CancellationToken;

use super::cause::Cause;
use super::operations::{ActiveOperationGuard, ShuttingDown};
use super::shared::parts::Times;
use super::shared::{CoordinatorShared, lock};

/// Each part of the daemon registers how to end it. [`ShutdownCoordinator::run`] runs these when
/// [`ShutdownCoordinator::begin`] is called. Cheap to clone. It does not end the process.
#[derive(Clone, Debug)]
pub struct ShutdownCoordinator {
    pub(super) shared: Arc<CoordinatorShared>,
}

impl ShutdownCoordinator {
    /// A coordinator without registrations.
    ///
    /// # Errors
    /// The kernel's: no descriptors left.
    pub fn new(config: ShutdownConfig) -> std::io::Result<Self> {
        Ok(Self {
            shared: Arc::new(CoordinatorShared::new(config)?),
        })
    }

    /// Begins the shutdown and wakes [`Self::run`]. The first call decides the cause; later calls
    /// return `false`.
    pub fn begin(&self, cause: Cause) -> bool {
        // SYNC: operations. From here on new operations are refused.
        let begun = mutant!(
            "shutdown: begun several times",
            {
                let begun = self.is_shutting_down();
                std::thread::sleep(Duration::from_millis(50));
                self.shared.flags.begun.store(true, Ordering::SeqCst);
                begun
            },
            self.shared.flags.begun.swap(true, Ordering::SeqCst)
        );
        if begun && !mutant!("timer: an expiry during the shutdown counts") {
            return false;
        }
        let mut ledger = self.shared.ledger();
        ledger.cause = Some(cause);
        ledger.since = Some((Timestamp::now(), Instant::now()));
        drop(ledger);
        self.shared.flags.begun_token.cancel();
        if !mutant!("shutdown: begun without waking its thread") {
            self.shared.wakeup.ring();
        }
        self.shared.announce();
        true
    }

    /// Forces the shutdown: no part gets more than `force_ms`. Returns `false` before
    /// [`Self::begin`] and from the second call on.
    pub fn force(&self) -> bool {
        // SYNC: shutdown-forced. AcqRel: one of several calls wins, and a thread that sees it sees
        // what came before.
        if !self.is_shutting_down() || self.shared.flags.forced.swap(true, Ordering::AcqRel) {
            return false;
        }
        self.shared.ledger().forced_at = Some(Instant::now());
        self.shared.flags.forced_token.cancel();
        self.shared.announce();
        self.shared.publish_progress();
        true
    }

    /// Whether the shutdown has begun. One load.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.shared.flags.has_begun()
    }

    /// Whether another daemon takes over.
    #[must_use]
    pub fn is_takeover(&self) -> bool {
        matches!(self.shared.ledger().cause, Some(Cause::Takeover { .. }))
    }

    /// Whether the shutdown was forced.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        self.shared.flags.is_forced()
    }

    /// Time since the shutdown acknowledged its begin. From `debounce_ms` on a further signal
    /// forces.
    #[must_use]
    pub fn acknowledged(&self) -> Option<Duration> {
        self.shared.ledger().acknowledged.map(|at| at.elapsed())
    }

    /// The current phase.
    #[must_use]
    pub fn phase(&self) -> ShutdownPhase {
        self.shared.ledger().phase
    }

    /// The current status.
    #[must_use]
    pub fn status(&self) -> ShutdownStatus {
        self.shared.status()
    }

    /// The active configuration.
    #[must_use]
    pub fn config(&self) -> ShutdownConfig {
        self.shared.times().config
    }

    /// `timeouts.graceful_ms`: how long users may take to leave.
    #[must_use]
    pub fn graceful(&self) -> Duration {
        self.shared.times().graceful
    }

    /// Replaces the configuration. `false` once the shutdown has begun: it keeps its configuration.
    pub fn configure(&self, config: ShutdownConfig, graceful: Duration) -> bool {
        let mut times = lock(&self.shared.times);
        let in_time =
            !self.is_shutting_down() || mutant!("shutdown: configured anew after it has begun");
        if in_time {
            *times = Times { config, graceful };
        }
        in_time
    }

    /// Cancelled when the shutdown begins. For async tasks.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.shared.flags.begun_token.clone()
    }

    /// Cancelled when the shutdown is forced. For async tasks.
    #[must_use]
    pub fn forced_token(&self) -> CancellationToken {
        self.shared.flags.forced_token.clone()
    }

    /// The daemon's worker threads.
    #[must_use]
    pub fn threads(&self) -> &ThreadRegistry {
        &self.shared.threads
    }

    /// Begins an operation. It is in flight until the guard is dropped.
    ///
    /// # Errors
    /// [`ShuttingDown`] once the shutdown has begun.
    pub fn begin_operation(&self) -> Result<ActiveOperationGuard, ShuttingDown> {
        ActiveOperationGuard::enter(&self.shared)
    }

    /// Counts an operation that is allowed during a shutdown: one that only reads, or that helps
    /// the shutdown.
    #[must_use]
    pub fn count_operation(&self) -> ActiveOperationGuard {
        ActiveOperationGuard::count(&self.shared)
    }

    /// Operations in flight.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.shared.operations.open.load(Ordering::SeqCst)
    }

    /// Operations refused because the shutdown had begun.
    #[must_use]
    pub fn operations_refused(&self) -> u64 {
        self.shared.operations.refused.load(Ordering::Relaxed)
    }

    /// Sets the number of live sessions and their users. Relaxed: display only.
    pub fn set_progress(&self, sessions: u64, users: u64) {
        let before = (
            self.shared.sessions.swap(sessions, Ordering::Relaxed),
            self.shared.users.swap(users, Ordering::Relaxed),
        );
        if before != (sessions, users) {
            self.shared.publish_progress();
        }
    }
}

/// The descriptor becomes readable when the shutdown begins.
impl AsFd for ShutdownCoordinator {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.wakeup.as_fd()
    }
}
