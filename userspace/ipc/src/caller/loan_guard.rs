//! A held frame as a guard: its bytes are reachable for as long as the lease lasts, and no longer.

use std::mem::ManuallyDrop;

use onair_mutant::mutant;

use super::lease::Loan;
use super::{Attachment, Deadline, Lease, Refusal};
use crate::meta::FrameMeta;

/// A frame that this process holds; given back when the guard is dropped. It pins its frame: whatever
/// ends the session meanwhile, its bytes stay.
#[derive(Debug)]
pub struct LoanGuard<'a> {
    attachment: &'a Attachment,
    lend: Loan,
}

impl Attachment {
    /// Takes the oldest ready frame, with a guard around it; waits for one until `deadline`.
    ///
    /// # Errors
    /// As [`Attachment::get`].
    #[inline(always)]
    pub fn take(&self, deadline: Deadline) -> Result<LoanGuard<'_>, Refusal> {
        let lend = self.win(deadline)?;
        if mutant!("pin: set after the slot was left") {
            self.pins.unpin(lend.frame, true);
            self.end_look();
            self.pins.pin(lend.frame);
        }
        Ok(LoanGuard {
            attachment: self,
            lend,
        })
    }
}

impl<'a> LoanGuard<'a> {
    /// The attachment that lent it.
    pub fn attachment(&self) -> &'a Attachment {
        self.attachment
    }

    /// Index of the frame in the attachment's memory.
    pub fn frame(&self) -> u32 {
        self.lend.frame
    }

    /// The frame's description.
    pub fn meta(&self) -> FrameMeta {
        let described = self.attachment.describe(self.lend);
        described.expect("a guard of this attachment")
    }

    /// The frame's bytes, `frame_bytes` of them. They stay as they are also when the session ends: the
    /// daemon takes the frame back in its books, and writes to it only when this process has let go
    /// of the memory, which it does not do while the guard lives.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        let base = self.attachment.frame_base(self.lend.frame);
        // SAFETY: the frame lies within a mapping that is never unmapped while the attachment is
        // borrowed, and that stays in place while the frame is pinned, which it is as long as the
        // guard lives. Until then its bytes are not written: not by the daemon, which has lent it and
        // sees the words mapped, and not by this process, whose only other way to it is `bytes_mut`
        // through an exclusive borrow of this guard.
        unsafe { std::slice::from_raw_parts(base, self.len()) }
    }

    /// The frame's bytes, to be filled. `None` in a receive session, whose frames are mapped
    /// read-only.
    #[inline]
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        if !self.attachment.sends {
            return None;
        }
        let base = self.attachment.frame_base(self.lend.frame);
        // SAFETY: as in `bytes`; the frames of a send session are mapped writable, and belong to
        // this attachment alone.
        Some(unsafe { std::slice::from_raw_parts_mut(base, self.len()) })
    }

    /// Bytes of the frame.
    #[inline]
    pub fn len(&self) -> usize {
        self.attachment.geometry().frame_bytes as usize
    }

    /// Whether a frame has no bytes (never the case).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives the frame back. The guard's drop does the same and drops the result.
    ///
    /// # Errors
    /// As [`Attachment::put`]; the frame is no longer this process's in each case.
    #[inline]
    pub fn put(self) -> Result<(), Refusal> {
        let attachment = self.attachment;
        attachment.give_back(self.unpinned())
    }

    /// Send session: gives the frame back to be sent.
    ///
    /// # Errors
    /// As [`Attachment::submit`].
    pub fn submit(self) -> Result<(), Refusal> {
        let attachment = self.attachment;
        attachment.hand_over(self.unpinned())
    }

    /// Ends the guard without giving the frame back; the lease is the caller's to put. Its bytes may go
    /// when the session ends.
    #[inline]
    pub fn keep(self) -> Lease {
        let attachment = self.attachment;
        let lend = self.unpinned();
        attachment.end_look();
        Lease::new(lend)
    }

    /// Ends the guard. The pin goes before the frame does: see [`Pins`](crate::pins::Pins).
    #[inline]
    fn unpinned(self) -> Loan {
        let this = ManuallyDrop::new(self);
        this.unpin();
        this.lend
    }

    #[inline]
    fn unpin(&self) {
        let attachment = self.attachment;
        attachment.pins.unpin(self.lend.frame, attachment.plain);
    }
}

impl Drop for LoanGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.unpin();
        // What can go wrong is an end of the session, and then there is nothing left to give back.
        let _ = self.attachment.give_back(self.lend);
    }
}
