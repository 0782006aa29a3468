//! Frames that this process holds: guards of them, raw handles, and the calls that get and return them.

mod calls;
mod filling;
mod lender;
mod open;

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use onair_ipc::caller::Guard;

use crate::carries::{Carries, Described as _};
use crate::{Error, Layout, Session, Status, Timeout};
use open::bytes_in;

pub use filling::{OpenBuffer, OpenBufferOf, OwnedOpenBuffer};
pub use lender::{Lender, LenderOf};
pub use open::RawBuffer;

/// Parts of a buffer. Each costs a wake.
const PARTS: usize = 16;

/// A frame that this process holds: its bytes and its metadata. Dropping it returns the frame. It
/// may move to another thread.
///
/// Its bytes do not change until then, also if the session ends meanwhile ([`Session::abort`],
/// eviction, the daemon's death): the memory stays until the last buffer is dropped. A returned
/// buffer permits no further borrow:
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
/// A forgotten guard (`mem::forget`) stays counted as held: it keeps the session from being
/// destroyed, and appears in the list of blockers.
pub struct BufferOf<S: LenderOf> {
    // Before the session, which must outlive the loan.
    held: Guard<S::Attachment>,
    session: S,
}

/// A buffer that borrows its session.
pub type Buffer<'a, L = Layout> = BufferOf<&'a Session<L>>;

/// A buffer that keeps its session attached: for threads and bindings that outlive the call.
pub type OwnedBuffer<L = Layout> = BufferOf<Arc<Session<L>>>;

impl<S: LenderOf> BufferOf<S> {
    #[inline]
    pub(crate) fn new(session: S, held: Guard<S::Attachment>) -> Self {
        Self { held, session }
    }

    /// The session that loaned it.
    #[must_use]
    pub fn session(&self) -> &S {
        &self.session
    }

    /// Meaning of the bytes.
    #[must_use]
    pub fn layout(&self) -> &S::Layout {
        self.session.layout()
    }

    /// Number of the frame since the session's creation, from 0. A gap means frames that this
    /// attachment did not get, because it held its quota.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.held.meta().number
    }

    /// RTP timestamp of the frame, in units of 1/90000 s (RFC 4175 §4.1); of audio, in samples.
    #[must_use]
    pub fn rtp_timestamp(&self) -> u32 {
        self.held.meta().rtp_timestamp
    }

    /// The time that the RTP timestamp names, unwrapped: nanoseconds since the SMPTE Epoch, in TAI.
    /// `None` if it is not within 10 s of the time of reception: then sender and daemon follow
    /// different clocks. The daemon's clock is `CLOCK_TAI` of its host.
    #[must_use]
    pub fn media_time_ns(&self) -> Option<u64> {
        Some(self.held.meta().media_time_ns).filter(|ns| *ns > 0)
    }

    /// When the poller took the first packet from the port: CLOCK_MONOTONIC, ns.
    #[must_use]
    pub fn first_packet_ns(&self) -> u64 {
        self.held.meta().first_packet_ns
    }

    /// When the poller took the last packet from the port: CLOCK_MONOTONIC, ns.
    #[must_use]
    pub fn last_packet_ns(&self) -> u64 {
        self.held.meta().last_packet_ns
    }

    /// The essence's mark of the buffer.
    #[inline]
    pub(crate) fn tag(&self) -> u32 {
        self.held.meta().tag
    }

    /// Packets that contributed data.
    #[must_use]
    pub fn packets(&self) -> u32 {
        self.held.meta().packets
    }

    /// Whether every byte arrived, and what is missing if not. While it is received, what is still to come is missing.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status_now()
    }

    /// Send session: the frame, writable. A buffer of a receive session is returned as the error.
    ///
    /// # Errors
    /// The buffer, if its session receives.
    pub fn writable(self) -> Result<BufferMutOf<S>, Self> {
        if self.session.is_sender() {
            Ok(BufferMutOf(self))
        } else {
            Err(self)
        }
    }

    /// Returns the frame and reports whether that worked; dropping the buffer does not report it.
    ///
    /// # Errors
    /// [`Error::Stale`] if the session took it back.
    pub fn put(self) -> Result<(), Error> {
        Ok(self.held.put()?)
    }

    /// Dissolves the guard: the frame stays held until the handle is put with [`Session::put_raw`].
    /// For bindings to languages without guards.
    #[must_use = "the frame stays held until the handle is put"]
    pub fn into_raw(self) -> RawBuffer {
        RawBuffer::new(self.session.id(), self.held.keep().into_raw())
    }

    /// Calls `take` with each part of the buffer as soon as it has come: where it begins, and its bytes, which are whole
    /// rows. Returns when the buffer has ended, and waits at most `timeout` for each part. What did not come is in the
    /// last part as it is in the buffer.
    ///
    /// # Errors
    /// As [`BufferOf::wait_for`]; the first one of `take`.
    pub fn each_part<E: From<Error>>(
        &self,
        timeout: Timeout,
        mut take: impl FnMut(usize, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (row, _) = self.layout().row();
        let row = (row as usize).max(1);
        let all = bytes_in(&self.session, &self.held.meta());
        let mut done = 0;
        loop {
            // Its end is known after its last byte.
            let wanted = match end_of_part(done, row, all) {
                end if end > done => end,
                _ => usize::MAX,
            };
            let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
            let open = self.held.wait_bytes(wanted, timeout.deadline(), None);
            let open = open.map_err(Error::from)?;
            let end = open.map_or(all, |stand| (stand as usize / row * row).min(all));
            if end > done {
                take(done, &self[done..end])?;
                done = end;
            }
            if open.is_none() {
                return Ok(());
            }
        }
    }
}

