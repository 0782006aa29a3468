//! The poller's half of a session, as the core uses it while it has it.

use std::fmt;

use onair_ipc::frames::FrameMemory;
use onair_ipc::lender::{FoundState, Lender};
use serde::{Deserialize, Serialize};

/// The poller's half of a session, with the ledgers of its attachments. The core has it exactly
/// while no poller touches the session (witness W3). Serialized, it is the list of its lenders.
pub trait Runtime: fmt::Debug + Serialize {
    /// The lenders, in attach order.
    fn lenders(&self) -> impl Iterator<Item = &Lender> + Clone;

    /// The lenders, to settle loans.
    fn lenders_mut(&mut self) -> impl Iterator<Item = &mut Lender>;

    /// Revokes frames that no client took, and credits those given back. Returns how many of these were
    /// submitted to a send session: it drops them.
    fn settle(&mut self) -> u64;

    /// Adds an attachment. `frames` are the client's own, in a send session.
    ///
    /// # Errors
    /// [`AttachRefusal`], with the lender and the frames.
    fn attach(
        &mut self,
        lender: Box<Lender>,
        frames: Option<FrameMemory>,
    ) -> Result<(), (AttachRefusal, Box<Lender>, Option<FrameMemory>)>;

    /// Removes an attachment at once. A send session drops what it had submitted.
    fn detach(&mut self, attachment: u64) -> Option<(Box<Lender>, Option<FrameMemory>)>;

    /// Removes an attachment at once and revokes its loans.
    fn evict(&mut self, attachment: u64) -> Option<Evicted>;

    /// Puts frames back into use if `is_over` is true for the attachment that they are set aside
    /// for: no process can read them any more.
    fn release(&mut self, is_over: impl Fn(u64) -> bool);

    /// The next completed flush. Call until it returns `None`.
    fn flushed(&mut self) -> Option<FlushReport>;

    /// Frames submitted to a send session that are neither sent nor dropped, as far as the poller
    /// has collected them.
    fn unsent(&self) -> u64;
}

/// Why an attachment cannot be added to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachRefusal {
    /// The session is at its limit.
    #[error("the session is at its limit of attachments")]
    Full,
    /// The attachment is already there.
    #[error("attachment {0} is there already")]
    Twice(u64),
    /// Its shared memory has another layout than this session's frames.
    #[error("the attachment's memory is not laid out for this session's frames")]
    Geometry,
    /// This poller does not run the session.
    #[error("the session is not running on this poller")]
    NoSession,
}

/// An evicted attachment.
#[derive(Debug, Serialize, Deserialize)]
pub struct Evicted {
    /// Its lender. The ledger is empty.
    pub lender: Box<Lender>,
    /// Send: the client's frames.
    pub frames: Option<FrameMemory>,
    /// Frames revoked: loaned frames, and frames that the client had not yet taken.
    pub revoked: u64,
    /// Receive, local: revoked frames that the client held. They stay out of use until
    /// [`Runtime::release`].
    pub set_aside: u64,
}

impl Evicted {
    /// Revokes the loans of `lender`'s client. Shared frames that it held go to `aside`, with its
    /// attachment; `frames` of its own do not.
    pub fn revoke(
        mut lender: Box<Lender>,
        frames: Option<FrameMemory>,
        aside: &mut Vec<(u64, u32)>,
    ) -> Self {
        let (attachment, before) = (lender.attachment(), aside.len());
        let mut revoked = 0;
        lender.revoke(|taken| {
            revoked += u64::from(taken.found != FoundState::Returned);
            if taken.found == FoundState::Held && frames.is_none() {
                aside.push((attachment, taken.frame));
            }
        });
        Self {
            lender,
            frames,
            revoked,
            set_aside: (aside.len() - before) as u64,
        }
    }
}

/// Fates of the frames that were pending when a flush started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlushReport {
    /// Identifies the request.
    pub ticket: u64,
    /// Frames sent since.
    pub sent: u64,
    /// Frames dropped since: the client was evicted or the session stopped.
    pub dropped: u64,
}
