//! The calls of a session that get and return buffers.

use onair_ipc::caller::Deadline;

use super::{Buffer, BufferMut, PutError};
use crate::{Error, Session, Timeout};

impl Session {
    /// Gets the oldest ready frame; waits at most `timeout` for one. In a send session: a free
    /// frame; [`Session::buffer_get_mut`] returns it writable.
    ///
    /// # Errors
    /// [`Error::Stopped`] (`EAGAIN`) if the session is stopped, or if a stop came during the wait,
    /// even if a start followed. Each stop is reported to each waiting caller exactly once. Do not
    /// retry in a loop: call [`Session::wait_started`].
    /// [`Error::TimedOut`] (`ETIMEDOUT`), [`Error::Stale`] (`ESTALE`). Never `EINTR`.
    #[inline(always)]
    pub fn buffer_get(&self, timeout: Timeout) -> Result<Buffer<'_>, Error> {
        self.get_until(timeout.deadline())
    }

    #[inline(always)]
    pub(crate) fn get_until(&self, deadline: Deadline) -> Result<Buffer<'_>, Error> {
        match self.attachment.take(deadline) {
            Ok(held) => Ok(Buffer::new(self, held)),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Send session: gets a free frame to fill and submit; waits at most `timeout` for one.
    ///
    /// # Errors
    /// As [`Session::buffer_get`]; [`Error::NotASender`] (`EINVAL`) in a receive session.
    pub fn buffer_get_mut(&self, timeout: Timeout) -> Result<BufferMut<'_>, Error> {
        if !self.is_sender() {
            return Err(Error::NotASender(self.name().to_owned()));
        }
        self.buffer_get(timeout)?
            .writable()
            .map_err(|_| Error::NotASender(self.name().to_owned()))
    }

    /// Returns a buffer; works while the session is stopped, too. Dropping the buffer does the
    /// same.
    ///
    /// # Errors
    /// `EINVAL` if the buffer belongs to another session: the error contains it, untouched.
    /// `ESTALE` if the session is gone, and the buffer with it.
    pub fn buffer_put<'b>(&self, buffer: Buffer<'b>) -> Result<(), PutError<'b>> {
        buffer.put_into(self)
    }

    /// Buffers that this process holds, forgotten guards included.
    #[must_use]
    pub fn buffers_held(&self) -> usize {
        self.attachment.held()
    }
}
