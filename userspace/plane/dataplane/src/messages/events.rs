//! Events of the pollers for the control thread, in one bounded lock-free queue with an eventfd.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use onair_ipc::frames::FrameMemory;
use onair_ipc::lender::{Lender, Violation};
use onair_session::{AttachRefusal, Evicted, FlushReport};

use crate::addresses::{Joined, KernelMembership};
use crate::runtime::Runtime;
use crate::runtime::refusal::StartRefusal;
use crate::runtime::tap::Tap;
use crate::sleeper::Waker;

/// Capacity of the event queue, shared by all pollers.
const EVENTS: usize = 4096;

/// An event from a poller.
#[derive(Debug)]
pub enum PollerEvent {
    /// The poller no longer touches this session. The lenders come with it.
    HandedBack(Box<Runtime>),
    /// An attachment was removed.
    LenderBack {
        /// Session id.
        session: u64,
        /// Attachment number.
        attachment: u64,
        /// Its lender, with its ledger.
        lender: Box<Lender>,
        /// Send: the client's frames.
        frames: Option<FrameMemory>,
    },
    /// An attachment was evicted.
    Evicted {
        /// Session id.
        session: u64,
        /// The attachment, and what happened to its frames.
        evicted: Evicted,
    },
    /// The session was not started.
    Refused {
        /// The runtime, unchanged.
        runtime: Box<Runtime>,
        /// The reason.
        reason: StartRefusal,
    },
    /// The attachment was not added.
    AttachRefused {
        /// Session id.
        session: u64,
        /// The lender, unchanged.
        lender: Box<Lender>,
        /// The frames, unchanged.
        frames: Option<FrameMemory>,
        /// The reason.
        reason: AttachRefusal,
    },
    /// Answers [`Command::CreditThread`](crate::Command::CreditThread). Sent before the event that returns the lender to the
    /// control thread, or after it with `None`.
    ThreadCredited {
        /// Session id.
        session: u64,
        /// Attachment number.
        attachment: u64,
        /// The request that this answers.
        ticket: u64,
        /// Frames credited. `None`: the poller does not have that lender and did nothing.
        frames: Option<u64>,
    },
    /// A session has the addresses of a [`Command::Retarget`](crate::Command::Retarget).
    Retargeted {
        /// Session id.
        session: u64,
    },
    /// The port has taken what was submitted to a session before a [`Command::Flush`](crate::Command::Flush).
    Flushed {
        /// Session id.
        session: u64,
        /// Result of the flush.
        flushed: FlushReport,
    },
    /// Frames of an earlier filler of a local session are not used, so that their pages can be replaced; or all frames are
    /// fresh.
    Renewal {
        /// Session id.
        session: u64,
    },
    /// A tap was removed from a session.
    TapBack {
        /// Session id.
        session: u64,
        /// The tap.
        tap: Box<Tap>,
    },
    /// A tap was not added: the poller does not have the session.
    TapRefused {
        /// Session id.
        session: u64,
        /// The tap, unchanged.
        tap: Box<Tap>,
    },
    /// A client wrote a value that a correct client cannot write.
    Violation {
        /// Session id.
        session: u64,
        /// Attachment number.
        attachment: u64,
        /// The violation.
        what: Violation,
    },
    /// The device under a port is gone: the port neither receives nor sends.
    PortGone {
        /// The port's name.
        port: String,
    },
    /// A poller has given up its queues of a port.
    Unplugged {
        /// Index of the poller.
        poller: usize,
        /// The port's name.
        port: String,
    },
    /// A port whose device is gone cannot be opened again yet.
    PortMissing {
        /// The port's name.
        port: String,
        /// Why.
        reason: String,
    },
    /// The device under a port is back, and the port is open again.
    PortBack {
        /// The port's name.
        port: String,
    },
    /// The link of a port went down or came up.
    PortLink {
        /// The port's name.
        port: String,
        /// Whether it is up now.
        up: bool,
    },
    /// The kernel joined a multicast group, or not.
    GroupJoined {
        /// The membership.
        membership: KernelMembership,
        /// Whether it joined.
        joined: Joined,
    },
    /// A poller panicked. Its sessions follow as [`PollerEvent::HandedBack`]. It takes no more
    /// commands.
    Died {
        /// Index of the poller.
        poller: usize,
        /// The panic message.
        message: String,
    },
}