impl<'a, L: Carries> Buffer<'a, L> {
    pub(crate) fn put_into(self, session: &Session<L>) -> Result<(), PutError<'a, L>> {
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

impl<S: LenderOf> Deref for BufferOf<S> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let bytes = self.held.bytes();
        match self.layout().fewer_bytes(|| self.tag()) {
            None => bytes,
            Some(fewer) => &bytes[..fewer.min(bytes.len())],
        }
    }
}

impl<S: LenderOf> AsRef<[u8]> for BufferOf<S> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<S: LenderOf> fmt::Debug for BufferOf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("session", &self.session.name())
            .field("frame", &self.held.frame())
            .field("number", &self.number())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// A frame of a send session, to fill and submit. Dropping it returns the frame unsent.
///
/// ```no_run
/// use onair::{Client, Timeout};
///
/// let session = Client::from_env().attach("playout")?;
/// let mut buffer = session.buffer_get_mut(Timeout::NEVER)?;
/// buffer.fill(0x80);
/// buffer.submit()?;
/// # Ok::<(), onair::Error>(())
/// ```
#[derive(Debug)]
pub struct BufferMutOf<S: LenderOf>(BufferOf<S>);

/// A frame to fill that borrows its session.
pub type BufferMut<'a, L = Layout> = BufferMutOf<&'a Session<L>>;

/// A frame to fill that keeps its session attached.
pub type OwnedBufferMut<L = Layout> = BufferMutOf<Arc<Session<L>>>;

impl<S: LenderOf> BufferMutOf<S> {
    /// Submits the frame. The daemon sends frames in the order of these calls, also after
    /// [`Session::stop`] of this process. If the session itself is stopped, the daemon takes the
    /// frame back unsent, and counts it as submitted and as dropped by the stop.
    ///
    /// # Errors
    /// [`Error::Stale`] if the session is gone, and the frame with it.
    pub fn submit(self) -> Result<(), Error> {
        Ok(self.0.held.submit()?)
    }

    /// Submits the frame as one that is made of `source`: its readers see the number, the times and the missing lines
    /// of that one. For the daemon's own converter.
    #[doc(hidden)]
    pub fn submit_made_of<F: LenderOf>(self, source: &BufferOf<F>) -> Result<(), Error> {
        Ok(self.0.held.submit_described(&source.held.meta())?)
    }

    /// The buffer, to put back unsent or to turn into a raw handle.
    #[must_use]
    pub fn into_buffer(self) -> BufferOf<S> {
        self.0
    }

    /// Layout of the bytes.
    #[must_use]
    pub fn layout(&self) -> &S::Layout {
        self.0.layout()
    }
}

impl<S: LenderOf> Deref for BufferMutOf<S> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<S: LenderOf> DerefMut for BufferMutOf<S> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.0
            .held
            .bytes_mut()
            .expect("only a buffer of a send session becomes writable")
    }
}

/// A buffer that was not put.
///
/// ```no_run
/// use onair::{Buffer, Session};
///
/// fn put<'a>(session: &Session, buffer: Buffer<'a>) -> Option<Buffer<'a>> {
///     // Of another session: it is still held.
///     session.buffer_put(buffer).err()?.buffer
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct PutError<'a, L: Carries = Layout> {
    /// The cause: [`Error::NotHeld`] (another session's) or [`Error::Stale`].
    pub error: Error,
    /// The buffer, if it is still held.
    pub buffer: Option<Buffer<'a, L>>,
}

impl<L: Carries> PutError<'_, L> {
    /// As [`Error::errno`].
    #[must_use]
    pub fn errno(&self) -> i32 {
        self.error.errno()
    }
}

/// Where the part ends that begins at `done`, of rows of `row` bytes.
fn end_of_part(done: usize, row: usize, all: usize) -> usize {
    let rows = (all / row).div_ceil(PARTS).max(1);
    (done + rows * row).min(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_any_buffer_then_whole_rows_to_its_end() {
        for (row, all) in [(4800, 4800 * 1080), (10, 30), (7, 7 * 17), (1, 100)] {
            let mut ends = vec![0];
            while ends[ends.len() - 1] < all {
                ends.push(end_of_part(ends[ends.len() - 1], row, all));
            }
            assert!(ends.len() <= PARTS + 1, "{ends:?}");
            assert!(ends.iter().all(|it| it % row == 0), "{ends:?}");
            assert_eq!(ends.last(), Some(&all));
        }
        assert_eq!(end_of_part(30, 10, 30), 30);
    }
}
