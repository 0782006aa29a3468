//! A descriptor for event loops.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use onair_ipc::caller::Watch;

/// A descriptor that is readable when a call might have a result. In the loop:
///
/// 1. wait until it is readable,
/// 2. [`EventFd::clear`],
/// 3. `buffer_get` and `event_poll` with [`Timeout::NOW`](crate::Timeout::NOW) until both time out.
///
/// Clear before you check: this order loses no event. The descriptor starts readable, so that the
/// loop checks once. After the end of the session it stays readable, and the calls return `ESTALE`.
///
/// It may outlive its session, but then reports nothing more. Dropping it joins its thread.
///
/// ```no_run
/// use std::os::fd::AsFd as _;
///
/// use onair::{Client, Timeout};
///
/// let session = Client::from_env().attach("studio")?;
/// let ready = session.event_fd()?;
/// println!("wait for {:?}", ready.as_fd());
/// ready.clear();
/// let buffer = session.buffer_get(Timeout::NOW);
/// # Ok::<(), onair::Error>(())
/// ```
#[derive(Debug)]
pub struct EventFd(Watch);

impl EventFd {
    pub(crate) fn new(watch: Watch) -> Self {
        Self(watch)
    }

    /// Makes the descriptor unreadable, unless a call would have a result. Call it before you
    /// check, never after.
    pub fn clear(&self) {
        self.0.clear();
    }

    /// Whether the descriptor is still this one. False: the program has closed it, as `closefrom` does; the library then
    /// leaves the file alone that has its number by now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.is_own()
    }

    /// Whether the descriptor `number` of this process is a duplicate of this one.
    #[must_use]
    pub fn is_at(&self, number: RawFd) -> bool {
        self.0.is_at(number)
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
