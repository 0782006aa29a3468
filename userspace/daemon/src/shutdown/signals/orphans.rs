//! Orphans: as PID 1, or as a subreaper, the daemon inherits them. It starts no children of its
//! own.

use rustix::process::{WaitOptions, child_subreaper, getpid, wait};

/// Reaps every dead orphan. Never blocks.
pub(crate) fn reap() {
    let is_subreaper = || child_subreaper().is_ok_and(|it| it.is_some());
    if !getpid().is_init() && !is_subreaper() {
        // A child belongs to the code that started the daemon in its own process.
        return;
    }
    while let Ok(Some((pid, _))) = wait(WaitOptions::NOHANG) {
        tracing::debug!(pid = pid.as_raw_nonzero(), "reaped an orphan");
    }
}
