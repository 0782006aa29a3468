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
        Buffer::take(self, timeout.deadline())
    }

    /// Send session: gets a free frame to fill and submit; waits at most `timeout` for one.
    ///
    /// # Errors
    /// As [`Session::buffer_get`]; [`Error::NotASender`] (`EINVAL`) in a receive session.
    pub fn buffer_get_mut(&self, timeout: Timeout) -> Result<BufferMut<'_, L>, Error> {
        is_to_send(self)?;
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
        OwnedBuffer::take(self, timeout.deadline())
    }

    /// As [`Session::buffer_get_mut`]; the buffer keeps this session.
    ///
    /// # Errors
    /// As [`Session::buffer_get_mut`].
    pub fn buffer_get_owned_mut(
        self: &Arc<Self>,
        timeout: Timeout,
    ) -> Result<OwnedBufferMut<L>, Error> {
        is_to_send(self)?;
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

    /// Buffers that this process holds, forgotten guards included.
    #[must_use]
    pub fn buffers_held(&self) -> usize {
        self.link.attachment.held()
    }
}

impl<'a, L: Carries> Buffer<'a, L> {
    #[inline(always)]
    pub(crate) fn take(session: &'a Session<L>, deadline: Deadline) -> Result<Self, Error> {
        match session.link.attachment.take(deadline) {
            Ok(held) => Ok(Self::new(session, held)),
            Err(refusal) => Err(refused(session, refusal)),
        }
    }
}

impl<L: Carries> OwnedBuffer<L> {
    pub(crate) fn take(session: &Arc<Session<L>>, deadline: Deadline) -> Result<Self, Error> {
        match session.link.attachment.take_owned(deadline, None) {
            Ok(held) => Ok(Self::new(Arc::clone(session), held)),
            Err(refusal) => Err(refused(session, refusal)),
        }
    }
}

#[cold]
pub(super) fn refused<L: Carries>(session: &Session<L>, refusal: Refusal) -> Error {
    let quota = session.quota();
    match refusal {
        Refusal::TimedOut if session.buffers_held() >= quota => Error::AllHeld { quota },
        refusal => refusal.into(),
    }
}

pub(super) fn is_to_send<L: Carries>(session: &Session<L>) -> Result<(), Error> {
    match session.is_sender() {
        true => Ok(()),
        false => Err(Error::NotASender(session.name().to_owned())),
    }
}

pub(super) fn takes_open_frames<L: Carries>(session: &Session<L>) -> Result<(), Error> {
    match session.is_local() {
        true => Err(Error::Local(session.name().to_owned())),
        false => Ok(()),
    }
}
