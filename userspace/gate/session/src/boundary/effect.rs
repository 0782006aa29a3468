//! Effects: the driver's work after an event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_api::{Counts, Eviction, Problem, Reconciled, SessionView};
use onair_ipc::frames::FrameMemory;
use onair_ipc::lender::Lender;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::slot::SlotReading;
use serde::{Serialize, Serializer};

use crate::boundary::event::{Destroy, Exit};
use crate::boundary::facts::Evidence;
use crate::boundary::note::Note;
use crate::boundary::retired::RetiredMemory;
use crate::boundary::runtime::AttachRefusal;
use crate::boundary::ticket::{Answer, Ticket};

/// One thing to do. The driver executes the effects of an event in their order, before the next
/// event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect<R> {
    /// Send this to the session's poller.
    Poller(PollerCommand<R>),
    /// Wake sleepers of this attachment: its gate closed, or its event counts moved.
    Wake(#[serde(serialize_with = "number_of")] Arc<AttachmentMemory>),
    /// Wake the first sleepers now; the others wait for the actor's turns.
    WakeNow,
    /// The attachment is closed: no longer watch it for the daemon's death, or with the probe. May
    /// come twice.
    Closed(u64),
    /// The attachment has left; its memory is kept.
    Left(u64),
    /// The attachment did not fit into the runtime: it is closed.
    NotAdmitted(AttachRefusal),
    /// A helper thread answers with [`Event::ThreadsLookedAt`](crate::Event::ThreadsLookedAt).
    LookAtThreads(ThreadQuestion),
    /// A helper thread answers with [`Event::SitesLookedAt`](crate::Event::SitesLookedAt).
    LookAtSites(SiteQuestion),
    /// A helper thread lists the users by name, for this use.
    NameUsers(Named),
    /// This happened: log it, and publish the event of it.
    Note(Note),
    /// Answer a request.
    Answer(Answer),
    /// The session runs: answer these with its view.
    Started(Vec<Ticket<SessionView>>),
    /// Free this memory when no process has it; the certificate covers it, too.
    Keep(RetiredMemory),
    /// The session is quarantined: store the certificate, which is completed later.
    Quarantined(Box<Evidence>),
    /// Examine the session, with others that are due ([`examine_together`](crate::examine_together)),
    /// before the next wait for messages.
    Examine,
    /// The session can be destroyed when its turn in the shutdown comes.
    Ready,
    /// The session is destroyed: free its memory, store the certificate, answer the request.
    Destroyed {
        /// Content of the certificate.
        evidence: Box<Evidence>,
        /// All that it had.
        retired: RetiredMemory,
        /// The request.
        destroy: Destroy,
    },
    /// The session was quarantined, and its last holder is gone: complete the certificate.
    Freed {
        /// Counters of the whole life: the ones in the certificate so far are of the quarantine.
        counts: Counts,
        /// All that was settled for users that could not settle it themselves.
        reconciled: Vec<Reconciled>,
        /// All evicted clients.
        evicted: Vec<Eviction>,
        /// All that it had.
        retired: RetiredMemory,
    },
}

/// A command to the session's poller.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PollerCommand<R> {
    /// Run the session.
    Start(Box<R>),
    /// Stop it, and hand the runtime back.
    Quiesce,
    /// Add an attachment.
    Attach {
        /// Its lender.
        lender: Box<Lender>,
        /// Its own frames, in a send session.
        frames: Option<FrameMemory>,
    },
    /// Remove an attachment, and hand its lender back.
    Detach(u64),
    /// Remove an attachment, and revoke its loans.
    Evict(u64),
    /// Put the frames set aside for this attachment back into use.
    Release(u64),
    /// Credit the frame that a dead thread had taken.
    CreditThread {
        /// Its attachment.
        attachment: u64,
        /// Identifies the request.
        ticket: u64,
        /// Its slot.
        slot: SlotReading,
    },
    /// Report when the frames submitted so far are sent.
    Flush {
        /// Identifies the request.
        ticket: u64,
    },
}

/// Which of these slots belong to threads that are gone?
#[derive(Debug, Serialize)]
pub struct ThreadQuestion {
    /// The attachment.
    pub attachment: u64,
    /// Its process.
    pub pid: u32,
    /// Slots that count users.
    pub suspects: Vec<SlotReading>,
    /// Only threads that the kernel reported to have ended; `None`: any.
    pub exits: Option<Vec<Exit>>,
    /// After this time the look counts as not made.
    pub limit: Duration,
}

/// Are the probe's sites of this attachment armed, and does a thread sleep unseen?
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SiteQuestion {
    /// The attachment.
    pub attachment: u64,
    /// Its process.
    pub pid: u32,
    /// Now; comes back with the answer.
    #[serde(with = "crate::clock::at")]
    pub asked_at: Instant,
}

/// The use of a list of users.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// A warning, this long after the stop.
    Warning(Duration),
    /// The event that the session was quarantined.
    Quarantined,
    /// The refusal of a destroy.
    Refusal(Box<Destroy>, Box<Problem>),
    /// The refusal of a detach: the users of this attachment.
    Busy(u64, Ticket<()>, Box<Problem>),
}

fn number_of<S: Serializer>(
    memory: &Arc<AttachmentMemory>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(memory.attachment())
}

/// The effects of one event, in order.
#[derive(Debug)]
pub(crate) struct Effects<R>(Vec<Effect<R>>);

impl<R> Default for Effects<R> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<R> Effects<R> {
    pub(crate) fn push(&mut self, effect: Effect<R>) {
        self.0.push(effect);
    }

    pub(crate) fn poller(&mut self, command: PollerCommand<R>) {
        self.push(Effect::Poller(command));
    }

    pub(crate) fn wake(&mut self, memory: &Arc<AttachmentMemory>) {
        self.push(Effect::Wake(Arc::clone(memory)));
    }

    pub(crate) fn note(&mut self, note: Note) {
        self.push(Effect::Note(note));
    }

    /// Notes the operations that were settled for users that could not settle them themselves.
    pub(crate) fn reconciled(&mut self, settled: Option<Reconciled>) {
        if let Some(reconciled) = settled {
            self.note(Note::Reconciled { reconciled });
        }
    }

    pub(crate) fn answer(&mut self, answers: impl IntoIterator<Item = Answer>) {
        self.0.extend(answers.into_iter().map(Effect::Answer));
    }

    pub(crate) fn into_list(self) -> Vec<Effect<R>> {
        self.0
    }
}
