//! What the shutdown's own thread and the daemon's parts share.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use onair_api::{PartReport, PhaseTime, ShutdownPhase, ShutdownStatus, Timestamp};
use onair_mutant::mutant;
use onair_settings::config::{self, ShutdownConfig, Timeouts};
use onair_workers::{ThreadRegistry, panic_text};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::exit::Cause;
use super::sequence::Ended;
use crate::shutdown::sequence::{PartKind, PartToEnd};

pub(super) struct CoordinatorShared {
    pub(super) times: Mutex<Times>,
    pub(super) flags: Arc<Flags>,
    pub(super) wakeup: Wakeup,
    pub(super) operations: Operations,
    pub(super) threads: ThreadRegistry,
    pub(super) sessions: AtomicU64,
    pub(super) users: AtomicU64,
    pub(super) parts: Mutex<Parts>,
    pub(super) listeners: Mutex<Vec<Listener>>,
    pub(super) hooks: Mutex<Hooks>,
    pub(super) ledger: Mutex<Ledger>,
    /// The ledger, or the number of operations, has changed.
    pub(super) changed: Condvar,
}

/// Requests in flight, and those that were refused.
#[derive(Debug, Default)]
pub(super) struct Operations {
    pub(super) open: AtomicU64,
    pub(super) refused: AtomicU64,
}

type Listener = Arc<dyn Fn(&ShutdownStatus) + Send + Sync>;

impl std::fmt::Debug for CoordinatorShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("times", &self.times)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}

impl CoordinatorShared {
    pub(super) fn new(config: ShutdownConfig) -> std::io::Result<Self> {
        Ok(Self {
            times: Mutex::new(Times {
                config,
                graceful: config::ms(Timeouts::default().graceful_ms),
            }),
            flags: Arc::default(),
            wakeup: Wakeup::new()?,
            operations: Operations::default(),
            threads: ThreadRegistry::default(),
            sessions: AtomicU64::new(0),
            users: AtomicU64::new(0),
            parts: Mutex::default(),
            listeners: Mutex::default(),
            hooks: Mutex::default(),
            ledger: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    pub(super) fn wait_begun(&self) {
        // The only possible error is a bad descriptor, and then there is nothing to wait for.
        let _ = self.wakeup.wait(None);
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
            forced: self.flags.is_forced(),
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
            let call = AssertUnwindSafe(|| listener(&status));
            if catch_unwind(call).is_err() {
                tracing::error!("a shutdown listener panicked; the shutdown continues");
            }
        }
    }
}

/// No code panics while it holds one of these locks, and the guarded data would stay valid.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Progress of the shutdown.
#[derive(Debug, Default)]
pub(in crate::shutdown) struct Ledger {
    pub(in crate::shutdown) phase: ShutdownPhase,
    pub(in crate::shutdown) cause: Option<Cause>,
    pub(in crate::shutdown) since: Option<(Timestamp, Instant)>,
    pub(in crate::shutdown) acknowledged: Option<Instant>,
    pub(in crate::shutdown) forced_at: Option<Instant>,
    pub(in crate::shutdown) phases: Vec<(PhaseTime, Instant)>,
    pub(in crate::shutdown) parts: Vec<PartReport>,
    /// Parts that have ended and are not reported yet, with their numbers.
    pub(in crate::shutdown) finished: Vec<(u64, Ended)>,
}

/// Both go up once. Threads read the flags, async tasks wait for the tokens.
#[derive(Debug)]
pub(in crate::shutdown) struct Flags {
    pub(in crate::shutdown) begun: AtomicBool,
    pub(in crate::shutdown) forced: AtomicBool,
    pub(in crate::shutdown) begun_token: CancellationToken,
    pub(in crate::shutdown) forced_token: CancellationToken,
}

impl Flags {
    pub(in crate::shutdown) fn has_begun(&self) -> bool {
        // SYNC: operations.
        self.begun.load(Ordering::SeqCst)
    }

    pub(in crate::shutdown) fn is_forced(&self) -> bool {
        // SYNC: shutdown-forced.
        self.forced.load(Ordering::Acquire)
    }
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            begun: AtomicBool::new(mutant!("shutdown: begun from the start")),
            forced: AtomicBool::new(false),
            begun_token: CancellationToken::new(),
            forced_token: CancellationToken::new(),
        }
    }
}

pub(in crate::shutdown) type Reload = Arc<dyn Fn() + Send + Sync>;
pub(in crate::shutdown) type Dump = Arc<dyn Fn() -> Value + Send + Sync>;

