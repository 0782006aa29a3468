//! The shutdown handle that every part of the daemon has.

use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use onair_api::{ShutdownPhase, ShutdownStatus, Timestamp};
use onair_mutant::mutant;
use onair_settings::config::ShutdownConfig;
use onair_workers::ThreadRegistry;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::exit::Cause;
use super::sequence::PartKind;
use super::shared::{CoordinatorShared, Limit, PartError, Times, Waiting, lock};
use super::{ActiveOperationGuard, ShuttingDown};

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

    /// Registers a function to call when the shutdown begins (phase 1). They run one after the
    /// other, in the order of registration. It must not block: one that does is left behind after
    /// `handler_ms`. Not called if the shutdown has passed that phase.
    pub fn register_shutdown_notification(
        &self,
        name: impl Into<String>,
        notify: impl FnOnce() + Send + 'static,
    ) {
        let told = |_: &Waiting| {
            notify();
            Ok(())
        };
        self.add(PartKind::Notification, name, 0, Limit::Handler, told);
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
        self.add(PartKind::Waiter, name, priority, limit, wait);
    }

    /// Registers a function that closes a listening server at the start of phase 3. All run in
    /// parallel, each within `handler_ms`.
    pub fn register_server_shutdown(
        &self,
        name: impl Into<String>,
        close: impl FnOnce(&Waiting) -> Result<(), PartError> + Send + 'static,
    ) {
        self.add(PartKind::Server, name, 0, Limit::Handler, close);
    }

    /// Registers a function that releases a part's resources after the servers are closed. As
    /// [`Self::register_shutdown_waiter`], each within `cleanup_ms`.
    pub fn register_cleanup(
        &self,
        name: impl Into<String>,
        priority: u8,
        release: impl FnOnce(&Waiting) -> Result<(), PartError> + Send + 'static,
    ) {
        self.add(PartKind::Cleanup, name, priority, Limit::Cleanup, release);
    }

    pub(super) fn add(
        &self,
        kind: PartKind,
        name: impl Into<String>,
        priority: u8,
        limit: impl Into<Limit>,
        run: impl FnOnce(&Waiting) -> Result<(), PartError> + Send + 'static,
    ) {
        let mut parts = self.shared.parts();
        parts.add(kind, name, priority, limit, run);
    }

    /// Calls `listener` at each change of phase or of the remaining users. It must not block.
    pub fn on_progress(&self, listener: impl Fn(&ShutdownStatus) + Send + Sync + 'static) {
        lock(&self.shared.listeners).push(Arc::new(listener));
    }

    /// Registers an action for SIGHUP. It may block: it runs on the thread `tasks`.
    pub fn register_reload(
        &self,
        name: impl Into<String>,
        reload: impl Fn() + Send + Sync + 'static,
    ) {
        let mut hooks = lock(&self.shared.hooks);
        hooks.reloads.push((name.into(), Arc::new(reload)));
    }

    /// Registers a part of SIGUSR1's output under `name`. It may block: it runs on the thread
    /// `tasks`.
    pub fn register_dump(
        &self,
        name: impl Into<String>,
        dump: impl Fn() -> Value + Send + Sync + 'static,
    ) {
        let mut hooks = lock(&self.shared.hooks);
        hooks.dumps.push((name.into(), Arc::new(dump)));
    }

    /// Runs the actions of SIGHUP.
    pub fn reload(&self) {
        if self.is_shutting_down() {
            tracing::warn!("SIGHUP ignored: the daemon is shutting down");
            return;
        }
        let hooks = lock(&self.shared.hooks).clone();
        hooks.reload();
    }

    /// Output of SIGUSR1: every part's state by name, and the status of the shutdown.
    #[must_use]
    pub fn dump(&self) -> Value {
        let hooks = lock(&self.shared.hooks).clone();
        let mut state = Map::new();
        state.insert(
            "shutdown".into(),
            serde_json::to_value(self.status()).unwrap_or(Value::Null),
        );
        hooks.dump(&mut state);
        Value::Object(state)
    }

    /// Runs `start` on its own thread and waits for its result. Returns `None` if the shutdown was
    /// forced first: the thread is then left behind. A shutdown that begins meanwhile is
    /// acknowledged, so that a second signal forces it; without a second signal this waits for
    /// `start`.
    ///
    /// # Errors
    /// The kernel's: no thread.
    ///
    /// # Panics
    /// If `start` panics.
    pub fn run_start<T: Send + 'static>(
        &self,
        start: impl FnOnce() -> T + Send + 'static,
    ) -> std::io::Result<Option<T>> {
        let done = Arc::new(Mutex::new(None));
        let (own, shared) = (Arc::clone(&done), Arc::clone(&self.shared));
        Builder::new().name("start".into()).spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(start));
            *lock(&own) = Some(ended);
            shared.announce();
        })?;
        let mut ledger = self.shared.ledger();
        loop {
            if let Some(ended) = lock(&done).take() {
                drop(ledger);
                return Ok(Some(ended.unwrap_or_else(|panic| resume_unwind(panic))));
            }
            if self.shared.flags.is_forced() {
                return Ok(None);
            }
            if self.shared.flags.has_begun() && ledger.acknowledged.is_none() {
                drop(ledger);
                self.shared.acknowledge();
                tracing::warn!(
                    "shutdown: waiting for the start to finish; a second signal ends it"
                );
                ledger = self.shared.ledger();
                continue;
            }
            let woken = self.shared.changed.wait(ledger);
            ledger = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The descriptor becomes readable when the shutdown begins.
impl AsFd for ShutdownCoordinator {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.wakeup.as_fd()
    }
}
