//! Requests in flight, counted by guards.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::shared::CoordinatorShared;
pub use onair_engine::machine::ShuttingDown;

/// Counts one operation in flight until it is dropped.
#[derive(Debug)]
pub struct ActiveOperationGuard(Arc<CoordinatorShared>);

impl ActiveOperationGuard {
    pub(super) fn count(shared: &Arc<CoordinatorShared>) -> Self {
        // SYNC: operations. SeqCst here and in `begin`: either this operation sees that the shutdown
        // has begun, or the shutdown sees this operation.
        shared.operations.open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(shared))
    }

    pub(super) fn enter(shared: &Arc<CoordinatorShared>) -> Result<Self, ShuttingDown> {
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
