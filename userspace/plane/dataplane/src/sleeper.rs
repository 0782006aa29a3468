//! A poller as other threads see it: whether it sleeps, how to wake it, and whether it has ended.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};

use rustix::event::{EventfdFlags, eventfd};

/// An eventfd on which one thread sleeps.
#[derive(Debug)]
pub(crate) struct Waker(OwnedFd);

impl Waker {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self(eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?))
    }

    /// Makes it readable. The write fails only if it is readable already.
    pub(crate) fn wake(&self) {
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    /// Makes it unreadable.
    pub(crate) fn clear(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.0, &mut count);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A poller that may sleep.
#[derive(Debug)]
pub(crate) struct Sleeper {
    pub(crate) waker: Waker,
    /// It sleeps, or is about to.
    asleep: AtomicBool,
    /// It takes no more commands and packets of others: it ends or has ended.
    closed: AtomicBool,
}

impl Sleeper {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            waker: Waker::new()?,
            asleep: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        })
    }

    /// Another poller, after it has put something into a lane of this one: wakes it if it sleeps.
    pub(crate) fn nudge(&self) {
        // SYNC: poller-asleep. The two fences: either the poller's last look at its lanes sees what
        // was put there, or this side sees that the poller sleeps.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            self.waker.wake();
        }
    }

    /// Poller: from now on [`Self::nudge`] wakes it. It must look at its lanes once more before it
    /// sleeps.
    pub(crate) fn doze(&self) {
        // SYNC: poller-asleep.
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Poller: it is awake, and [`Self::nudge`] makes no system call.
    pub(crate) fn rouse(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Whether the poller takes no more commands.
    pub(crate) fn is_closed(&self) -> bool {
        // SYNC: inbox-closed. SeqCst on both sides: either the poller's last look at the queue sees
        // the command, or the sender sees that the inbox is closed and takes the command out again.
        self.closed.load(Ordering::SeqCst)
    }

    /// Poller: from now on it takes no command.
    pub(crate) fn close(&self) {
        // SYNC: inbox-closed.
        self.closed.store(true, Ordering::SeqCst);
    }
}
