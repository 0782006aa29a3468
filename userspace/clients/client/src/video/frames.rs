//! Whole frames, also of a session whose buffers are fields.

use std::sync::Arc;

use onair_pixels::pipe::{NotPiped, PipeFile, PipeFormat, PipeWriter};

use super::pairing::{Pair, Pairing};
use crate::layout::Pictured;
use crate::{
    Buffer, BufferOf, ConvertError, Error, Field, FrameError, Layout, Lender, PixelFormat, Scan,
    Session, Status, Timeout,
};

/// Gets whole frames from a session: the two fields of a frame together, or the one buffer of a
/// progressive or segmented one (PsF). One thread uses it. Threads that share a session's fields
/// each get some of them, so only one of them may ask for frames.
///
/// It holds a first field until its second one comes: an interlaced session needs a `quota` of at
/// least 2 buffers, 4 to keep a frame while the next one comes.
///
/// ```no_run
/// # use onair::{ConvertError, Error, PixelFormat, Session, Timeout};
/// # fn show(_: &[u8]) {}
/// fn frames(session: &Session) -> Result<(), Box<dyn std::error::Error>> {
///     let picture = session.layout().frame_picture();
///     let mut pixels = vec![0; PixelFormat::Yuv422p10.planes(&picture).bytes];
///     let mut frames = session.frames()?;
///     loop {
///         let frame = frames.get(Timeout::NEVER)?;
///         frame.unpack(PixelFormat::Yuv422p10, &mut pixels)?;
///         if frame.missing().is_none() {
///             show(&pixels);
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Frames<'a> {
    session: &'a Session,
    /// Frames come when they begin.
    are_open: bool,
    assembly: Assembly<&'a Session>,
}

/// Puts the buffers of a session together to frames, in the order in which they come. It holds a first field until its
/// second one comes.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use onair::{Assembly, Error, OwnedFrame, Session, Timeout};
/// fn next(session: &Arc<Session>, assembly: &mut Assembly<Arc<Session>>) -> Result<OwnedFrame, Error> {
///     loop {
///         if let Some(frame) = assembly.waiting() {
///             return Ok(frame);
///         }
///         if let Some(frame) = assembly.push(session.buffer_get_owned(Timeout::NEVER)?) {
///             return Ok(frame);
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Assembly<S: Lender>(Option<Pairing<BufferOf<S>>>);

/// A frame: the buffers of it that came. Dropping it returns them.
///
/// ```no_run
/// # use onair::{Client, Timeout};
/// let session = Client::from_env().attach("studio")?;
/// let frame = session.frames()?.get(Timeout::NEVER)?;
/// println!("{} buffers, without {:?}", frame.buffers().count(), frame.missing());
/// # Ok::<(), onair::Error>(())
/// ```
#[derive(Debug)]
pub struct FrameOf<S: Lender>(Parts<S>);

/// A frame that borrows its session.
pub type Frame<'a> = FrameOf<&'a Session>;

/// A frame that keeps its session attached.
pub type OwnedFrame<L = Layout> = FrameOf<Arc<Session<L>>>;

#[derive(Debug)]
enum Parts<S: Lender> {
    Whole(BufferOf<S>),
    Fields(Pair<BufferOf<S>>),
}

impl Session {
    /// Whole frames of this session, from the next one on.
    ///
    /// # Errors
    /// As [`Assembly::of`].
    pub fn frames(&self) -> Result<Frames<'_>, Error> {
        Ok(Frames {
            session: self,
            are_open: false,
            assembly: Assembly::of(self)?,
        })
    }

    /// How this session's frames are written to a pipe, or read from one: in the pixel format `wanted`, or in one
    /// that ffmpeg reads.
    ///
    /// # Errors
    /// [`NotPiped`]: such a file, or the pixel format, cannot represent the frames.
    pub fn piped(
        &self,
        file: PipeFile,
        wanted: Option<PixelFormat>,
    ) -> Result<PipeFormat, NotPiped> {
        self.layout().piped(file, wanted)
    }
}

