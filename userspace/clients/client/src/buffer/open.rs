//! Buffers that a client has while they are received.
//!
//! The calls count in what the essence has: lines of video, samples of audio, else bytes.

use std::ptr::NonNull;
use std::sync::Arc;

use onair_api::SessionId;
use onair_ipc::caller::{Deadline, RawLease, Refusal};
use onair_ipc::meta::{FrameMeta, MissingRange};

use super::calls::{is_to_send, refused};
use super::{Buffer, BufferOf, Lender, LenderOf, OwnedBuffer};
use crate::carries::{Carries, Described};
use crate::{Error, Session, Status, Timeout};

/// Bytes of so many lines, or of what else a row has.
fn bytes_of(layout: &impl Described, count: u32) -> u32 {
    let (bytes, lines) = layout.row();
    count.div_ceil(lines.max(1)).saturating_mul(bytes)
}

/// So many lines, or what else a row has, are in these bytes.
fn count_of(layout: &impl Described, bytes: u32) -> u32 {
    let (row, lines) = layout.row();
    bytes / row.max(1) * lines
}

/// Bytes of a buffer.
pub(super) fn bytes_in<L: Carries>(session: &Session<L>, meta: &FrameMeta) -> usize {
    let all = session.link.attachment.geometry().frame_bytes as usize;
    let fewer = session.layout().fewer_bytes(|| meta.tag);
    fewer.map_or(all, |it| it.min(all))
}

/// Lines, or what else a row has, before the first that is missing.
fn count_in<L: Carries>(session: &Session<L>, open: Option<u32>, meta: &FrameMeta) -> u32 {
    let all = || u32::try_from(bytes_in(session, meta)).unwrap_or(u32::MAX);
    let bytes = match (open, meta.is_complete()) {
        (Some(stand), _) => stand,
        (None, true) => all(),
        // Nothing is known of where bytes are missing.
        (None, false) if meta.missing[0].len == 0 => 0,
        (None, false) => meta.missing[0].offset,
    };
    count_of(session.layout(), bytes)
}

/// The description of a buffer of `bytes` bytes, of which `open` stand while it is received.
pub(super) fn described(open: Option<u32>, bytes: usize, meta: FrameMeta) -> FrameMeta {
    let Some(stand) = open else {
        return meta;
    };
    let all = u32::try_from(bytes).unwrap_or(u32::MAX);
    let rest = MissingRange {
        offset: stand,
        len: all.saturating_sub(stand).max(1),
    };
    let mut missing = FrameMeta::default().missing;
    missing[0] = rest;
    FrameMeta {
        bytes_missing: rest.len,
        missing,
        ..meta
    }
}

impl<L: Carries> Session<L> {
    /// Gets the oldest buffer of which `count` lines stand in memory, also while the rest is still received; waits at most
    /// `timeout` for one. Of audio: samples. Of JPEG XS: bytes. One that ended with fewer comes as well: its
    /// [`Buffer::status`](BufferOf::status) says what is missing.
    ///
    /// Of such a buffer only what stands can be read, and that does not change any more:
    /// [`Buffer::wait_for`](BufferOf::wait_for) waits for more. A buffer that began before the first such call comes when
    /// it has ended, as do all of ancillary data, of a converted session, and those that found the quota used up when
    /// they began.
    ///
    /// ```no_run
    /// use onair::{Client, Timeout};
    ///
    /// let session = Client::from_env().attach("cam1")?;
    /// let buffer = session.buffer_get_open(100, Timeout::NEVER)?;
    /// println!("{} lines are here", buffer.lines());
    /// let lines = buffer.wait_lines(540, Timeout::NEVER)?;
    /// println!("{lines} lines are here");
    /// # Ok::<(), onair::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Session::buffer_get`].
    pub fn buffer_get_open(&self, count: u32, timeout: Timeout) -> Result<Buffer<'_, L>, Error> {
        Buffer::take_open(self, count, timeout.deadline())
    }

    /// As [`Session::buffer_get_open`]; the buffer keeps this session.
    ///
    /// # Errors
    /// As [`Session::buffer_get`].
    pub fn buffer_get_open_owned(
        self: &Arc<Self>,
        count: u32,
        timeout: Timeout,
    ) -> Result<OwnedBuffer<L>, Error> {
        OwnedBuffer::take_open(self, count, timeout.deadline())
    }

    /// [`Buffer::wait_for`](BufferOf::wait_for) of a raw handle.
    ///
    /// # Errors
    /// As [`Session::buffer_get`] and [`Session::put_raw`].
    pub fn raw_wait_for(&self, raw: RawBuffer, count: u32, timeout: Timeout) -> Result<u32, Error> {
        let bytes = bytes_of(self.layout(), count);
        let (lease, attachment) = (raw.lease, &self.link.attachment);
        let open = lease.wait_bytes(attachment, bytes, timeout.deadline())?;
        let meta = lease.meta(attachment)?;
        Ok(count_in(self, open, &meta))
    }

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

