//! The right to one loan of a frame, and its return.
//!
//! One loan has one owner: a guard that loans out the bytes ([`LoanGuard`](super::LoanGuard)), a
//! [`Lease`], or raw handles ([`RawLease`]). Each consumes the one before, and there is no other
//! way to make one, so that safe code returns no frame that it still borrows.

use onair_mutant::mutant;

use super::{Attachment, Refusal};
use crate::frame_word::{FrameState, FrameTag};
use crate::label;
use crate::meta::FrameMeta;
use crate::sync::Ordering;

/// One loan, on the client's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Loan {
    /// The attachment's number in this process. The daemon's number is not enough: two daemons may
    /// use the same.
    pub(super) attachment: u64,
    pub(super) frame: u32,
    pub(super) serial: u32,
    pub(super) slot: u16,
}

/// A frame that this process holds and no guard borrows. [`Attachment::put`] returns it; a dropped
/// lease leaves the frame held.
///
/// It can be returned once:
///
/// ```
/// use onair_ipc::caller::{Attachment, Lease};
/// fn once(attachment: &Attachment, lease: Lease) {
///     let _ = attachment.put(lease);
/// }
/// ```
///
/// ```compile_fail,E0382
/// use onair_ipc::caller::{Attachment, Lease};
/// fn twice(attachment: &Attachment, lease: Lease) {
///     let _ = attachment.put(lease);
///     let _ = attachment.put(lease);
/// }
/// ```
///
/// Safe code cannot construct it, nor read it out of a guard:
///
/// ```compile_fail,E0451
/// use onair_ipc::caller::Lease;
/// fn forged(from: Lease) -> Lease {
///     Lease { ..from }
/// }
/// ```
///
/// A returned guard permits no further borrow:
///
/// ```
/// use onair_ipc::caller::LoanGuard;
/// fn before(held: LoanGuard<'_>) -> u8 {
///     let bytes = held.bytes();
///     let first = bytes[0];
///     let _ = held.put();
///     first
/// }
/// ```
///
/// ```compile_fail,E0505
/// use onair_ipc::caller::LoanGuard;
/// fn after(held: LoanGuard<'_>) -> u8 {
///     let bytes = held.bytes();
///     let _ = held.put();
///     bytes[0]
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the frame stays held until the lease is put"]
pub struct Lease(Loan);

impl Lease {
    pub(super) fn new(loan: Loan) -> Self {
        Self(loan)
    }

    /// Index of the frame in the attachment's memory.
    #[must_use]
    pub fn frame(&self) -> u32 {
        self.0.frame
    }

    /// Serial of the loan.
    #[must_use]
    pub fn serial(&self) -> u32 {
        self.0.serial
    }

    /// The slot of the thread that took it.
    #[must_use]
    pub fn slot(&self) -> u16 {
        self.0.slot
    }

    /// The raw handle of this loan.
    #[must_use = "the frame stays held until the handle is put"]
    pub fn into_raw(self) -> RawLease {
        RawLease(self.0)
    }
}

/// The name of a loan, as a plain value that may be copied and kept. If it is put twice, put into
/// another attachment or used after the end, the call refuses it and does no harm. For bindings to
/// languages without guards. A loan with such a name has no guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawLease(pub(super) Loan);

impl RawLease {
    /// Index of the frame in its attachment's memory.
    #[must_use]
    pub fn frame(self) -> u32 {
        self.0.frame
    }

    /// Whether `attachment` loaned it.
    #[must_use]
    pub fn is_of(self, attachment: &Attachment) -> bool {
        self.0.attachment == attachment.id
    }

    /// [`Attachment::put`] of a raw handle.
    ///
    /// # Errors
    /// As [`Attachment::put`].
    pub fn put(self, attachment: &Attachment) -> Result<(), Refusal> {
        self.0.give_back(attachment)
    }

    /// [`Attachment::submit`] of a raw handle.
    ///
    /// # Errors
    /// As [`Attachment::put`].
    pub fn submit(self, attachment: &Attachment) -> Result<(), Refusal> {
        self.0.hand_over(attachment)
    }