/// Event queue of all pollers.
#[derive(Debug)]
pub(crate) struct Events {
    queue: ArrayQueue<PollerEvent>,
    waker: Waker,
}

impl Events {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            queue: ArrayQueue::new(EVENTS),
            waker: Waker::new()?,
        })
    }

    /// `Err` returns the event: the queue is full.
    pub(crate) fn push(&self, event: PollerEvent) -> Result<(), PollerEvent> {
        self.queue.push(event)?;
        self.wake();
        Ok(())
    }

    /// Wakes the control thread.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }
}

/// The control thread's end of the event queue. Its descriptor is readable while events are queued.
/// Take events until none is left: that makes it unreadable.
#[derive(Debug, Clone)]
pub struct EventReceiver(pub(crate) Arc<Events>);

impl EventReceiver {
    /// The next event.
    #[must_use]
    pub fn pop(&self) -> Option<PollerEvent> {
        let events = &self.0;
        events.queue.pop().or_else(|| {
            events.waker.clear();
            // An event may have arrived between the check and the clearing.
            let event = events.queue.pop()?;
            events.waker.wake();
            Some(event)
        })
    }
}

impl AsFd for EventReceiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.waker.as_fd()
    }
}

/// A poller's end of the event queue. Events that do not fit wait here.
#[derive(Debug)]
pub(crate) struct Outbox {
    events: Arc<Events>,
    waiting: VecDeque<PollerEvent>,
}

impl Outbox {
    pub(crate) const fn new(events: Arc<Events>) -> Self {
        Self {
            events,
            waiting: VecDeque::new(),
        }
    }

    pub(crate) fn push(&mut self, event: PollerEvent) {
        self.waiting.push_back(event);
        self.flush();
    }

    /// Whether every event is in the queue.
    pub(crate) fn flush(&mut self) -> bool {
        while let Some(event) = self.waiting.pop_front() {
            if let Err(event) = self.events.push(event) {
                self.waiting.push_front(event);
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn is_readable(receiver: &EventReceiver) -> bool {
        let mut fds = [PollFd::new(receiver, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).unwrap() == 1
    }

    fn gone(number: usize) -> PollerEvent {
        PollerEvent::PortGone {
            port: number.to_string(),
        }
    }

    #[test]
    fn events_pushed_and_taken_then_readable_exactly_while_any_wait() {
        let events = Arc::new(Events::new().unwrap());
        let receiver = EventReceiver(Arc::clone(&events));
        assert!(!is_readable(&receiver));
        events.push(gone(1)).unwrap();
        events.push(gone(2)).unwrap();
        assert!(receiver.pop().is_some() && is_readable(&receiver));
        assert!(receiver.pop().is_some() && receiver.pop().is_none());
        assert!(!is_readable(&receiver));
    }

    #[test]
    fn outbox_queue_full_then_keeps_the_order_and_delivers_later() {
        let events = Arc::new(Events::new().unwrap());
        let receiver = EventReceiver(Arc::clone(&events));
        let mut outbox = Outbox::new(events);
        (0..EVENTS + 5).for_each(|number| outbox.push(gone(number)));
        let mut taken = Vec::new();
        loop {
            let Some(PollerEvent::PortGone { port }) = receiver.pop() else {
                break;
            };
            taken.push(port);
            outbox.flush();
        }
        let expected: Vec<_> = (0..EVENTS + 5).map(|number| number.to_string()).collect();
        assert_eq!(taken, expected);
    }
}
