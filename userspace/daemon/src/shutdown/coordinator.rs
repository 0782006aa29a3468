//! The shutdown handle that every part of the daemon has.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use onair_api::{PartReport, PhaseTime, ShutdownPhase, ShutdownStatus, Timestamp};
use onair_mutant::mutant;
use onair_workers::ThreadRegistry;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Timeouts};

use super::cause::Cause;
use super::hooks::Hooks;
use super::operations::{ActiveOperationGuard, Operations, ShuttingDown};
use super::parts::{Limit, Part, PartError, Parts, Times, Waiting};
use super::wakeup::Wakeup;
use crate::config::ShutdownConfig;

/// Each part of the daemon registers how to end it. [`ShutdownCoordinator::run`] runs these when
/// [`ShutdownCoordinator::begin`] is called. Cheap to clone. It does not end the process.
#[derive(Clone, Debug)]
pub struct ShutdownCoordinator {
    pub(super) shared: Arc<CoordinatorShared>,
}

pub(super) struct CoordinatorShared {
    times: Mutex<Times>,
    begun: AtomicBool,
    forced: AtomicBool,
    wakeup: Wakeup,
    begun_token: CancellationToken,
    forced_token: CancellationToken,
    pub(super) operations: Operations,
    pub(super) threads: ThreadRegistry,
    sessions: AtomicU64,
    users: AtomicU64,
    parts: Mutex<Parts>,
    listeners: Mutex<Vec<Listener>>,
    pub(super) hooks: Mutex<Hooks>,
    pub(super) ledger: Mutex<Ledger>,
    /// The ledger, or the number of operations, has changed.
    pub(super) changed: Condvar,
}

type Listener = Arc<dyn Fn(&ShutdownStatus) + Send + Sync>;

/// Progress of the shutdown.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) phase: ShutdownPhase,
    pub(super) cause: Option<Cause>,
    pub(super) since: Option<(Timestamp, Instant)>,
    pub(super) acknowledged: Option<Instant>,
    pub(super) forced_at: Option<Instant>,
    pub(super) phases: Vec<(PhaseTime, Instant)>,
    pub(super) parts: Vec<PartReport>,
    /// Parts that have ended and are not reported yet, with their numbers.
    pub(super) finished: Vec<(u64, super::sequence::Ended)>,
    pub(super) next_part: u64,
}

impl std::fmt::Debug for CoordinatorShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("times", &self.times)
            .field("begun", &self.begun)
            .field("forced", &self.forced)
            .finish_non_exhaustive()
    }
}

impl CoordinatorShared {
    pub(super) fn has_begun(&self) -> bool {
        // SYNC: operations.
        self.begun.load(Ordering::SeqCst)
    }

    pub(super) fn is_forced(&self) -> bool {
        // SYNC: shutdown-forced.
        self.forced.load(Ordering::Acquire)
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    pub(super) fn times(&self) -> Times {
        *lock(&self.times)
    }

    pub(super) fn parts(&self) -> MutexGuard<'_, Parts> {
        lock(&self.parts)
    }

    /// Wakes the threads that wait for the ledger.
    pub(super) fn announce(&self) {
        // Lock it, so that no thread is between its check and its sleep.
        let ledger = self.ledger();
        self.changed.notify_all();
        drop(ledger);
    }

    /// Live sessions and their users. Relaxed: display only.
    pub(super) fn progress(&self) -> (u64, u64) {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        (count(&self.sessions), count(&self.users))
    }

    pub(super) fn status(&self) -> ShutdownStatus {
        let (sessions, users) = self.progress();
        let ledger = self.ledger();
        ShutdownStatus {
            phase: ledger.phase,
            cause: ledger.cause.as_ref().map(ToString::to_string),
            since: ledger.since.map(|(at, _)| at),
            forced: self.is_forced(),
            sessions,
            users,
            operations: self.operations.open.load(Ordering::Relaxed),
            phases: ledger.phases.iter().map(|(time, _)| time.clone()).collect(),
            parts: ledger.parts.clone(),
        }
    }

    /// Reports the current status to the listeners.
    pub(super) fn publish_progress(&self) {
        let listeners = lock(&self.listeners).clone();
        if listeners.is_empty() {
            return;
        }
        let status = self.status();
        for listener in listeners {
            let call = std::panic::AssertUnwindSafe(|| listener(&status));
            if std::panic::catch_unwind(call).is_err() {
                tracing::error!("a shutdown listener panicked; the shutdown continues");
            }
        }
    }
}

