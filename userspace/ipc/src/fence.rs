//! The proof that a count of callers is valid for a decision.

use onair_mutant::mutant;

use crate::memory::AttachmentMemory;
use crate::sync;

/// A heavy fence that was executed: each store that a caller made before it is visible. A verdict
/// may rest only on a count of users taken with one ([`AttachmentMemory::users_at`]), so that a
/// drain cannot omit the fence or the kick.
#[derive(Debug)]
pub struct Fence(());

impl Fence {
    /// Arms the kicks of `memories`, then executes the fence: a caller that the count still sees
    /// will kick when it leaves. SYNC: kick, light-heavy.
    #[must_use]
    pub fn with_kicks<'a>(memories: impl Iterator<Item = &'a AttachmentMemory>) -> Self {
        if !mutant!("kick: not armed for a drain") {
            memories.for_each(AttachmentMemory::arm_kick);
        }
        Self::new()
    }

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
