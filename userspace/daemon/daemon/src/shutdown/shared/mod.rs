//! State that the shutdown's own thread and the daemon's parts share.

pub(super) mod flags;
pub(super) mod hooks;
pub(super) mod parts;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use onair_api::{PartReport, PhaseTime, ShutdownPhase, ShutdownStatus, Timestamp};
use onair_settings::config::{self, ShutdownConfig, Timeouts};
use onair_workers::ThreadRegistry;

use self::flags::Flags;
use self::hooks::Hooks;
use self::parts::{Parts, Times};
use super::cause::Cause;
use super::sequence::Ended;
use super::wakeup::Wakeup;

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