/// No code panics while it holds one of these locks, and the guarded data would stay valid.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ShutdownCoordinator {
    /// A coordinator without registrations.
    ///
    /// # Errors
    /// The kernel's: no descriptors left.
    pub fn new(config: ShutdownConfig) -> std::io::Result<Self> {
        Ok(Self {
            shared: Arc::new(CoordinatorShared {
                times: Mutex::new(Times {
                    config,
                    graceful: config::ms(Timeouts::default().graceful_ms),
                }),
                begun: AtomicBool::new(mutant!("shutdown: begun from the start")),
                forced: AtomicBool::new(false),
                wakeup: Wakeup::new()?,
                begun_token: CancellationToken::new(),
                forced_token: CancellationToken::new(),
                operations: Operations::default(),
                threads: ThreadRegistry::default(),
                sessions: AtomicU64::new(0),
                users: AtomicU64::new(0),
                parts: Mutex::default(),
                listeners: Mutex::default(),
                hooks: Mutex::default(),
                ledger: Mutex::default(),
                changed: Condvar::new(),
            }),
        })
    }

    /// Registers a function to call when the shutdown begins (phase 1). They run one after the
    /// other, in the order of registration. It must not block: one that does is left behind after
    /// `handler_ms`. Not called if the shutdown has passed that phase.
    pub fn register_shutdown_notification(
        &self,
        name: impl Into<String>,
        notify: impl FnOnce() + Send + 'static,
    ) {
        let part = part(name, 0, Limit::Handler, |_| {
            notify();
            Ok(())
        });
        self.shared.parts().notifications.push(part);
    }

    /// Registers a function to run in phase 2, on its own thread: lowest `priority` first, equal
    /// priorities in parallel. One that takes longer than `limit` is reported and left behind.
    pub fn register_shutdown_waiter(
        &self,
        name: impl Into<String>,
        priority: u8,
        limit: impl Into<Limit>,
        wait: impl FnOnce(&Waiting) -> Result<(), PartError> + Send + 'static,
    ) {
        let part = part(name, priority, limit, wait);
        self.shared.parts().waiters.push(part);
    }

    /// Registers a function that closes a listening server at the start of phase 3. All run in
    /// parallel, each within `handler_ms`.
    pub fn register_server_shutdown(
        &self,
        name: impl Into<String>,
        close: impl FnOnce(&Waiting) -> Result<(), PartError> + Send + 'static,
    ) {
        let part = part(name, 0, Limit::Handler, close);
        self.shared.parts().servers.push(part);
    }

    /// Registers a function that releases a part's resources after the servers are closed. As
    /// [`Self::register_shutdown_waiter`], each within `cleanup_ms`.
    pub fn register_cleanup(
        &self,
        name: impl Into<String>,
        priority: u8,
        release: impl FnOnce(&Waiting) -> Result<(), PartError> + Send + 'static,
    ) {
        let part = part(name, priority, Limit::Cleanup, release);
        self.shared.parts().cleanups.push(part);
    }

    /// Calls `listener` at each change of phase or of the remaining users. It must not block.
    pub fn on_progress(&self, listener: impl Fn(&ShutdownStatus) + Send + Sync + 'static) {
        lock(&self.shared.listeners).push(Arc::new(listener));
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
                self.shared.begun.store(true, Ordering::SeqCst);
                begun
            },
            self.shared.begun.swap(true, Ordering::SeqCst)
        );
        if begun && !mutant!("timer: an expiry during the shutdown counts") {
            return false;
        }
        let mut ledger = self.shared.ledger();
        ledger.cause = Some(cause);
        ledger.since = Some((Timestamp::now(), Instant::now()));
        drop(ledger);
        self.shared.begun_token.cancel();
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
        if !self.is_shutting_down() || self.shared.forced.swap(true, Ordering::AcqRel) {
            return false;
        }
        self.shared.ledger().forced_at = Some(Instant::now());
        self.shared.forced_token.cancel();
        self.shared.announce();
        self.shared.publish_progress();
        true
    }

    /// Whether the shutdown has begun. One load.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.shared.has_begun()
    }

    /// Whether the shutdown was forced.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        self.shared.is_forced()
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
        self.shared.begun_token.clone()
    }

    /// Cancelled when the shutdown is forced. For async tasks.
    #[must_use]
    pub fn forced_token(&self) -> CancellationToken {
        self.shared.forced_token.clone()
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

pub(super) fn part(
    name: impl Into<String>,
    priority: u8,
    limit: impl Into<Limit>,
    run: impl FnOnce(&Waiting) -> Result<(), PartError> + Send + 'static,
) -> Part {
    Part {
        name: name.into(),
        priority,
        limit: limit.into(),
        run: Box::new(run),
    }
}

impl CoordinatorShared {
    pub(super) fn wait_begun(&self) {
        // The only possible error is a bad descriptor, and then there is nothing to wait for.
        let _ = self.wakeup.wait(None);
    }
}