impl<L: Pictured> Session<L> {
    /// Send session: submits a whole frame in the pixel format `format`, both fields of an interlaced one. Waits at
    /// most `timeout` for each free buffer.
    ///
    /// # Errors
    /// [`FrameError`]: those of [`Session::buffer_get_mut`], [`BufferMut::submit`](crate::BufferMut::submit) and
    /// [`BufferMut::pack`](crate::BufferMut::pack).
    pub fn send_frame(
        &self,
        format: PixelFormat,
        pixels: &[u8],
        timeout: Timeout,
    ) -> Result<(), FrameError> {
        // It is sent when it is whole, since it takes no longer to pack than a few lines to send: a process that is held
        // up within would lose the frame.
        let layout = self.layout().pictures().ok_or(ConvertError::NoPicture)?;
        if layout.video.scan() != Scan::Interlaced {
            let mut buffer = self.buffer_get_mut(timeout)?;
            buffer.pack(format, None, pixels)?;
            return Ok(buffer.submit()?);
        }
        for field in [Field::First, Field::Second] {
            let mut buffer = self.buffer_get_mut(timeout)?;
            buffer.pack_field(format, field, pixels)?;
            buffer.submit()?;
        }
        Ok(())
    }
}

impl<S: Lender> Assembly<S> {
    /// Of buffers in the format of `session`.
    ///
    /// # Errors
    /// [`Error::OneField`]: it is interlaced, and its quota does not allow two buffers.
    pub fn of(session: &Session<S::Layout>) -> Result<Self, Error> {
        let layout = session.layout().pictures();
        let has_fields = layout.is_some_and(|it| it.video.scan() == Scan::Interlaced);
        if has_fields && session.quota() < 2 {
            return Err(Error::OneField(session.name().to_owned()));
        }
        Ok(Self(layout.map(|it| Pairing::new(it.video.rate()))))
    }

    /// Takes the next buffer. Returns the frame that is finished by it; ask [`Assembly::waiting`] for another one.
    pub fn push(&mut self, buffer: BufferOf<S>) -> Option<FrameOf<S>> {
        let parts = match (buffer.field(), &mut self.0) {
            (Some(field), Some(pairing)) => {
                Parts::Fields(pairing.push(field, buffer.rtp_timestamp(), buffer)?)
            }
            _ => Parts::Whole(buffer),
        };
        Some(FrameOf(parts))
    }

    /// A frame that was finished together with the last one: a second field without its first one.
    pub fn waiting(&mut self) -> Option<FrameOf<S>> {
        let pair = self.0.as_mut()?.take_waiting()?;
        Some(FrameOf(Parts::Fields(pair)))
    }

    /// Returns the fields that it holds.
    pub fn clear(&mut self) {
        self.0.iter_mut().for_each(Pairing::clear);
    }
}

impl<'a> Frames<'a> {
    /// From now on frames come as soon as they begin, as with [`Session::buffer_get_open`]:
    /// [`FrameOf::unpack_arriving`] converts them while they are received.
    #[must_use]
    pub const fn while_received(mut self) -> Self {
        self.are_open = true;
        self
    }

    /// Gets the oldest frame; waits at most `timeout` for it. A field whose other one did not come is
    /// a frame, too, as soon as a field of another frame is there: [`Frame::missing`] says it.
    ///
    /// # Errors
    /// As [`Session::buffer_get`]. After [`Error::TimedOut`] it still holds the first field that it may
    /// have; after any other error it holds none.
    pub fn get(&mut self, timeout: Timeout) -> Result<Frame<'a>, Error> {
        if let Some(frame) = self.assembly.waiting() {
            return Ok(frame);
        }
        let deadline = timeout.deadline();
        loop {
            let buffer = match self.are_open {
                true => Buffer::take_open(self.session, 1, deadline),
                false => Buffer::take(self.session, deadline),
            };
            let buffer = match buffer {
                Ok(buffer) => buffer,
                Err(error @ (Error::TimedOut | Error::AllHeld { .. })) => return Err(error),
                Err(error) => {
                    self.assembly.clear();
                    return Err(error);
                }
            };
            if let Some(frame) = self.assembly.push(buffer) {
                return Ok(frame);
            }
        }
    }
}

impl<S: Lender> FrameOf<S> {
    /// Its buffers: one, or the fields that came, the first one first.
    pub fn buffers(&self) -> impl Iterator<Item = &BufferOf<S>> {
        let (one, other) = match &self.0 {
            Parts::Whole(buffer) => (Some(buffer), None),
            Parts::Fields(Pair::Both(first, second)) => (Some(first), Some(second)),
            Parts::Fields(Pair::First(field) | Pair::Second(field)) => (Some(field), None),
        };
        one.into_iter().chain(other)
    }

    /// Its only buffer, if it is not of fields.
    ///
    /// # Errors
    /// The frame of fields, untouched.
    pub fn into_buffer(self) -> Result<BufferOf<S>, Self> {
        match self.0 {
            Parts::Whole(buffer) => Ok(buffer),
            fields @ Parts::Fields(_) => Err(Self(fields)),
        }
    }

