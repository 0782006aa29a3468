//! The commands that wait for one poller, and what wakes it: a command, or what another poller
//! handed over.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use crossbeam_queue::ArrayQueue;
use rustix::event::{EventfdFlags, eventfd};

use super::command::Command;

/// Capacity of one poller's command queue.
const COMMANDS: usize = 1024;

pub(super) fn waker() -> std::io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

/// Makes the eventfd readable. The write fails only if the eventfd is readable already.
pub(super) fn wake(waker: &OwnedFd) {
    let _ = rustix::io::write(waker, &1u64.to_ne_bytes());
}

/// Makes the eventfd unreadable.
pub(super) fn clear_wake(waker: &OwnedFd) {
    let mut count = [0; 8];
    let _ = rustix::io::read(waker, &mut count);
}

/// Commands to one poller.
#[derive(Debug)]
pub(super) struct Inbox {
    queue: ArrayQueue<Command>,
    pub(super) waker: OwnedFd,
    stop: AtomicBool,
    /// The poller takes no more commands.
    closed: AtomicBool,
    /// The poller sleeps, or is about to.
    asleep: AtomicBool,
}

impl Inbox {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            queue: ArrayQueue::new(COMMANDS),
            waker: waker()?,
            stop: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
        })
    }

    /// Control thread. `Err` returns the command: the queue is full or the poller has ended.
    pub(super) fn send(&self, command: Command) -> Result<(), Command> {
        // SYNC: inbox-closed. SeqCst on both sides: either the poller's last look at the queue sees
        // the command, or this side sees that the inbox is closed and takes the command out again.
        if self.closed.load(Ordering::SeqCst) {
            return Err(command);
        }
        self.queue.push(command)?;
        if self.closed.load(Ordering::SeqCst)
            && let Some(command) = self.queue.pop()
        {
            return Err(command);
        }
        wake(&self.waker);
        Ok(())
    }

    /// Commands in the queue.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Wakes the poller: a sleeping poller makes one turn.
    pub(super) fn wake(&self) {
        wake(&self.waker);
    }

    /// Another poller, after it has put something into a lane of this one: wakes it if it sleeps.
    pub(super) fn nudge(&self) {
        // SYNC: poller-asleep. The two fences: either the poller's last look at its lanes sees what
        // was put there, or this side sees that the poller sleeps.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            wake(&self.waker);
        }
    }

    /// Poller: from now on [`Self::nudge`] wakes it. It must look at its lanes once more before it
    /// sleeps.
    pub(super) fn doze(&self) {
        // SYNC: poller-asleep.
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Poller: it is awake.
    pub(super) fn rouse(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Whether the poller takes no more commands.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Control thread: the poller ends after its current turn.
    pub(super) fn stop(&self) {
        // SYNC: inbox-stop. Release: the poller takes commands sent before this.
        self.stop.store(true, Ordering::Release);
        wake(&self.waker);
    }

    pub(super) fn is_stopping(&self) -> bool {
        // SYNC: inbox-stop.
        self.stop.load(Ordering::Acquire)
    }

    pub(super) fn take(&self) -> Option<Command> {
        self.queue.pop()
    }

    /// Poller: from now on, `send` returns every command to its sender.
    pub(super) fn close(&self) {
        // SYNC: inbox-closed.
        self.closed.store(true, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inbox_closed_then_commands_come_back() {
        let inbox = Inbox::new().unwrap();
        inbox.send(Command::Quiesce(1)).unwrap();
        inbox.close();
        assert!(matches!(
            inbox.send(Command::Quiesce(2)),
            Err(Command::Quiesce(2))
        ));
        assert!(matches!(inbox.take(), Some(Command::Quiesce(1))));
    }
}
