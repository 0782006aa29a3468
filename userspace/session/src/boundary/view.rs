//! What the core sees of the world.

use std::time::{Duration, Instant};

use onair_api::{Problem, Reading, SessionId, Timestamp};
use onair_ipc::frames::FrameMemory;
use onair_ipc::memory::AttachmentMemory;

use crate::boundary::retired::RetiredMemory;
use crate::boundary::sites::Sites;

/// A moment on each of the clocks. The steps of one event are timed apart, so the core asks for it
/// whenever it notes one.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For deadlines and pauses.
    pub instant: Instant,
    /// For people.
    pub wall: Timestamp,
    /// `CLOCK_MONOTONIC`, ns: for certificates and for the shared memory.
    pub monotonic_ns: u64,
}

/// Time limits of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// How long a poller may take to hand a session back.
    pub quiesce: Duration,
    /// From a stop to the first warning that users remain; zero: no warnings.
    pub drain_warning: Duration,
}

/// What the core asks while it handles an event. Nothing here changes anything.
pub trait View {
    /// The time.
    fn now(&self) -> Moment;

    /// The time limits in force.
    fn timeouts(&self) -> Timeouts;

    /// Whether the requester of the request with this number is gone, or never wanted an answer.
    fn has_left(&self, request: u64) -> bool;

    /// Whether the session's poller works.
    fn poller_is_alive(&self) -> bool;

    /// Frames of the session that were sent, and dropped, since it was created.
    fn sent_and_dropped(&self) -> (u64, u64);

    /// Whether the probe allows a destroy now.
    ///
    /// # Errors
    /// The refusal, with the reason.
    fn check_probe(&self) -> Result<(), Problem>;

    /// Reads the kernel's list of blocked callers once, for all of `sessions`.
    fn walk(&self, sessions: &[SessionId]) -> Box<dyn Walk + '_>;

    /// The attachment of each caller that the kernel sees blocked in the session.
    fn blocked(&self) -> Vec<u64>;

    /// W4's reading of `memory`, and of what attachments of this session left behind while it ran.
    fn mapping(&self, memory: &RetiredMemory) -> Reading;

    /// Whether no process has these words any more.
    fn is_released(&self, words: &AttachmentMemory) -> bool;

    /// The same of frames.
    fn are_released(&self, frames: &FrameMemory) -> bool;

    /// Whether the process is exiting: its death will be reported.
    fn is_process_ending(&self, pid: u32) -> bool;
}

/// One reading of the kernel's list of blocked callers.
pub trait Walk {
    /// The probe's reading (W2) of one of its sessions. `clients` has the pid of each client and
    /// what is known of its sites; callers of attachments that are `out` (evicted) are reported but
    /// not counted.
    fn probe(
        &self,
        session: SessionId,
        clients: &mut dyn Iterator<Item = (u32, Sites)>,
        out: &dyn Fn(u64) -> bool,
    ) -> Reading;
}
