//! A descriptor that becomes readable once and stays readable.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

/// An eventfd that is written and never read: any number of threads and event loops may wait on it.
#[derive(Debug)]
pub struct Wakeup(OwnedFd);

impl Wakeup {
    /// Creates it unreadable.
    ///
    /// # Errors
    /// The kernel's: no descriptors left.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self(eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?))
    }

    /// Makes it readable. One write(2), so it is safe in a signal handler.
    pub fn ring(&self) {
        // It can fail only when the descriptor is readable already.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    /// Waits until it is readable, at most `timeout` (`None`: no limit). Returns whether it is.
    #[must_use]
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let remaining = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            let remaining = remaining
                .map(|remaining| Timespec::try_from(remaining).unwrap_or(Timespec::default()));
            let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
            match poll(&mut fds, remaining.as_ref()) {
                Ok(0) => return false,
                Ok(_) => return true,
                Err(Errno::INTR) => {}
                // Only a bad descriptor: waiting on it would never end.
                Err(_) => return true,
            }
        }
    }
}

impl AsFd for Wakeup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
