//! The proof that a count of callers may decide something.

use onair_mutant::mutant;

use crate::memory::AttachmentMemory;
use crate::sync;

/// A heavy fence that was executed: each store that a caller made before it is visible. Only with one is
/// there a count of users that a verdict may rest on ([`AttachmentMemory::users_at`]), so that neither
/// the fence nor the kick can be left out of a drain.
#[derive(Debug)]
pub struct Fence(());

impl Fence {
    /// Arms the kicks of `memories`, then executes the fence: a caller that the count still sees, kicks
    /// when it leaves. SYNC: kick, light-heavy.
    #[must_use]
    pub fn with_kicks<'a>(memories: impl Iterator<Item = &'a AttachmentMemory>) -> Self {
        if !mutant!("kick: not armed for a drain") {
            memories.for_each(AttachmentMemory::arm_kick);
        }
        Self::new()
    }

    /// Executes the fence, for a count after which nobody waits. SYNC: light-heavy.
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
