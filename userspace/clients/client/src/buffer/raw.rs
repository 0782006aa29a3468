//! A held frame as a plain value, for bindings to languages without guards.

use std::ptr::NonNull;

use onair_api::SessionId;
use onair_ipc::caller::{RawLease, Refusal};

use super::calls::is_to_send;
use crate::carries::Carries;
use crate::{Error, Session, Status};

/// A held frame as a plain value that may be copied and kept. If it is put twice, put into another
/// session or used after the end, the call returns a typed error and does no harm.
///
/// ```no_run
/// # use onair::{Client, Timeout};
/// let session = Client::from_env().attach("studio")?;
/// let raw = session.buffer_get(Timeout::NEVER)?.into_raw();
/// session.put_raw(raw)?;
/// # Ok::<(), onair::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawBuffer {
    session: SessionId,
    pub(super) lease: RawLease,
}

impl RawBuffer {
    pub(crate) fn new(session: SessionId, lease: RawLease) -> Self {
        Self { session, lease }
    }

    /// Id of the session that loaned it.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Index of the frame in the attachment's memory.
    #[must_use]
    pub fn frame(&self) -> u32 {
        self.lease.frame()
    }

    fn check<L: Carries>(self, session: &Session<L>) -> Result<(), Refusal> {
        if self.lease.is_of(&session.link.attachment) {
            Ok(())
        } else {
            Err(Refusal::Invalid)
        }
    }
}

impl<L: Carries> Session<L> {
    /// Returns the frame of a raw handle.
    ///
    /// # Errors
    /// [`Error::AlreadyPut`] (`EALREADY`) the second time, [`Error::NotHeld`] (`EINVAL`) for a handle
    /// of another session or attachment, [`Error::Stale`] after the end.
    pub fn put_raw(&self, raw: RawBuffer) -> Result<(), Error> {
        Ok(raw.lease.put(&self.link.attachment)?)
    }

    /// Send session: submits the frame of a raw handle.
    ///
    /// # Errors
    /// As [`Session::put_raw`]; [`Error::NotASender`] (`EINVAL`) in a receive session.
    pub fn submit_raw(&self, raw: RawBuffer) -> Result<(), Error> {
        raw.check(self)?;
        is_to_send(self)?;
        Ok(raw.lease.submit(&self.link.attachment)?)
    }

    /// Address and length in bytes of a raw handle's frame. The memory may be read, and in a send
    /// session written, until the handle is put. It reads as zeros once this process has ended the
    /// session ([`Session::detach`], [`Session::destroy`], [`Session::abort`]): a
    /// [`Buffer`](crate::Buffer) keeps its bytes, a handle does not.
    ///
    /// # Errors
    /// [`Error::NotHeld`] for a handle of another session or attachment.
    pub fn raw_bytes(&self, raw: RawBuffer) -> Result<(NonNull<u8>, usize), Error> {
        raw.check(self)?;
        let base = NonNull::new(self.link.attachment.frame_base(raw.lease.frame()));
        let len = self.link.attachment.geometry().frame_bytes as usize;
        base.map(|base| (base, len)).ok_or(Error::NotHeld)
    }

    /// Number, RTP timestamp and status of a raw handle's frame, as on [`Buffer`](crate::Buffer).
    ///
    /// # Errors
    /// [`Error::NotHeld`] for a handle of another session or attachment.
    pub fn raw_status(&self, raw: RawBuffer) -> Result<(u64, u32, Status), Error> {
        let meta = raw.described(self)?;
        Ok((
            meta.number,
            meta.rtp_timestamp,
            Status::of(&meta, self.layout()),
        ))
    }
}
