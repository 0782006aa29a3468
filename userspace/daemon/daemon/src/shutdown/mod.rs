//! Shutdown of the daemon.
//!
//! Every part registers how to end it with the [`ShutdownCoordinator`].
//! [`ShutdownCoordinator::run`] runs these phase by phase, as `sequence` decides. No cleanup depends
//! on code after a main loop. Nothing here ends the process: `main` does, with the exit status that
//! follows from the [`Report`].
//!
//! | phase | what happens | registered as |
//! |---|---|---|
//! | STOP_ACCEPTING | every part is notified; requests that begin something get 503; workers accept no new work | notifications |
//! | DRAINING | sessions are stopped; the daemon waits for their users and destroys the sessions | waiters, by priority |
//! | CLEANUP | listening sockets close, requests in flight are answered; threads, ports, EAL and probe end | servers, then cleanups by priority |
//! | SHUTDOWN | the summary | |

mod coordinator;
mod countdown;
mod exit;
mod run;
mod sequence;
mod shared;
mod signals;

/// Counts one operation in flight until it is dropped.
#[derive(Debug)]
pub struct ActiveOperationGuard(Arc<CoordinatorShared>);

impl ActiveOperationGuard {
    fn count(shared: &Arc<CoordinatorShared>) -> Self {
        // SYNC: operations. SeqCst here and in `begin`: either this operation sees that the shutdown
        // has begun, or the shutdown sees this operation.
        shared.operations.open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(shared))
    }

    fn enter(shared: &Arc<CoordinatorShared>) -> Result<Self, ShuttingDown> {
        let guard = Self::count(shared);
        if shared.flags.has_begun() {
            shared.operations.refused.fetch_add(1, Ordering::Relaxed);
            return Err(ShuttingDown);
        }
        Ok(guard)
    }
}

impl Drop for ActiveOperationGuard {
    fn drop(&mut self) {
        // SYNC: operations.
        let before = self.0.operations.open.fetch_sub(1, Ordering::SeqCst);
        if before == 1 && self.0.flags.has_begun() {
            self.0.announce();
        }
    }
}
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use shared::CoordinatorShared;

pub use coordinator::ShutdownCoordinator;
pub use exit::Cause;
pub use exit::Exit;
pub use onair_engine::machine::ShuttingDown;
pub use run::Report;
pub use shared::Wakeup;
pub use shared::{LeftBehind, Limit, PartError, Waiting};
pub use signals::{HANDLED, SignalError, Signals, meaning};
