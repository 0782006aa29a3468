//! A buffer: a frame that this process holds, as a guard.

use std::fmt;
use std::ops::{Deref, DerefMut};

use onair_ipc::caller::LoanGuard;

use crate::{Error, Layout, RawBuffer, Session, Status};

/// A frame that this process holds: its bytes, and what is known of it. Dropping it gives the frame
/// back. It may move to another thread.
///
/// Its bytes stay as they are until then, also when the session ends meanwhile, in whatever way
/// ([`Session::abort`], eviction, the daemon's death): the memory goes with the last buffer. Given
/// back, it borrows nothing any more:
///
/// ```
/// # use onair::{Buffer, Session};
/// fn before(session: &Session, buffer: Buffer<'_>) -> u8 {
///     let bytes: &[u8] = &buffer;
///     let first = bytes[0];
///     drop(session.buffer_put(buffer));
///     first
/// }
/// ```
///
/// ```compile_fail,E0505
/// # use onair::{Buffer, Session};
/// fn after(session: &Session, buffer: Buffer<'_>) -> u8 {
///     let bytes: &[u8] = &buffer;
///     drop(session.buffer_put(buffer));
///     bytes[0]
/// }
/// ```
///
/// A guard that is forgotten (`mem::forget`) stays counted as held: it keeps the session from being
/// destroyed, and stands in the list of blockers.
pub struct Buffer<'a> {
    session: &'a Session,
    held: LoanGuard<'a>,
}

impl<'a> Buffer<'a> {
    #[inline]
    pub(crate) fn new(session: &'a Session, held: LoanGuard<'a>) -> Self {
        Self { session, held }
    }

    /// The session that lent it.
    #[must_use]
    pub fn session(&self) -> &'a Session {
        self.session
    }

    /// How the bytes lie.
    #[must_use]
    pub fn layout(&self) -> &'a Layout {
        self.session.layout()
    }

    /// Count of frames since the session was created, from 0. A gap: frames that this attachment
    /// did not get, because it held its quota.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.held.meta().number
    }

    /// RTP timestamp of the frame, in units of 1/90000 s (RFC 4175 §4.1).
    #[must_use]
    pub fn rtp_timestamp(&self) -> u32 {
        self.held.meta().rtp_timestamp
    }

    /// When the first packet was taken from the port: CLOCK_MONOTONIC, ns.
    #[must_use]
    pub fn first_packet_ns(&self) -> u64 {
        self.held.meta().first_packet_ns
    }

    /// When the last packet was taken from the port: CLOCK_MONOTONIC, ns.
    #[must_use]
    pub fn last_packet_ns(&self) -> u64 {
        self.held.meta().last_packet_ns
    }

    /// Packets that brought something.
    #[must_use]
    pub fn packets(&self) -> u32 {
        self.held.meta().packets
    }

    /// Whether every byte arrived, and what is missing if not.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::from(&self.held.meta())
    }

    /// Send session: the frame, to be filled. A buffer of a receive session comes back.
    ///
    /// # Errors
    /// The buffer, if its session receives.
    pub fn writable(self) -> Result<BufferMut<'a>, Self> {
        if self.session.is_sender() {
            Ok(BufferMut(self))
        } else {
            Err(self)
        }
    }

    /// Gives the frame back and says whether that was in order; dropping the buffer does not say.
    ///
    /// # Errors
    /// [`Error::Stale`] if the session took it back meanwhile.
    pub fn put(self) -> Result<(), Error> {
        Ok(self.held.put()?)
    }

    /// Ends the guard: the frame stays held until the handle is put with
    /// [`Session::put_raw`]. For bindings to languages without guards.
    #[must_use = "the frame stays held until the handle is put"]
    pub fn into_raw(self) -> RawBuffer {
        RawBuffer::new(self.session.id(), self.held.keep().into_raw())
    }

    pub(crate) fn put_into(self, session: &Session) -> Result<(), PutError<'a>> {
        if !std::ptr::eq(self.session, session) {
            return Err(PutError {
                error: Error::NotHeld,
                buffer: Some(self),
            });
        }
        self.put().map_err(|error| PutError {
            error,
            buffer: None,
        })
    }
}

impl Deref for Buffer<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.held.bytes()
    }
}

impl AsRef<[u8]> for Buffer<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Buffer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("session", &self.session.name())
            .field("frame", &self.held.frame())
            .field("number", &self.number())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// A frame of a send session, to be filled and submitted. Dropping it gives the frame back unsent.
#[derive(Debug)]
pub struct BufferMut<'a>(Buffer<'a>);

impl<'a> BufferMut<'a> {
    /// Hands the frame over to be sent. Frames are sent in the order of these calls. After
    /// [`Session::stop`] of this process, too. Once the session itself is stopped the frame is taken
    /// back unsent: it is counted among those that were submitted, and those that the stop dropped.
    ///
    /// # Errors
    /// [`Error::Stale`] if the session is gone, with the frame.
    pub fn submit(self) -> Result<(), Error> {
        Ok(self.0.held.submit()?)
    }

    /// The buffer, to be put back unsent or turned into a raw handle.
    #[must_use]
    pub fn into_buffer(self) -> Buffer<'a> {
        self.0
    }

    /// How the bytes shall lie.
    #[must_use]
    pub fn layout(&self) -> &'a Layout {
        self.0.layout()
    }
}

impl Deref for BufferMut<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for BufferMut<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.0
            .held
            .bytes_mut()
            .expect("only a buffer of a send session becomes writable")
    }
}

/// A buffer was not put.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct PutError<'a> {
    /// Why: [`Error::NotHeld`] (another session's) or [`Error::Stale`].
    pub error: Error,
    /// The buffer, if it is still held.
    pub buffer: Option<Buffer<'a>>,
}

impl PutError<'_> {
    /// As [`Error::errno`].
    #[must_use]
    pub fn errno(&self) -> i32 {
        self.error.errno()
    }
}
