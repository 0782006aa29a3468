//! The core's view of the world.

use std::time::Duration;

use onair_api::{Problem, Reading, SessionId, Timestamp};
use onair_ipc::frames::FrameMemory;
use onair_ipc::lender::Violation;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::slot::SlotReading;
use serde::{Deserialize, Serialize};

use crate::boundary::retired::RetiredMemory;
use crate::boundary::runtime::{AttachRefusal, FlushReport};
use crate::boundary::sites::Sites;

/// When a step was done or a witness was read. The steps of one event are timed apart: a
/// certificate names no time at which a thing was not yet so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Wall clock, for people: it may jump.
    pub wall: Timestamp,
    /// `CLOCK_MONOTONIC`, ns.
    pub monotonic_ns: u64,
}

impl Moment {
    /// An earlier time of `CLOCK_MONOTONIC`, as the wall clock has it at this moment.
    #[must_use]
    pub fn wall_at(self, ns: u64) -> Option<Timestamp> {
        let age = Duration::from_nanos(self.monotonic_ns.saturating_sub(ns));
        self.wall.0.checked_sub(age).map(Timestamp)
    }
}

/// Questions that the core asks while it handles an event, because the answer depends on what the event has done so
/// far; all else is in [`Facts`](crate::Facts). Nothing here changes anything, and each answer is a plain value.
pub trait View {
    /// Asks a question, of the view itself or of shared words: each goes through here, so that
    /// a trace has the answers, and a
    /// [`replay`](crate::replay()) gives them again and asks nothing.
    fn ask(&self, question: &mut dyn FnMut() -> ViewAnswer) -> ViewAnswer {
        question()
    }

    /// The clock, when a step is done or a witness has been read, and for records (an eviction, what
    /// was settled). Only certificates, verdicts and events have it: it decides nothing.
    fn moment(&self) -> Moment;

    /// Whether the probe allows a destroy, when one begins. It costs a system call, so it is not one of
    /// the facts.
    ///
    /// # Errors
    /// The refusal, with the reason.
    fn check_probe(&self) -> Result<(), Problem>;

    /// Reads the kernel's list of blocked callers once, for all of `sessions`: after the last W1 of an
    /// examination, so that a caller that W1 does not see has left before (see `ending/together.rs`).
    /// Of sessions that are examined together, the first one's view is asked.
    fn walk(&self, sessions: &[SessionId]) -> Box<dyn Walk + '_>;

    /// The attachment of each caller that the kernel sees blocked in the session: before a warning of
    /// its users, and after [`Self::is_released`] for evicted clients, which stay until the kernel lists
    /// none of their callers.
    fn blocked(&self) -> Vec<u64>;

    /// W4's reading of `memory`, and of what attachments of this session left behind while it ran: for
    /// a requested verdict, a refusal and a contradiction after the other witnesses, and whenever a
    /// quarantined session may be freed.
    fn mapping(&self, memory: &RetiredMemory) -> Reading;

    /// Whether no process has these words any more: of disconnected and evicted clients, and of those
    /// that left a stopped session.
    fn is_released(&self, words: &AttachmentMemory) -> bool;

    /// As [`Self::is_released`], of frames.
    fn are_released(&self, frames: &FrameMemory) -> bool;

    /// Whether the process is exiting: its death will be reported. After [`Self::is_released`], since a
    /// process that dies unmaps its memory first.
    fn is_process_ending(&self, pid: u32) -> bool;
}

/// The answer to a question that the core asks in the middle of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewAnswer {
    /// To [`View::moment`].
    Moment(Moment),
    /// To [`View::check_probe`]: the refusal.
    Refused(Option<Problem>),
    /// To [`Walk::probe`].
    Probe(Reading),
    /// To [`View::blocked`].
    Blocked(Vec<u64>),
    /// To [`View::mapping`].
    Mapping(Reading),
    /// To [`View::is_released`], and of frames.
    Released(bool),
    /// To [`View::is_process_ending`].
    Ending(bool),
    /// Calls, or slots that count some, by the words.
    Calls(u64),
    /// Slots of users.
    Users(Vec<SlotReading>),
    /// Whether words show a use: callers, held frames, an armed kick, a slot that was the thread's.
    Used(bool),
    /// Invalid words, found when the runtime settled.
    Violations(Vec<(u64, Violation)>),
    /// Frames, by the ledgers: on loan, or credited.
    Frames(u64),
    /// Frames loaned, returned and taken back, by ledgers.
    Totals([u64; 3]),
    /// Why the runtime did not take an attachment.
    NotAttached(Option<AttachRefusal>),
    /// Frames of an evicted client: revoked, and set aside.
    Revoked((u64, u64)),
    /// Completed flushes, and frames neither sent nor dropped.
    Flushes((Vec<FlushReport>, u64)),
}

/// One reading of the kernel's list of blocked callers.
pub trait Walk {
    /// The probe's reading (W2) of one of its sessions. `clients` has the pid of each client and
    /// what is known of its sites; callers of attachments that are `out` (evicted) are reported but
    /// not counted. `None`: none is.
    fn probe(
        &self,
        session: SessionId,
        clients: &mut dyn Iterator<Item = (u32, Sites)>,
        out: Option<&dyn Fn(u64) -> bool>,
    ) -> Reading;
}
