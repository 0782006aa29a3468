//! Whether the shutdown has begun, and whether it was forced.

use std::sync::atomic::{AtomicBool, Ordering};

use onair_mutant::mutant;
use tokio_util::sync::CancellationToken;

/// Both go up once. Threads read the flags, async tasks wait for the tokens.
#[derive(Debug)]
pub(in crate::shutdown) struct Flags {
    pub(in crate::shutdown) begun: AtomicBool,
    pub(in crate::shutdown) forced: AtomicBool,
    pub(in crate::shutdown) begun_token: CancellationToken,
    pub(in crate::shutdown) forced_token: CancellationToken,
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
