//! The calls of a session that get and return buffers.

use onair_ipc::caller::{Deadline, Refusal};

use std::sync::Arc;

use super::{Buffer, BufferMut, OwnedBuffer, OwnedBufferMut, PutError};
use crate::carries::Carries;
use crate::{Error, Session, Timeout};

impl<L: Carries> Session<L> {
    /// Gets the oldest ready frame; waits at most `timeout` for one. In a send session: a free
    /// frame; [`Session::buffer_get_mut`] returns it writable.
    ///
    /// # Errors
    /// [`Error::Stopped`] (`EAGAIN`) if the session is stopped, or if a stop came during the wait,
    /// even if a start followed. Each stop is reported to each waiting caller exactly once. Do not
    /// retry in a loop: call [`Session::wait_started`].
    /// [`Error::TimedOut`], [`Error::AllHeld`] (`ETIMEDOUT`), [`Error::Stale`] (`ESTALE`). Never `EINTR`.
    #[inline(always)]
    pub fn buffer_get(&self, timeout: Timeout) -> Result<Buffer<'_, L>, Error> {
        self.get_until(timeout.deadline())
    }

    #[inline(always)]
    pub(crate) fn get_until(&self, deadline: Deadline) -> Result<Buffer<'_, L>, Error> {
        match self.attachment.take(deadline) {
            Ok(held) => Ok(Buffer::new(self, held)),
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    #[cold]
    pub(super) fn refused(&self, refusal: Refusal) -> Error {
        let quota = self.quota();
        match refusal {
            Refusal::TimedOut if self.buffers_held() >= quota => Error::AllHeld { quota },
            refusal => refusal.into(),
        }
    }

    /// Send session: gets a free frame to fill and submit; waits at most `timeout` for one.
    ///
    /// # Errors
    /// As [`Session::buffer_get`]; [`Error::NotASender`] (`EINVAL`) in a receive session.
    pub fn buffer_get_mut(&self, timeout: Timeout) -> Result<BufferMut<'_, L>, Error> {
        self.is_to_send()?;
        self.buffer_get(timeout)?
            .writable()
            .map_err(|_| Error::NotASender(self.name().to_owned()))
    }

    /// As [`Session::buffer_get`]; the buffer keeps this session, so it may go anywhere.
    ///
    /// ```no_run
    /// use std::sync::Arc;
    /// # use onair::{Error, OwnedBuffer, Session, Timeout};
    /// fn next(session: &Arc<Session>) -> Result<OwnedBuffer, Error> {
    ///     session.buffer_get_owned(Timeout::NEVER)
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`Session::buffer_get`].
    pub fn buffer_get_owned(self: &Arc<Self>, timeout: Timeout) -> Result<OwnedBuffer<L>, Error> {
        self.get_owned_until(timeout.deadline())
    }

    pub(crate) fn get_owned_until(
        self: &Arc<Self>,
        deadline: Deadline,
    ) -> Result<OwnedBuffer<L>, Error> {
        match self.attachment.take_owned(deadline, None) {
            Ok(held) => Ok(OwnedBuffer::new(Arc::clone(self), held)),
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    /// As [`Session::buffer_get_mut`]; the buffer keeps this session.
    ///
    /// # Errors
    /// As [`Session::buffer_get_mut`].
    pub fn buffer_get_owned_mut(
        self: &Arc<Self>,
        timeout: Timeout,
    ) -> Result<OwnedBufferMut<L>, Error> {
        self.is_to_send()?;
        self.buffer_get_owned(timeout)?
            .writable()
            .map_err(|_| Error::NotASender(self.name().to_owned()))
    }

    /// Returns a buffer; works while the session is stopped, too. Dropping the buffer does the
    /// same.
    ///
    /// # Errors
    /// `EINVAL` if the buffer belongs to another session: the error contains it, untouched.
    /// `ESTALE` if the session is gone, and the buffer with it.
    pub fn buffer_put<'b>(&self, buffer: Buffer<'b, L>) -> Result<(), PutError<'b, L>> {
        buffer.put_into(self)
    }

    pub(super) fn is_to_send(&self) -> Result<(), Error> {
        match self.is_sender() {
            true => Ok(()),
            false => Err(Error::NotASender(self.name().to_owned())),
        }
    }

    pub(super) fn takes_open_frames(&self) -> Result<(), Error> {
        match self.is_local() {
            true => Err(Error::Local(self.name().to_owned())),
            false => Ok(()),
        }
    }

    /// Buffers that this process holds, forgotten guards included.
    #[must_use]
    pub fn buffers_held(&self) -> usize {
        self.attachment.held()
    }
}