impl<'a, L: Carries> Buffer<'a, L> {
    pub(crate) fn take_open(
        session: &'a Session<L>,
        count: u32,
        deadline: Deadline,
    ) -> Result<Self, Error> {
        let bytes = bytes_of(session.layout(), count);
        match session.link.attachment.take_open(bytes, deadline) {
            Ok(held) => Ok(Self::new(session, held)),
            Err(refusal) => Err(refused(session, refusal)),
        }
    }
}

impl<L: Carries> OwnedBuffer<L> {
    pub(crate) fn take_open(
        session: &Arc<Session<L>>,
        count: u32,
        deadline: Deadline,
    ) -> Result<Self, Error> {
        let taken = Self::take_open_within(session, count, deadline, None);
        taken.map_err(|refusal| refused(session, refusal))
    }

    /// [`Session::buffer_get_open`] by `deadline`; with `seen`, a part of it.
    pub(crate) fn take_open_within(
        session: &Arc<Session<L>>,
        count: u32,
        deadline: Deadline,
        seen: Option<&mut onair_ipc::caller::Parts>,
    ) -> Result<Self, Refusal> {
        let bytes = bytes_of(session.layout(), count);
        let attachment = &session.link.attachment;
        let held = attachment.take_open_owned(bytes, deadline, seen)?;
        Ok(Self::new(Arc::clone(session), held))
    }
}

impl RawBuffer {
    /// The description of a raw handle's buffer.
    pub(super) fn described<L: Carries>(self, session: &Session<L>) -> Result<FrameMeta, Refusal> {
        let attachment = &session.link.attachment;
        let open = self.lease.open_bytes(attachment).ok().flatten();
        let meta = self.lease.meta(attachment)?;
        Ok(described(open, bytes_in(session, &meta), meta))
    }

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

impl<S: LenderOf> BufferOf<S> {
    /// Whether more of it may still come. What is said of its missing parts changes until then.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.held.open_bytes().is_some()
    }

    /// Lines from the first on that stand in memory; of audio: samples; else bytes. While the buffer is received, it
    /// derefs to just these.
    #[must_use]
    pub fn progress(&self) -> u32 {
        let open = self.held.open_bytes();
        count_in(&self.session, open, &self.held.meta())
    }

    /// Waits until `count` lines stand, at most `timeout`; of audio: samples; else bytes. Returns how many do; fewer, if
    /// the buffer has ended: then [`Self::status`] says what is missing. If they stand already, it returns at once,
    /// also in a stopped session.
    ///
    /// # Errors
    /// As [`Session::buffer_get`]. The buffer stays held, and what stands of it can be read.
    pub fn wait_for(&self, count: u32, timeout: Timeout) -> Result<u32, Error> {
        Ok(self.wait_within(count, timeout.deadline(), None)?)
    }

    /// [`Self::wait_for`] by `deadline`; with `seen`, a part of it.
    pub(crate) fn wait_within(
        &self,
        count: u32,
        deadline: Deadline,
        seen: Option<&mut onair_ipc::caller::Parts>,
    ) -> Result<u32, Refusal> {
        let bytes = bytes_of(self.session.layout(), count);
        let open = self.held.wait_bytes(bytes, deadline, seen)?;
        Ok(count_in(&self.session, open, &self.held.meta()))
    }

    /// Status of it now: of a buffer that is received, the rest is missing.
    pub(super) fn status_now(&self) -> Status {
        // Before the description: after the end it is the last one.
        let open = self.held.open_bytes();
        let meta = self.held.meta();
        let meta = described(open, bytes_in(&self.session, &meta), meta);
        Status::of(&meta, self.session.layout())
    }
}

impl<S: Lender> BufferOf<S> {
    /// Lines from the first on that stand in memory. Of an interlaced session: of this field.
    #[must_use]
    pub fn lines(&self) -> u32 {
        self.progress()
    }

    /// Waits until so many lines stand: [`Self::wait_for`].
    ///
    /// # Errors
    /// As [`Self::wait_for`].
    pub fn wait_lines(&self, lines: u32, timeout: Timeout) -> Result<u32, Error> {
        self.wait_for(lines, timeout)
    }
}

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
