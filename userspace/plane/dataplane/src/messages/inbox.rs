//! The commands that wait for one poller.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_queue::ArrayQueue;

use crate::messages::command::Command;
use crate::sleeper::Sleeper;

/// Capacity of one poller's command queue.
const COMMANDS: usize = 1024;

/// Commands to one poller.
#[derive(Debug)]
pub(crate) struct Inbox {
    queue: ArrayQueue<Command>,
    pub(crate) poller: Arc<Sleeper>,
    stop: AtomicBool,
}

impl Inbox {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            queue: ArrayQueue::new(COMMANDS),
            poller: Arc::new(Sleeper::new()?),
            stop: AtomicBool::new(false),
        })
    }

    /// Control thread. `Err` returns the command: the queue is full or the poller has ended.
    pub(crate) fn send(&self, command: Command) -> Result<(), Command> {
        if self.poller.is_closed() {
            return Err(command);
        }
        self.queue.push(command)?;
        // It may have closed since the look above. SYNC: inbox-closed.
        if self.poller.is_closed()
            && let Some(command) = self.queue.pop()
        {
            return Err(command);
        }
        self.wake();
        Ok(())
    }

    /// Commands in the queue.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Wakes the poller: a sleeping poller makes one turn.
    pub(crate) fn wake(&self) {
        self.poller.waker.wake();
    }

    /// Control thread: the poller ends after its current turn.
    pub(crate) fn stop(&self) {
        // SYNC: inbox-stop. Release: the poller takes commands sent before this.
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        // SYNC: inbox-stop.
        self.stop.load(Ordering::Acquire)
    }

    pub(crate) fn take(&self) -> Option<Command> {
        self.queue.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inbox_closed_then_commands_come_back() {
        let inbox = Inbox::new().unwrap();
        inbox.send(Command::Quiesce(1)).unwrap();
        inbox.poller.close();
        assert!(matches!(
            inbox.send(Command::Quiesce(2)),
            Err(Command::Quiesce(2))
        ));
        assert!(matches!(inbox.take(), Some(Command::Quiesce(1))));
    }
}
