//! Commands of the control thread to a poller.

use std::net::IpAddr;

use onair_ipc::frames::FrameMemory;
use onair_ipc::lender::Lender;
use onair_ipc::slot::SlotReading;

use crate::flow::target::{FlowTarget, SwitchTime};
use crate::port_queues::PortQueues;
use crate::runtime::Runtime;
use crate::runtime::tap::Tap;

/// A task that a poller runs between two turns.
pub struct PollerTask(Box<dyn FnOnce() + Send>);

impl PollerTask {
    /// Runs on the poller: must not block, because packets wait. A panic ends the poller.
    pub fn new(run: impl FnOnce() + Send + 'static) -> Self {
        Self(Box::new(run))
    }

    pub(crate) fn run(self) {
        (self.0)();
    }
}

impl std::fmt::Debug for PollerTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PollerTask")
    }
}

/// A command to a poller.
#[derive(Debug)]
pub enum Command {
    /// Run a task. No event follows.
    Run(PollerTask),
    /// Give up the queues of a port whose device is gone. [`PollerEvent::Unplugged`](crate::PollerEvent::Unplugged) follows.
    Unplug {
        /// The port's name.
        port: String,
    },
    /// Serve a port with these queues, whose device is back. No event follows.
    Plug(Box<PortQueues>),
    /// Serve these queues of a port, too, whose poller has died. No event follows.
    Adopt(Box<PortQueues>),
    /// The kernel knows this neighbour of a port. No event follows.
    Resolved {
        /// The port's name.
        port: String,
        /// The neighbour.
        address: IpAddr,
        /// Its Ethernet address.
        mac: [u8; 6],
    },
    /// Send these Ethernet frames from a port, if it has room for them. No event follows.
    Emit {
        /// The port's name.
        port: String,
        /// Whole frames.
        frames: Vec<Vec<u8>>,
    },
    /// Run this session. On failure [`PollerEvent::Refused`](crate::PollerEvent::Refused) follows, else no event.
    Start(Box<Runtime>),
    /// Stop this session. [`PollerEvent::HandedBack`](crate::PollerEvent::HandedBack) follows; for a send session, after the
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
    /// Remove an attachment. [`PollerEvent::LenderBack`](crate::PollerEvent::LenderBack) follows; for a send session, after its
    /// submitted frames are sent. If the session was handed back meanwhile, the lender went with it
    /// and no event follows.
    Detach {
        /// Session id.
        session: u64,
        /// Attachment number.
        attachment: u64,
    },
    /// Evict an attachment at once. [`PollerEvent::Evicted`](crate::PollerEvent::Evicted) follows. If the session was handed
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
    /// Give a session these addresses between two frames, from a time on. [`PollerEvent::Retargeted`](crate::PollerEvent::Retargeted) follows. If the
    /// session is handed back first, only that event follows, and the session has its old ones.
    Retarget {
        /// Session id.
        session: u64,
        /// Its new addresses.
        target: Box<FlowTarget>,
        /// When it gets them.
        at: SwitchTime,
    },
    /// Report when the frames submitted so far are sent: [`PollerEvent::Flushed`](crate::PollerEvent::Flushed) follows then. If
    /// the session is handed back first, only that event follows.
    Flush {
        /// Session id.
        session: u64,
        /// Identifies the request.
        ticket: u64,
    },
    /// Copy the session's packets to this recording. If the poller does not have the session,
    /// [`PollerEvent::TapRefused`](crate::PollerEvent::TapRefused) follows, else no event.
    Tap {
        /// Session id.
        session: u64,
        /// Handle of the recording.
        tap: Box<Tap>,
    },
    /// Remove this recording's tap. [`PollerEvent::TapBack`](crate::PollerEvent::TapBack) follows. If the session was handed
    /// back meanwhile, the tap went with it and no event follows.
    Untap {
        /// Session id.
        session: u64,
        /// Recording id.
        recording: u64,
    },
    /// Credit what a dead thread took inside its call. [`PollerEvent::ThreadCredited`](crate::PollerEvent::ThreadCredited) follows.
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
