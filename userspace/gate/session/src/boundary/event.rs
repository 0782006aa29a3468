//! Events of a session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_api::{
    Certificate, Flushed as FlushedView, Operation, Problem, SessionView, Verdict, Who,
};
use onair_ipc::frames::FrameMemory;
use onair_ipc::lender::Lender;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::slot::SlotReading;
use serde::{Deserialize, Serialize};

use crate::boundary::runtime::{AttachRefusal, Evicted, FlushReport};
use crate::boundary::sites::SiteFinding;
use crate::boundary::ticket::{Answer, EvictionTicket, Ticket};

/// One event. The core handles them one at a time.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event<R> {
    // Requests.
    /// Start the session; answered once the poller has it, or at once if it runs.
    Start(Ticket<SessionView>),
    /// Close every gate, wake every caller, tell the poller to hand the runtime back. No effect on
    /// a session that is stopped. [`Event::Examine`] follows: the wakes do not wait for it.
    Stop,
    /// Destroy the stopped session, now or when its last user has left.
    Destroy(Destroy),
    /// Evict all clients and destroy the session; wait only for the poller.
    Abort(Destroy),
    /// A destroy that waits for its turn is refused with this problem and the users: the session stays stopped. No
    /// effect on another session.
    Withdraw(Problem),
    /// Close the session for good with its users inside. Check
    /// [`Life::check_quarantine`](crate::Life::check_quarantine) first;
    /// [`Event::Examine`] follows, because no process may have any of its memory.
    Quarantine(Who),
    /// Evict one client, or all. Answered when their frames are taken back.
    Evict(Option<u64>, EvictionTicket),
    /// Say each witness's current reading. Changes nothing but that it arms the kicks.
    Verdict(Ticket<Verdict>),
    /// Answer once everything is sent that clients have submitted by now, or after the time given.
    Flush(Duration, Ticket<FlushedView>),
    /// The session ends in another way than by its timer.
    CancelTimer,
    /// The daemon exits while users remain.
    Abandon,

    // Clients.
    /// A client that was let in attaches.
    Admit(Box<Admission>),
    /// A caller of this attachment left while the session drains.
    Kicked(u64),
    /// The client gives its attachment back.
    Detach(u64, Ticket<()>),
    /// The connection of this attachment closed. Its process may live on (fork, exec, a closed
    /// descriptor), so its frames are not taken back yet.
    HungUp(u64),
    /// The process of this attachment is dead: none of its threads runs.
    ProcessEnded(u64),
    /// The client changed its memory with a system call, for example by punching a hole.
    MemoryTouched(u64),
    /// The client wrote words that no client that follows the protocol writes.
    Violated(u64),

    // The kernel.
    /// Threads of the process `tgid` (in the first pid namespace) ended.
    ThreadsEnded {
        /// The process.
        tgid: u32,
        /// The threads.
        exits: Vec<Exit>,
    },
    /// The process `tgid` (in the first pid namespace) called exec.
    ProgramReplaced {
        /// The process.
        tgid: u32,
    },
    /// Once a second: look for dead threads of clients that the probe does not watch, or of all
    /// clients because probe events were lost.
    LookForDead {
        /// Also clients that the probe watches: it lost events.
        all: bool,
    },

    // The poller.
    /// The poller handed the runtime back: it was told to, it did not take the session, or it has
    /// died. [`Event::Examine`] follows, after recordings have got their taps.
    HandedBack(Box<R>),
    /// The poller handed one attachment's lender back.
    LenderBack(Box<Lender>),
    /// The poller did not take an attachment.
    AttachRefused {
        /// Its lender.
        lender: Box<Lender>,
        /// Frames that the client fills; `None` in a receive session.
        frames: Option<FrameMemory>,
        /// Why.
        reason: AttachRefusal,
    },
    /// The poller evicted a client and took its loaned frames back.
    Evicted(Evicted),
    /// The poller's answer to [`PollerCommand::CreditThread`](crate::PollerCommand::CreditThread).
    ThreadCredited {
        /// The attachment.
        attachment: u64,
        /// Identifies the request.
        ticket: u64,
        /// Frames credited; `None` if the poller does not have the ledger.
        frames: Option<u64>,
    },
    /// A flush is over.
    Flushed(FlushReport),

    // Helper threads.
    /// The answer to a [`ThreadQuestion`](crate::ThreadQuestion).
    ThreadsLookedAt {
        /// The attachment.
        attachment: u64,
        /// The slots of dead threads, as they were when the question was asked.
        dead: Vec<SlotReading>,
        /// The answer is not usable: the whole process may be ending, or the look took too long.
        again: bool,
        /// Duration of the look.
        cost: Duration,
    },
    /// The answer to a [`SiteQuestion`](crate::SiteQuestion).
    SitesLookedAt {
        /// The attachment.
        attachment: u64,
        /// When the question was asked.
        #[serde(with = "crate::clock::at")]
        asked_at: Instant,
        /// Duration of the look, without the wait for its turn.
        cost: Duration,
        /// The result.
        found: SiteFinding,
    },

    // The driver.
    /// Ask for what is not known of the clients' sites.
    LookAtSites,
    /// Examine the witnesses, and act on the result.
    Examine,
    /// The time [`SessionCore::wake_at`](crate::SessionCore::wake_at) has come.
    Tick,
}

/// A request that waits for the session to be destroyed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Destroy {
    /// The requester.
    pub who: Who,
    /// The requested operation.
    pub operation: Operation,
    /// When to give up; `None` gives up at the first user.
    #[serde(with = "crate::clock::maybe_at")]
    pub deadline: Option<Instant>,
    /// The requested wait, ms.
    pub deadline_ms: Option<u64>,
    /// Without users, it still waits for [`Examination::InTurn`](crate::Examination::InTurn).
    pub waits_for_turn: bool,
    /// A running session is stopped for it, and runs again if it is refused. Another stop in between stands.
    pub stops: bool,
    /// Its number.
    pub ticket: Ticket<Box<Certificate>>,
}

impl Destroy {
    /// Whether it ends when its requester has gone. A shutdown and an abort wait for no requester, and a destroy that
    /// does not wait is answered before.
    pub(crate) fn ends_with_requester(&self) -> bool {
        match self.operation {
            Operation::DestroyWait => true,
            Operation::Destroy => self.waits_for_turn,
            Operation::Shutdown | Operation::Abort | Operation::Quarantine => false,
        }
    }

    pub(crate) fn refuse(self, problem: Problem) -> Answer {
        Answer::NotDestroyed(self.ticket, problem)
    }
}

/// A thread that has ended, as the kernel reports.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Exit {
    /// Thread id in the thread's own pid namespace: the value in its slot.
    pub own_tid: u32,
    /// Thread id in the daemon's pid namespace.
    pub tid: u32,
}

/// A client that attaches, with what was made for it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Admission {
    /// Number of the attachment.
    pub number: u64,
    /// The client.
    pub who: Who,
    /// Its shared words.
    #[serde(with = "onair_ipc::described::shared")]
    pub memory: Arc<AttachmentMemory>,
    /// Its own frames, in a send session.
    pub frames: Option<FrameMemory>,
    /// It fills the frames of a local session.
    pub fills: bool,
    /// It takes some frames, not all.
    pub samples: bool,
    /// Its process in the first pid namespace, if the probe watches it.
    pub watched: Option<u32>,
    /// Frames that it may have on loan.
    pub quota: u32,
    /// RTP timestamp of the last unit that it had of an earlier attachment, as it says.
    pub after: Option<u32>,
}
