//! Messages between the control thread and a poller, in two bounded lock-free queues, each with an
//! eventfd that wakes a sleeping receiver: commands ([`Inbox`](super::inbox::Inbox)) and events.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use onair_dpdk::{RxQueue, TxQueue};
use onair_ipc::frames::FrameMemory;
use onair_ipc::lender::{Lender, Violation};
use onair_ipc::slot::SlotReading;
use onair_session::{AttachRefusal, Evicted, FlushReport};

use super::config::PortInfo;
use super::inbox::{clear_wake, wake, waker};
use super::kernel_groups::{Joined, KernelMembership};
use super::outlet::Outlet;
use super::refusal::StartRefusal;
use super::runtime::Runtime;
use super::tap::Tap;
use super::target::FlowTarget;

/// Capacity of the event queue, shared by all pollers.
const EVENTS: usize = 4096;

/// A task that a poller runs between two turns.
pub struct PollerTask(Box<dyn FnOnce() + Send>);

impl PollerTask {
    /// Runs on the poller: must not block, because packets wait. A panic ends the poller.
    pub fn new(run: impl FnOnce() + Send + 'static) -> Self {
        Self(Box::new(run))
    }

    pub(super) fn run(self) {
        (self.0)();
    }
}

impl std::fmt::Debug for PollerTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PollerTask")
    }
}

/// One poller's queues of a port, and what the port is now.
#[derive(Debug)]
pub struct PortQueues {
    pub(super) info: PortInfo,
    /// A device with fewer queues than the port has pollers has none for the last of them.
    pub(super) queues: Option<(RxQueue, TxQueue)>,
}

/// A command to a poller.
#[derive(Debug)]
pub enum Command {
    /// Run a task. No event follows.
    Run(PollerTask),
    /// Give up the queues of a port whose device is gone. [`PollerEvent::Unplugged`] follows.
    Unplug {
        /// The port's name.
        port: String,
    },
    /// Serve a port with these queues, whose device is back. No event follows.
    Plug(Box<PortQueues>),
    /// Serve these queues of a port, too, whose poller has died. No event follows.
    Adopt(Box<PortQueues>),
    /// Send these Ethernet frames from a port, if it has room for them. No event follows.
    Emit {
        /// The port's name.
        port: String,
        /// Whole frames.
        frames: Vec<Vec<u8>>,
    },
    /// Run this session. On failure [`PollerEvent::Refused`] follows, else no event.
    Start(Box<Runtime>),
    /// Stop this session. [`PollerEvent::HandedBack`] follows; for a send session, after the
    /// submitted frames are sent. If the poller does not have the session, no event follows.
    Quiesce(u64),
    /// Add an attachment to a session.
    Attach {
        /// Session id.
        session: u64,
        /// The attachment's lender.
        lender: Box<Lender>,
        /// Send: frames that the client fills.
        frames: Option<FrameMemory>,
    },
    /// Remove an attachment. [`PollerEvent::LenderBack`] follows; for a send session, after its
    /// submitted frames are sent. If the session was handed back meanwhile, the lender went with it
    /// and no event follows.
    Detach {
        /// Session id.
        session: u64,
        /// Attachment number.
        attachment: u64,
    },
    /// Evict an attachment at once. [`PollerEvent::Evicted`] follows. If the session was handed
    /// back meanwhile, the lender went with it and no event follows.
    Evict {
        /// Session id.
        session: u64,
        /// Attachment number.
        attachment: u64,
    },
    /// Reuse the frames that were set aside when this attachment was evicted. No event follows.
    Release {
        /// Session id.
        session: u64,
        /// Attachment number.
        attachment: u64,
    },
    /// Give a session these addresses between two frames. [`PollerEvent::Retargeted`] follows. If the
    /// session is handed back first, only that event follows, and the session has its old ones.
    Retarget {
        /// Session id.
        session: u64,
        /// Its new addresses.
        target: Box<FlowTarget>,
    },
    /// Report when the frames submitted so far are sent: [`PollerEvent::Flushed`] follows then. If
    /// the session is handed back first, only that event follows.
    Flush {
        /// Session id.
        session: u64,
        /// Identifies the request.
        ticket: u64,
    },
    /// Hand the finished frames of a receive session to a converted session, too. If the poller does not
    /// have the session, [`PollerEvent::LinkRefused`] follows, else no event.
    Link {
        /// Session id.
        session: u64,
        /// The source's end.
        outlet: Box<Outlet>,
    },
    /// Copy the session's packets to this recording. If the poller does not have the session,
    /// [`PollerEvent::TapRefused`] follows, else no event.
    Tap {
        /// Session id.
        session: u64,
        /// Handle of the recording.
        tap: Box<Tap>,
    },
    /// Remove this recording's tap. [`PollerEvent::TapBack`] follows. If the session was handed
    /// back meanwhile, the tap went with it and no event follows.
    Untap {
        /// Session id.
        session: u64,
        /// Recording id.
        recording: u64,
    },
    /// Credit what a dead thread took inside its call. [`PollerEvent::ThreadCredited`] follows.
    CreditThread {
        /// Session id.
        session: u64,
        /// Attachment number.
        attachment: u64,
        /// Identifies the request.
        ticket: u64,
        /// The thread's slot as the thread left it.
        slot: SlotReading,
    },
}

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
    /// Answers [`Command::CreditThread`]. Sent before the event that returns the lender to the
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
    /// A session has the addresses of a [`Command::Retarget`].
    Retargeted {
        /// Session id.
        session: u64,
    },
    /// The port has taken what was submitted to a session before a [`Command::Flush`].
    Flushed {
        /// Session id.
        session: u64,
        /// What happened to the frames.
        flushed: FlushReport,
    },
    /// An outlet was not added: the poller does not have the session.
    LinkRefused {
        /// Session id.
        session: u64,
        /// The outlet, unchanged.
        outlet: Box<Outlet>,
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
pub(super) struct Events {
    queue: ArrayQueue<PollerEvent>,
    waker: OwnedFd,
}

impl Events {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            queue: ArrayQueue::new(EVENTS),
            waker: waker()?,
        })
    }

    /// `Err` returns the event: the queue is full.
    pub(super) fn push(&self, event: PollerEvent) -> Result<(), PollerEvent> {
        self.queue.push(event)?;
        self.wake();
        Ok(())
    }

    /// Wakes the control thread.
    pub(super) fn wake(&self) {
        wake(&self.waker);
    }
}

/// The control thread's end of the event queue. Its descriptor is readable while events are queued.
/// Take events until none is left: that makes it unreadable.
#[derive(Debug, Clone)]
pub struct EventReceiver(pub(super) Arc<Events>);

impl EventReceiver {
    /// The next event.
    #[must_use]
    pub fn pop(&self) -> Option<PollerEvent> {
        let events = &self.0;
        events.queue.pop().or_else(|| {
            clear_wake(&events.waker);
            // An event may have arrived between the check and the clearing.
            let event = events.queue.pop()?;
            wake(&events.waker);
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
pub(super) struct Outbox {
    events: Arc<Events>,
    waiting: VecDeque<PollerEvent>,
}

impl Outbox {
    pub(super) const fn new(events: Arc<Events>) -> Self {
        Self {
            events,
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, event: PollerEvent) {
        self.waiting.push_back(event);
        self.flush();
    }

    /// Whether every event is in the queue.
    pub(super) fn flush(&mut self) -> bool {
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
    fn events_pushed_and_taken_then_readable_exactly_while_there_are_some() {
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
