//! A descriptor for event loops.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use onair_ipc::caller::Watch;

/// A descriptor that is readable when a call might return something. In the loop:
///
/// 1. wait until it is readable,
/// 2. [`EventFd::clear`],
/// 3. `buffer_get` and `event_poll` with [`Timeout::NOW`](crate::Timeout::NOW) until they have
///    nothing more.
///
/// Clearing before looking is what loses nothing. It is readable at once, so that the first look is
/// made. After the end it stays readable, and the calls say `ESTALE`.
///
/// It may outlive its session, but then has nothing more to tell. Dropping it joins its thread.
#[derive(Debug)]
pub struct EventFd(Watch);

impl EventFd {
    pub(crate) fn new(watch: Watch) -> Self {
        Self(watch)
    }

    /// Makes the descriptor unreadable, unless there is something to be taken. Before looking,
    /// never after.
    pub fn clear(&self) {
        self.0.clear();
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}
