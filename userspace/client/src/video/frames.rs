//! Whole frames, also of a session whose buffers are fields.

use std::sync::Arc;

use onair_pixels::Lines;

use super::pairing::{Pair, Pairing};
use crate::{BufferOf, ConvertError, Error, Field, Lender, PixelFormat, Session, Status, Timeout};

/// Gets whole frames from a session: the two fields of a frame together, or the one buffer of a
/// progressive or segmented one (PsF). One thread uses it. Threads that share a session's fields
/// each get some of them, so only one of them may ask for frames.
///
/// It holds a first field until its second one comes: an interlaced session needs a `quota` of at
/// least 2 frames, 4 to keep a frame while the next one comes.
///
/// ```no_run
/// # use onair::{ConvertError, Error, PixelFormat, Session, Timeout};
/// # fn show(_: &[u8]) {}
/// fn frames(session: &Session) -> Result<(), Box<dyn std::error::Error>> {
///     let picture = session.layout().frame_picture();
///     let mut pixels = vec![0; PixelFormat::Yuv422p10.planes(&picture).bytes];
///     let mut frames = session.frames();
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
pub struct FramesOf<S: Lender> {
    session: S,
    fields: Pairing<BufferOf<S>>,
}

/// Whole frames of a session that they borrow.
pub type Frames<'a> = FramesOf<&'a Session>;

/// A frame: the buffers of it that came. Dropping it returns them.
#[derive(Debug)]
pub struct FrameOf<S: Lender>(Parts<S>);

/// A frame that borrows its session.
pub type Frame<'a> = FrameOf<&'a Session>;

#[derive(Debug)]
enum Parts<S: Lender> {
    Whole(BufferOf<S>),
    Fields(Pair<BufferOf<S>>),
}

impl Session {
    /// Whole frames of this session, from the next one on.
    #[must_use]
    pub fn frames(&self) -> Frames<'_> {
        FramesOf::new(self)
    }

    /// As [`Session::frames`]; they keep this session, so they may go anywhere.
    #[must_use]
    pub fn frames_owned(self: &Arc<Self>) -> FramesOf<Arc<Self>> {
        FramesOf::new(Arc::clone(self))
    }
}

impl<S: Lender> FramesOf<S> {
    fn new(session: S) -> Self {
        let fields = Pairing::new(session.layout().video.rate());
        Self { session, fields }
    }

    /// Gets the oldest frame; waits at most `timeout` for it. A field whose other one did not come is
    /// a frame, too, as soon as a field of another frame is there: [`Frame::missing`] says it.
    ///
    /// # Errors
    /// As [`Session::buffer_get`]. After [`Error::TimedOut`] it still holds the first field that it may
    /// have; after any other error it holds none.
    pub fn get(&mut self, timeout: Timeout) -> Result<FrameOf<S>, Error> {
        if let Some(pair) = self.fields.take_waiting() {
            return Ok(FrameOf(Parts::Fields(pair)));
        }
        let deadline = timeout.deadline();
        loop {
            let buffer = match self.session.get(deadline) {
                Ok(buffer) => buffer,
                Err(Error::TimedOut) => return Err(Error::TimedOut),
                Err(error) => {
                    self.fields.clear();
                    return Err(error);
                }
            };
            let Some(field) = buffer.field() else {
                return Ok(FrameOf(Parts::Whole(buffer)));
            };
            let ticks = buffer.rtp_timestamp();
            if let Some(pair) = self.fields.push(field, ticks, buffer) {
                return Ok(FrameOf(Parts::Fields(pair)));
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

    /// The field that did not come, if one did not.
    #[must_use]
    pub fn missing(&self) -> Option<Field> {
        match &self.0 {
            Parts::Fields(Pair::First(_)) => Some(Field::Second),
            Parts::Fields(Pair::Second(_)) => Some(Field::First),
            _ => None,
        }
    }

    /// Whether every byte of the frame came. [`Buffer::status`] says what is missing of a buffer.
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
        let is_whole = matches!(self.0, Parts::Whole(_));
        self.buffers().try_for_each(|buffer| {
            let lines = match buffer.field() {
                _ if is_whole => Lines::All,
                Some(Field::Second) => Lines::Second,
                _ => Lines::First,
            };
            let layout = buffer.layout();
            let picture = layout.frame_picture();
            layout.write_lines(&picture, lines, (buffer, format), pixels)
        })
    }
}
