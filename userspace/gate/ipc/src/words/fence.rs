//! The proof that a count of callers is valid for a decision.

use crate::sync;

/// A heavy fence that was executed: each store that a caller made before it is visible. A verdict
/// may rest only on a count of users taken with one ([`AttachmentMemory::users_at`](crate::memory::AttachmentMemory::users_at)), so that a
/// drain cannot omit the fence or the kick.
#[derive(Debug)]
pub struct Fence(());

impl Fence {
    /// Executes the fence, for a count that no drain waits on. SYNC: light-heavy.
    #[expect(
        clippy::new_without_default,
        reason = "it costs 10 µs on every processor"
    )]
    #[must_use]
    pub fn new() -> Self {
        sync::heavy();
        Self(())
    }
}