    /// The same, to be kept one by one.
    pub fn into_buffers(self) -> impl Iterator<Item = BufferOf<S>> {
        let (one, other) = match self.0 {
            Parts::Whole(buffer) => (buffer, None),
            Parts::Fields(Pair::Both(first, second)) => (first, Some(second)),
            Parts::Fields(Pair::First(field) | Pair::Second(field)) => (field, None),
        };
        std::iter::once(one).chain(other)
    }

    /// The field that did not come, if one did not.
    #[must_use]
    pub fn missing(&self) -> Option<Field> {
        match &self.0 {
            Parts::Fields(Pair::First(_)) => Some(Field::Second),
            Parts::Fields(Pair::Second(_)) => Some(Field::First),
            _ => None,
        }
    }

    /// Whether every byte of the frame came. [`BufferOf::status`] says what is missing of a buffer.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let are = |buffer: &BufferOf<S>| buffer.status() == Status::Complete;
        self.missing().is_none() && self.buffers().all(are)
    }

    /// Writes the pixels to `pixels` in another format, in the planes that [`PixelFormat::planes`] has
    /// for [`Layout::frame_picture`](crate::Layout::frame_picture): lines 0, 2, 4 … are the first
    /// field's. Lines of a field that did not come stay as they are. No sample changes.
    ///
    /// # Errors
    /// [`ConvertError`]: the format has other components or another depth, or `pixels` is too small; or the
    /// buffers are of a converted session in another format.
    pub fn unpack(&self, format: PixelFormat, pixels: &mut [u8]) -> Result<(), ConvertError> {
        self.buffers()
            .try_for_each(|buffer| buffer.unpack_lines(format, pixels))
    }

    /// As [`Self::unpack`], also of buffers that are still received: it converts each part when it has come, and returns
    /// when the frame has ended. It waits at most `timeout` for each part.
    ///
    /// # Errors
    /// [`FrameError`]: as [`Self::unpack`], and as [`BufferOf::wait_for`].
    pub fn unpack_arriving(
        &self,
        format: PixelFormat,
        pixels: &mut [u8],
        timeout: Timeout,
    ) -> Result<(), FrameError> {
        for buffer in self.buffers() {
            let layout = buffer.layout().pictures().ok_or(ConvertError::NoPicture)?;
            if layout.pixel_format.is_some() {
                // It came whole.
                buffer.unpack_lines(format, pixels)?;
                continue;
            }
            let (field, row) = (buffer.field(), layout.video.line_bytes());
            buffer.each_part(timeout, |at, pgroups| {
                let rows = (field, at / row);
                Ok::<_, FrameError>(layout.unpack_rows(rows, (pgroups, format), pixels)?)
            })?;
        }
        Ok(())
    }

    /// Waits until the frame has ended, at most `timeout` for each part of it.
    ///
    /// # Errors
    /// As [`BufferOf::wait_for`].
    pub fn wait_arrived(&self, timeout: Timeout) -> Result<(), Error> {
        self.buffers()
            .try_for_each(|buffer| buffer.each_part(timeout, |_, _| Ok(())))
    }

    /// Replaces `out` by the frame and what precedes it in the stream of `writer`, while the frame is received. Lines of a
    /// field that did not come are those that `out` had. Waits at most `timeout` for each part.
    ///
    /// # Errors
    /// As [`FrameOf::unpack_arriving`].
    pub fn write_to(
        &self,
        writer: &mut PipeWriter,
        out: &mut Vec<u8>,
        timeout: Timeout,
    ) -> Result<(), FrameError> {
        let first = self.buffers().next();
        let start = writer.begin_frame(first.map_or(0, |it| it.rtp_timestamp()));
        out.resize(start.len() + writer.format().frame_bytes(), 0);
        let (before, pixels) = out.split_at_mut(start.len());
        before.copy_from_slice(&start);
        self.unpack_arriving(writer.format().pixels(), pixels, timeout)
    }
}

impl<S: Lender> BufferOf<S> {
    /// Receive: which field of an interlaced frame it is; `None`: a whole frame. A sender's buffers
    /// are first and second fields in turn, in the order of [`BufferMut::submit`](crate::BufferMut::submit), the first one since the
    /// session's start a first field.
    #[must_use]
    pub fn field(&self) -> Option<Field> {
        let is_picture = self.layout().pictures().is_some();
        is_picture.then(|| Field::of_tag(self.tag())).flatten()
    }
}
