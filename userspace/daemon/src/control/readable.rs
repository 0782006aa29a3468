//! Descriptors on the control thread's event loop.

use std::os::fd::{AsFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A duplicate of `source` to await until it is readable.
///
/// # Errors
/// The kernel's: no descriptor is left.
#[expect(
    deprecated,
    reason = "the replacement is unsafe; an OwnedFd never changes the descriptor it has"
)]
pub(super) fn readable(source: impl AsFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    let own = source.as_fd().try_clone_to_owned()?;
    AsyncFd::with_interest(own, Interest::READABLE)
}
