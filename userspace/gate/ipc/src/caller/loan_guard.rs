//! A guard of a held frame: its bytes are accessible exactly as long as the lease lasts.

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;
use std::sync::Arc;

use super::lease::Loan;
use super::{Attachment, Deadline, Lease, Parts, Refusal};
use crate::meta::FrameMeta;

/// A frame that this process holds, with the attachment that loaned it: borrowed ([`LoanGuard`]) or
/// shared ([`OwnedLoan`]). Dropping the guard returns the frame. The guard pins its frame: its bytes
/// stay, however the session ends.
#[derive(Debug)]
pub struct Guard<A: Deref<Target = Attachment>> {
    attachment: A,
    loan: Loan,
}

/// A frame with a borrow of its attachment.
pub type LoanGuard<'a> = Guard<&'a Attachment>;

/// A frame that keeps its attachment: for bindings to languages without borrows, and for programs that get frames of
/// one session after another.
pub type OwnedLoan = Guard<Arc<Attachment>>;

impl Attachment {
    /// Takes the oldest ready frame with a guard; waits for one until `deadline`.
    ///
    /// # Errors
    /// As [`Attachment::get`].
    #[inline(always)]
    pub fn take(&self, deadline: Deadline) -> Result<LoanGuard<'_>, Refusal> {
        let loan = self.win(deadline, None)?;
        Ok(Guard::new(self, loan))
    }

    /// As [`Attachment::take`], with a guard that keeps the attachment; with `parts`, a part of that.
    ///
    /// # Errors
    /// As [`Attachment::get`].
    #[inline(always)]
    pub fn take_owned(
        self: &Arc<Self>,
        deadline: Deadline,
        parts: Option<&mut Parts>,
    ) -> Result<OwnedLoan, Refusal> {
        let loan = self.win(deadline, parts)?;
        Ok(Guard::new(Arc::clone(self), loan))
    }
}

impl<A: Deref<Target = Attachment>> Guard<A> {
    pub(super) fn new(attachment: A, loan: Loan) -> Self {
        Self { attachment, loan }
    }

    pub(super) fn loan(&self) -> Loan {
        self.loan
    }

    /// The attachment that loaned it.
    pub fn attachment(&self) -> &A {
        &self.attachment
    }

    /// Index of the frame in the attachment's memory.
    pub fn frame(&self) -> u32 {
        self.loan.frame
    }

    /// The frame's description.
    pub fn meta(&self) -> FrameMeta {
        let described = self.loan.describe(&self.attachment);
        described.expect("a guard of this attachment")
    }

    /// The frame's bytes, `frame_bytes` of them; while it is received, those that stand. They do not change when the session ends: the
    /// daemon takes the frame back in its ledger, and writes to it only after this process has
    /// released the memory, which it does not do while the guard lives.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        let base = self.attachment.frame_base(self.loan.frame);
        // SAFETY: the frame lies within a mapping that is never unmapped while the attachment
        // lives, and that stays in place while the frame is pinned, which it is as long as the
        // guard lives. Until then its bytes are not written: not by the daemon, which has it on
        // loan and sees the words mapped, and not by this process, whose only other access is
        // `bytes_mut` through an exclusive borrow of this guard. Of a frame that is received, the daemon writes
        // those only that do not stand.
        unsafe { std::slice::from_raw_parts(base, self.len()) }
    }

    /// The frame's bytes, writable. `None` in a receive session, whose frames are mapped read-only.
    #[inline]
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        if !self.attachment.sends {
            return None;
        }
        let base = self.attachment.frame_base(self.loan.frame);
        // SAFETY: as in `bytes`; the frames of a send session are mapped writable, and belong to
        // this attachment alone.
        Some(unsafe { std::slice::from_raw_parts_mut(base, self.len()) })
    }

    /// Bytes of the frame; while it is received, those that stand.
    #[inline]
    pub fn len(&self) -> usize {
        let all = self.attachment.geometry().frame_bytes;
        self.open_bytes().map_or(all, |it| it.min(all)) as usize
    }

    /// Whether no byte stands.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the frame. The guard's drop does the same and ignores the result.
    ///
    /// # Errors
    /// As [`Attachment::put`]; in each case this process no longer holds the frame.
    #[inline]
    pub fn put(self) -> Result<(), Refusal> {
        let (attachment, loan) = self.unpinned();
        loan.give_back(&attachment)
    }

    /// Send session: submits the frame. One that was submitted open is filled.
    ///
    /// # Errors
    /// As [`Attachment::submit`].
    pub fn submit(self) -> Result<(), Refusal> {
        let (attachment, loan) = self.unpinned();
        loan.hand_over(&attachment)
    }

    /// Submits a frame of a session whose filler describes its frames.
    ///
    /// # Errors
    /// As [`Guard::submit`].
    pub fn submit_described(self, meta: &FrameMeta) -> Result<(), Refusal> {
        self.attachment.words.metas()[self.loan.frame as usize].write(meta);
        self.submit()
    }

    /// Send session: submits the frame while it is being filled. What [`Guard::reach`] says is filled may be sent from
    /// now on. The frame stays held until [`Guard::submit`], when all of it is filled, or until it is put: then its
    /// rest is not sent.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] in a receive session, [`Refusal::Already`] if it is open, [`Refusal::Stale`] if the
    /// session is gone.
    pub fn submit_open(&self) -> Result<(), Refusal> {
        self.loan.open(&self.attachment)
    }

    /// Whether the frame was submitted open.
    pub fn is_open(&self) -> bool {
        self.loan.is_open(&self.attachment)
    }

    /// So much of a frame that is open is filled, in the essence's steps from its beginning, and does not change any
    /// more. One store.
    #[inline]
    pub fn reach(&self, progress: u32) {
        self.loan.reach(&self.attachment, progress);
    }

    /// Dissolves the guard without returning the frame; the caller must put the lease. The memory
    /// of the bytes may be released when the session ends.
    #[inline]
    pub fn keep(self) -> Lease {
        let (attachment, loan) = self.unpinned();
        attachment.end_look();
        Lease::new(loan)
    }

    /// Ends the guard. It clears the pin before it returns the frame: see
    /// [`Pins`](crate::pins::Pins).
    #[inline]
    fn unpinned(self) -> (A, Loan) {
        let this = ManuallyDrop::new(self);
        this.unpin();
        // SAFETY: `this` is neither dropped nor used again, so the attachment has one owner.
        let attachment = unsafe { ptr::read(&this.attachment) };
        (attachment, this.loan)
    }

    #[inline]
    fn unpin(&self) {
        let attachment = &*self.attachment;
        attachment.pins.unpin(self.loan.frame, attachment.plain);
    }
}

impl<A: Deref<Target = Attachment>> Drop for Guard<A> {
    #[inline]
    fn drop(&mut self) {
        self.unpin();
        // This fails only if the session has ended, and then there is nothing to return.
        let _ = self.loan.give_back(&self.attachment);
    }
}
