//! What the control thread tells a poller, and what it hears back: two bounded queues without
//! locks, each with an eventfd for whoever sleeps.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_queue::ArrayQueue;
use onair_ipc::frames::FrameMemory;
use onair_ipc::lender::{Lender, Violation};
use onair_ipc::slot::SlotReading;
use rustix::event::{EventfdFlags, eventfd};

use super::attachment::{AttachRefusal, Evicted};
use super::runtime::Runtime;
use super::send::Flushed;
use super::sessions::StartRefusal;
use super::tap::Tap;

/// Commands that may wait for one poller.
const COMMANDS: usize = 1024;
/// Events that may wait for the control thread, of all pollers.
const EVENTS: usize = 4096;

/// Something that a poller does between two turns.
pub struct PollerTask(Box<dyn FnOnce() + Send>);

impl PollerTask {
    /// It must not block: packets wait for it. If it panics, the poller dies of it.
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

/// What a poller is told.
#[derive(Debug)]
pub enum Command {
    /// Do this. Nothing follows.
    Run(PollerTask),
    /// Run this session. Answered by [`PollerEvent::Refused`] if that cannot be, else not.
    Start(Box<Runtime>),
    /// Stop this session; [`PollerEvent::HandedBack`] follows, for a send session after what was
    /// submitted is sent. Nothing follows if the poller has not got it.
    Quiesce(u64),
    /// Add an attachment to a session.
    Attach {
        /// Which session.
        session: u64,
        /// Its lender.
        lender: Box<Lender>,
        /// Send: the frames that the client fills.
        frames: Option<FrameMemory>,
    },
    /// Take an attachment out of a session; [`PollerEvent::LenderBack`] follows, for a send session
    /// after what it submitted is sent. If the session was handed back meanwhile, the lender came
    /// with it, and nothing follows.
    Detach {
        /// Which session.
        session: u64,
        /// Which attachment.
        attachment: u64,
    },
    /// Cut an attachment of a session off at once; [`PollerEvent::Evicted`] follows. If the session
    /// was handed back meanwhile, the lender came with it, and nothing follows.
    Evict {
        /// Which session.
        session: u64,
        /// Which attachment.
        attachment: u64,
    },
    /// Give the frames back to use that were set aside when this attachment was cut off. Nothing
    /// follows.
    Release {
        /// Which session.
        session: u64,
        /// Which attachment.
        attachment: u64,
    },
    /// Say when what is submitted to a send session by now is sent; [`PollerEvent::Flushed`] follows
    /// then. If the session is handed back first, that comes instead.
    Flush {
        /// Which session.
        session: u64,
        /// Names the request.
        ticket: u64,
    },
    /// Hand the session's packets to this recording, too. Answered by [`PollerEvent::TapRefused`] if the
    /// session is not here, else not.
    Tap {
        /// Which session.
        session: u64,
        /// The way into the recording.
        tap: Box<Tap>,
    },
    /// Hand them to this recording no longer; [`PollerEvent::TapBack`] follows. If the session was
    /// handed back meanwhile, the tap came with it, and nothing follows.
    Untap {
        /// Which session.
        session: u64,
        /// Which recording.
        recording: u64,
    },
    /// Credit what a dead thread had taken inside its call; [`PollerEvent::ThreadCredited`] follows.
    CreditThread {
        /// Which session.
        session: u64,
        /// Which attachment.
        attachment: u64,
        /// Names the request.
        ticket: u64,
        /// The thread's slot as it left it.
        slot: SlotReading,
    },
}

/// What a poller says.
#[derive(Debug)]
pub enum PollerEvent {
    /// No poller touches this session any more; its lenders come with it.
    HandedBack(Box<Runtime>),
    /// An attachment was taken out.
    LenderBack {
        /// Of which session.
        session: u64,
        /// Which attachment.
        attachment: u64,
        /// Its lender, with its ledger.
        lender: Box<Lender>,
        /// Send: its frames.
        frames: Option<FrameMemory>,
    },
    /// An attachment was cut off.
    Evicted {
        /// Of which session.
        session: u64,
        /// It, and what became of its frames.
        evicted: Evicted,
    },
    /// The session was not started.
    Refused {
        /// As it was handed in.
        runtime: Box<Runtime>,
        /// Why.
        reason: StartRefusal,
    },
    /// The attachment was not added.
    AttachRefused {
        /// Of which session.
        session: u64,
        /// As it was handed in.
        lender: Box<Lender>,
        /// As they were handed in.
        frames: Option<FrameMemory>,
        /// Why.
        reason: AttachRefusal,
    },
    /// Answers [`Command::CreditThread`], before the event that takes the lender to the control
    /// thread, or after it with `None`.
    ThreadCredited {
        /// Of which session.
        session: u64,
        /// Of which attachment.
        attachment: u64,
        /// Which request this answers.
        ticket: u64,
        /// Frames credited; `None` if the poller has not got that lender, and did nothing.
        frames: Option<u64>,
    },
    /// What had been submitted to a session at a [`Command::Flush`] is with the port.
    Flushed {
        /// Which session.
        session: u64,
        /// What became of it.
        flushed: Flushed,
    },
    /// A tap was taken out of a session.
    TapBack {
        /// Of which session.
        session: u64,
        /// It.
        tap: Box<Tap>,
    },
    /// A tap was not added: the poller has not got the session.
    TapRefused {
        /// Which session.
        session: u64,
        /// As it was handed in.
        tap: Box<Tap>,
    },
    /// A client wrote what no client following the protocol can have written.
    Violation {
        /// Of which session.
        session: u64,
        /// Which attachment.
        attachment: u64,
        /// What.
        what: Violation,
    },
    /// The interface under a port is gone: nothing arrives and nothing is sent any more.
    PortGone {
        /// The port's name.
        port: String,
    },
    /// A poller panicked. Its sessions follow as [`PollerEvent::HandedBack`], and it takes no more.
    Died {
        /// Index of the poller.
        poller: usize,
        /// What it said.
        message: String,
    },
}

pub(super) fn bell() -> std::io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

/// Makes the event count readable. It cannot fail but when it is readable already.
fn ring(bell: &OwnedFd) {
    let _ = rustix::io::write(bell, &1u64.to_ne_bytes());
}

/// Makes the event count unreadable.
pub(super) fn silence(bell: &OwnedFd) {
    let mut count = [0; 8];
    let _ = rustix::io::read(bell, &mut count);
}

/// Commands to one poller.
#[derive(Debug)]
pub(super) struct Inbox {
    queue: ArrayQueue<Command>,
    pub(super) bell: OwnedFd,
    stop: AtomicBool,
    /// The poller takes no more.
    closed: AtomicBool,
}

impl Inbox {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            queue: ArrayQueue::new(COMMANDS),
            bell: bell()?,
            stop: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        })
    }

    /// Control thread: `Err` gives the command back if the queue is full or the poller has ended.
    pub(super) fn send(&self, command: Command) -> Result<(), Command> {
        // SYNC: inbox-closed. SeqCst on both sides: either the poller's last look at the queue sees
        // the command, or this side sees that it has closed and takes the command out again.
        if self.closed.load(Ordering::SeqCst) {
            return Err(command);
        }
        self.queue.push(command)?;
        if self.closed.load(Ordering::SeqCst)
            && let Some(command) = self.queue.pop()
        {
            return Err(command);
        }
        ring(&self.bell);
        Ok(())
    }

    /// Commands that wait.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Wakes the poller: one that sleeps makes a turn.
    pub(super) fn wake(&self) {
        ring(&self.bell);
    }

    /// Control thread: the poller ends after this turn.
    pub(super) fn stop(&self) {
        // SYNC: inbox-stop. Release: what was sent before is taken before.
        self.stop.store(true, Ordering::Release);
        ring(&self.bell);
    }

    pub(super) fn is_stopping(&self) -> bool {
        // SYNC: inbox-stop.
        self.stop.load(Ordering::Acquire)
    }

    pub(super) fn take(&self) -> Option<Command> {
        self.queue.pop()
    }

    /// Poller: whatever is sent from now on comes back to its sender.
    pub(super) fn close(&self) {
        // SYNC: inbox-closed.
        self.closed.store(true, Ordering::SeqCst);
    }
}

/// Events of all pollers.
#[derive(Debug)]
pub(super) struct Events {
    queue: ArrayQueue<PollerEvent>,
    bell: OwnedFd,
}

impl Events {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            queue: ArrayQueue::new(EVENTS),
            bell: bell()?,
        })
    }

    /// `Err` gives the event back if the queue is full.
    pub(super) fn push(&self, event: PollerEvent) -> Result<(), PollerEvent> {
        self.queue.push(event)?;
        ring(&self.bell);
        Ok(())
    }
}

/// The control thread's end of the events. Its descriptor is readable while events are queued;
/// take them until there is none, which makes it unreadable.
#[derive(Debug, Clone)]
pub struct EventReceiver(pub(super) Arc<Events>);

impl EventReceiver {
    /// The next event.
    #[must_use]
    pub fn pop(&self) -> Option<PollerEvent> {
        let events = &self.0;
        events.queue.pop().or_else(|| {
            silence(&events.bell);
            // One may have come between the look and the silence.
            let event = events.queue.pop()?;
            ring(&events.bell);
            Some(event)
        })
    }
}

impl AsFd for EventReceiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.bell.as_fd()
    }
}

/// A poller's end of the events. What does not fit into the queue waits here.
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

    /// Whether everything is out.
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