#[derive(Clone, Default)]
pub(in crate::shutdown) struct Hooks {
    pub(in crate::shutdown) reloads: Vec<(String, Reload)>,
    pub(in crate::shutdown) dumps: Vec<(String, Dump)>,
}

impl Hooks {
    /// Runs the actions of SIGHUP.
    pub(in crate::shutdown) fn reload(&self) {
        for (name, reload) in &self.reloads {
            let done = catch_unwind(AssertUnwindSafe(|| reload()));
            if let Err(panic) = done {
                tracing::error!(name, panic = panic_text::of(&*panic), "a reload panicked");
            }
        }
    }

    /// Adds every part's state to `state`, by name.
    pub(in crate::shutdown) fn dump(&self, state: &mut Map<String, Value>) {
        for (name, dump) in &self.dumps {
            let part = catch_unwind(AssertUnwindSafe(|| dump()));
            let part = part.unwrap_or_else(|panic| Value::String(panic_text::of(&*panic)));
            state.insert(name.clone(), part);
        }
    }
}

/// Why a part did not end in order: an error of the part, for the report.
pub type PartError = Box<dyn std::error::Error + Send + Sync>;

/// A resource that a part leaves behind because it does not end: the part counts as timed out.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LeftBehind(pub String);

/// Ends a part; may block.
pub(in crate::shutdown) type EndPart = Box<dyn FnOnce(&Waiting) -> Result<(), PartError> + Send>;

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
pub(in crate::shutdown) struct Times {
    pub(in crate::shutdown) config: ShutdownConfig,
    /// `timeouts.graceful_ms`.
    pub(in crate::shutdown) graceful: Duration,
}

impl Times {
    /// The part of `limit` that the log counts down: users have `graceful_ms`.
    fn counted(&self, limit: Limit) -> Duration {
        match limit {
            Limit::Graceful => self.graceful,
            limit => self.of(limit),
        }
    }

    fn of(&self, limit: Limit) -> Duration {
        match limit {
            Limit::Fixed(limit) => limit,
            Limit::Graceful => self.graceful + self.config.handler(),
            Limit::Handler => self.config.handler(),
            Limit::Cleanup => self.config.cleanup(),
        }
    }
}

/// Registered parts, by kind, in the order of registration.
#[derive(Default)]
pub(in crate::shutdown) struct Parts(BTreeMap<PartKind, Vec<RegisteredPart>>);

impl Parts {
    pub(in crate::shutdown) fn add(
        &mut self,
        kind: PartKind,
        name: impl Into<String>,
        priority: u8,
        limit: impl Into<Limit>,
        run: impl FnOnce(&Waiting) -> Result<(), PartError> + Send + 'static,
    ) {
        self.0.entry(kind).or_default().push(RegisteredPart {
            name: name.into(),
            priority,
            limit: limit.into(),
            run: Box::new(run),
        });
    }

    /// Removes those of a kind, with the limits that apply now.
    pub(in crate::shutdown) fn take(
        &mut self,
        kind: PartKind,
        times: Times,
    ) -> Vec<PartToEnd<EndPart>> {
        let parts = self.0.remove(&kind).unwrap_or_default().into_iter();
        let parts = parts.map(|part| PartToEnd {
            name: part.name,
            priority: part.priority,
            limit: times.of(part.limit),
            counted: times.counted(part.limit),
            run: part.run,
        });
        parts.collect()
    }
}

struct RegisteredPart {
    name: String,
    priority: u8,
    limit: Limit,
    run: EndPart,
}

/// The time that a part has to end in.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub(in crate::shutdown) deadline: Instant,
    pub(in crate::shutdown) flags: Arc<Flags>,
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
        self.flags.is_forced()
    }
}

/// An eventfd that is written and never read: any number of threads and event loops may wait on it.
#[derive(Debug)]
pub struct Wakeup(OwnedFd);

impl Wakeup {
    /// Creates it unreadable.
    ///
    /// # Errors
    /// The kernel's: no descriptors left.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self(eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?))
    }

    /// Makes it readable. One write(2), so it is safe in a signal handler.
    pub fn ring(&self) {
        // It can fail only when the descriptor is readable already.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    /// Waits until it is readable, at most `timeout` (`None`: no limit). Returns whether it is.
    #[must_use]
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let remaining = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            let remaining = remaining
                .map(|remaining| Timespec::try_from(remaining).unwrap_or(Timespec::default()));
            let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
            match poll(&mut fds, remaining.as_ref()) {
                Ok(0) => return false,
                Ok(_) => return true,
                Err(Errno::INTR) => {}
                // Only a bad descriptor: waiting on it would never end.
                Err(_) => return true,
            }
        }
    }
}

impl AsFd for Wakeup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
