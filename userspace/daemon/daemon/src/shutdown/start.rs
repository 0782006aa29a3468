//! The start, which may hang: a second signal ends it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;

use super::coordinator::ShutdownCoordinator;
use super::shared::lock;

impl ShutdownCoordinator {
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