    /// The description of a raw handle's frame.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] if another attachment loaned it.
    pub fn meta(self, attachment: &Attachment) -> Result<FrameMeta, Refusal> {
        self.0.describe(attachment)
    }
}

impl Attachment {
    /// Returns a held frame. Works also when the session is stopped.
    ///
    /// # Errors
    /// [`Refusal::Already`], [`Refusal::Invalid`] or [`Refusal::Stale`]; the call then changes
    /// nothing.
    #[inline]
    pub fn put(&self, lease: Lease) -> Result<(), Refusal> {
        lease.0.give_back(self)
    }

    /// Send session: marks the held frame for sending when it is put. The daemon sends frames in
    /// the order of these calls.
    ///
    /// # Errors
    /// As [`Attachment::put`].
    pub fn submit(&self, lease: Lease) -> Result<(), Refusal> {
        lease.0.hand_over(self)
    }

    /// The description of a held frame.
    ///
    /// # Panics
    /// If another attachment loaned it.
    pub fn meta(&self, lease: &Lease) -> FrameMeta {
        lease.0.describe(self).expect("a lease of this attachment")
    }
}

impl Loan {
    pub(super) fn describe(self, attachment: &Attachment) -> Result<FrameMeta, Refusal> {
        if self.attachment != attachment.id {
            return Err(Refusal::Invalid);
        }
        Ok(attachment.words.metas()[self.frame as usize].read())
    }

    #[inline]
    pub(super) fn give_back(self, attachment: &Attachment) -> Result<(), Refusal> {
        let word = attachment.words.frame(self.frame);
        let Some(word) = word.filter(|_| self.attachment == attachment.id) else {
            return Err(Refusal::Invalid);
        };
        label!("put.begun");
        let released = word.release(self.serial, self.slot);
        label!("put.released");
        if !mutant!("kick: not after a put") {
            attachment.connection.kick_look(&attachment.words);
        }
        if !mutant!("end: a put does not look") {
            attachment.end_look();
        }
        label!("put.done");
        released.map_err(|found| self.why_not_released(attachment, found))
    }

    #[cold]
    pub(super) fn why_not_released(self, attachment: &Attachment, found: FrameTag) -> Refusal {
        if attachment.is_gone() || found.state() == Some(FrameState::Revoked) {
            Refusal::Stale
        } else if found.serial == self.serial && found.state() != Some(FrameState::Released) {
            // Ready, or held by another slot: it was never this caller's.
            Refusal::Invalid
        } else {
            Refusal::Already
        }
    }

    /// Submits the frame, which stays held. SYNC: fill.
    pub(super) fn open(self, attachment: &Attachment) -> Result<(), Refusal> {
        let word = attachment
            .words
            .frame(self.frame)
            .filter(|_| attachment.sends);
        let found = word.ok_or(Refusal::Invalid)?.load();
        if found != FrameTag::new(self.serial, self.slot, FrameState::Held) {
            return Err(self.why_not_released(attachment, found));
        }
        if self.is_open(attachment) {
            return Err(Refusal::Already);
        }
        self.order(attachment);
        self.reach(attachment, 0);
        Ok(())
    }

    pub(super) fn is_open(self, attachment: &Attachment) -> bool {
        let word = &attachment.words.fills()[self.frame as usize];
        attachment.sends && word.reached(self.serial).is_some()
    }

    /// SYNC: fill.
    #[inline]
    pub(super) fn reach(self, attachment: &Attachment, progress: u32) {
        attachment.words.fills()[self.frame as usize].reach(self.serial, progress);
    }

    pub(super) fn hand_over(self, attachment: &Attachment) -> Result<(), Refusal> {
        if self.attachment != attachment.id || !attachment.sends {
            return Err(Refusal::Invalid);
        }
        // One that is open has its place in the order.
        match self.is_open(attachment) {
            true => self.reach(attachment, u32::MAX),
            false => self.order(attachment),
        }
        self.give_back(attachment)
    }

    /// Gives the frame its place in the order of submission.
    fn order(self, attachment: &Attachment) {
        let order = attachment.words.submitted().fetch_add(1, Ordering::Relaxed) + 1;
        label!("submit.ordered");
        attachment.words.metas()[self.frame as usize].submit(order);
        label!("submit.described");
    }
}
