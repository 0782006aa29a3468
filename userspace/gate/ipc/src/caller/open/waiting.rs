//! Waiting for more of a frame that this process holds.

use std::ops::Deref;
use std::sync::atomic::Ordering;

use super::super::lease::{Loan, RawLease};
use super::super::loan_guard::Guard;
use super::super::words::Words;
use super::super::{Attachment, Deadline, Parts, Refusal, claim};
use crate::frame_word::FrameState;
use crate::progress::MOST_BYTES;
use crate::slot::Operation;

impl<A: Deref<Target = Attachment>> Guard<A> {
    /// The bytes that stand while the frame is received; they do not change any more. `None`: it has ended, and the
    /// description says what is missing.
    #[inline]
    pub fn open_bytes(&self) -> Option<u32> {
        self.loan().open_bytes(self.attachment())
    }

    /// Waits until `bytes` stand or the frame has ended, at most until `deadline`. Returns what
    /// [`Self::open_bytes`] does then. With `parts`, a part of that. If they stand already, it returns also in a
    /// stopped session.
    ///
    /// # Errors
    /// [`Refusal::Again`], [`Refusal::TimedOut`] or [`Refusal::Stale`]. The frame stays held, and readable.
    pub fn wait_bytes(
        &self,
        bytes: u32,
        deadline: Deadline,
        parts: Option<&mut Parts>,
    ) -> Result<Option<u32>, Refusal> {
        self.loan()
            .wait_for_bytes(self.attachment(), bytes, deadline, parts)
    }
}

impl RawLease {
    /// [`Guard::open_bytes`] of a raw handle.
    ///
    /// # Errors
    /// As [`Attachment::put`].
    pub fn open_bytes(self, attachment: &Attachment) -> Result<Option<u32>, Refusal> {
        self.0.is_held(attachment)?;
        Ok(self.0.open_bytes(attachment))
    }

    /// [`Guard::wait_bytes`] of a raw handle. If another thread puts the frame meanwhile, the call waits for its end.
    ///
    /// # Errors
    /// As [`Guard::wait_bytes`], and as [`Attachment::put`].
    pub fn wait_bytes(
        self,
        attachment: &Attachment,
        bytes: u32,
        deadline: Deadline,
    ) -> Result<Option<u32>, Refusal> {
        self.0.is_held(attachment)?;
        self.0.wait_for_bytes(attachment, bytes, deadline, None)
    }
}

impl Loan {
    fn is_held(self, attachment: &Attachment) -> Result<(), Refusal> {
        let word = attachment.words.frame(self.frame);
        let Some(word) = word.filter(|_| self.attachment == attachment.id) else {
            return Err(Refusal::Invalid);
        };
        let tag = word.load();
        let is_held = tag.state() == Some(FrameState::Held);
        if is_held && (tag.serial, tag.slot) == (self.serial, self.slot) {
            Ok(())
        } else {
            Err(self.why_not_released(attachment, tag))
        }
    }

    #[inline]
    fn open_bytes(self, attachment: &Attachment) -> Option<u32> {
        if !attachment.words.asked_for_open.load(Ordering::Relaxed) {
            return None;
        }
        let stands = attachment
            .words
            .progress(self.frame)?
            .0
            .load()
            .of(self.serial);
        if stands.is_none() && attachment.left.load(Ordering::Relaxed) {
            // The word is gone, and orders nothing. The poller had a fence after what it wrote.
            crate::sync::fence();
        }
        stands
    }

    fn wait_for_bytes(
        self,
        attachment: &Attachment,
        bytes: u32,
        deadline: Deadline,
        parts: Option<&mut Parts>,
    ) -> Result<Option<u32>, Refusal> {
        let bytes = bytes.min(MOST_BYTES);
        let stand = || {
            let open = self.open_bytes(attachment);
            open.is_none_or(|it| it >= bytes).then_some(open)
        };
        if let Some(open) = stand() {
            return Ok(open);
        }
        attachment.call(
            Operation::Get,
            claim::slot_of(attachment),
            (deadline, parts),
            Words::progress_made,
            || match attachment.words.ask(self.frame, self.serial, bytes) {
                true => stand(),
                false => None,
            },
            || None,
        )
    }
}
