//! A held frame as a guard: its bytes are reachable for as long as the lease lasts, and no longer.

use std::mem::ManuallyDrop;

use super::{Attachment, Deadline, Lease, Refusal};
use crate::meta::FrameMeta;

/// A frame that this process holds; given back when the guard is dropped.
#[derive(Debug)]
pub struct Held<'a> {
    attachment: &'a Attachment,
    lease: Lease,
}

impl Attachment {
    /// [`Attachment::get`], with a guard around the lease.
    ///
    /// # Errors
    /// As [`Attachment::get`].
    #[inline(always)]
    pub fn take(&self, deadline: Deadline) -> Result<Held<'_>, Refusal> {
        let lease = self.get(deadline)?;
        Ok(Held {
            attachment: self,
            lease,
        })
    }
}

impl<'a> Held<'a> {
    /// The attachment that lent it.
    pub fn attachment(&self) -> &'a Attachment {
        self.attachment
    }

    /// Index of the frame in the attachment's memory.
    pub fn frame(&self) -> u32 {
        self.lease.frame
    }

    /// The frame's description.
    pub fn meta(&self) -> FrameMeta {
        self.attachment.meta(self.lease)
    }

    /// The frame's bytes, `frame_bytes` of them. They stay as they are also after an eviction: the
    /// daemon takes the frame back in its books, and writes to it only when this process has let go
    /// of the memory.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        let base = self.attachment.frame_base(self.lease.frame);
        // SAFETY: the frame lies within a mapping that is never unmapped while the attachment is
        // borrowed (a tombstone puts readable pages in its place). Until the guard gives the frame
        // back nobody writes to it: not the daemon, which has lent it, and not this process, whose
        // only other way to it is `bytes_mut` through an exclusive borrow of this guard.
        unsafe { std::slice::from_raw_parts(base, self.len()) }
    }

    /// The frame's bytes, to be filled. `None` in a receive session, whose frames are mapped
    /// read-only.
    #[inline]
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        if !self.attachment.sends {
            return None;
        }
        let base = self.attachment.frame_base(self.lease.frame);
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
        attachment.put(self.keep())
    }

    /// Send session: gives the frame back to be sent.
    ///
    /// # Errors
    /// As [`Attachment::submit`].
    pub fn submit(self) -> Result<(), Refusal> {
        let attachment = self.attachment;
        attachment.submit(self.keep())
    }

    /// Ends the guard without giving the frame back; the lease is the caller's to put.
    #[inline]
    pub fn keep(self) -> Lease {
        ManuallyDrop::new(self).lease
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        // What can go wrong is an eviction, and then there is nothing left to give back.
        let _ = self.attachment.put(self.lease);
    }
}
