//! Frames that are sent while this process fills them.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::calls::{is_to_send, takes_open_frames};
use super::{BufferMutOf, BufferOf, Lender, LenderOf};
use crate::{AudioFormat, Error, Layout, Session};

/// A frame of a send session that was submitted while it is being filled. The daemon sends a packet of it when its time
/// has come and what it carries is there. What comes too late is not sent: the frame ends before it, and counts as
/// one of `underruns_open`.
///
/// Dropping the buffer before [`OpenBufferOf::finish`] ends the frame where it was filled to.
///
/// ```no_run
/// use onair::{Client, Timeout};
///
/// let session = Client::from_env().attach("playout")?;
/// let line_bytes = session.layout().video.line_bytes();
/// let mut buffer = session.buffer_get_mut(Timeout::NEVER)?.submit_open()?;
/// for line in 0..session.layout().video.height() {
///     let at = line as usize * line_bytes;
///     buffer[at..at + line_bytes].fill(0x80);
///     buffer.lines_ready(line + 1);
/// }
/// buffer.finish()?;
/// # Ok::<(), onair::Error>(())
/// ```
#[derive(Debug)]
pub struct OpenBufferOf<S: LenderOf>(BufferMutOf<S>);

/// An open frame that borrows its session.
pub type OpenBuffer<'a, L = Layout> = OpenBufferOf<&'a Session<L>>;

/// An open frame that keeps its session attached.
pub type OwnedOpenBuffer<L = Layout> = OpenBufferOf<Arc<Session<L>>>;

impl<S: LenderOf> BufferMutOf<S> {
    /// Submits the frame, in the order of [`BufferMutOf::submit`], to be filled while it is sent.
    ///
    /// # Errors
    /// [`Error::Stale`] if the session is gone, and the frame with it. [`Error::Local`]: the frame is returned unused.
    pub fn submit_open(self) -> Result<OpenBufferOf<S>, Error> {
        takes_open_frames(&self.0.session)?;
        self.0.held.submit_open()?;
        Ok(OpenBufferOf(self))
    }
}

impl<S: LenderOf> OpenBufferOf<S> {
    /// The first `steps` steps of the frame are there, and do not change any more: lines of video, samples (of each
    /// channel) of audio, bytes of JPEG XS. Ancillary data and JPEG XS in slice mode go when they are finished. One
    /// store; without effect if more was there already.
    pub fn ready(&mut self, steps: u32) {
        self.0.0.held.reach(steps);
    }

    /// Layout of the bytes.
    #[must_use]
    pub fn layout(&self) -> &S::Layout {
        self.0.layout()
    }

    /// All of the frame is there.
    ///
    /// # Errors
    /// [`Error::Stale`] if the session is gone, and the frame with it.
    pub fn finish(self) -> Result<(), Error> {
        self.0.submit()
    }
}

impl<S: Lender> OpenBufferOf<S> {
    /// The first `lines` lines of the buffer, a frame or a field, are there, and do not change any more. With 4:2:0 a
    /// row of the buffer has two.
    pub fn lines_ready(&mut self, lines: u32) {
        self.ready(lines);
    }
}

impl<S: LenderOf<Layout = AudioFormat>> OpenBufferOf<S> {
    /// The first `samples` samples of each channel are there, and do not change any more.
    pub fn samples_ready(&mut self, samples: u32) {
        self.ready(samples);
    }
}

impl<S: LenderOf> Deref for OpenBufferOf<S> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<S: LenderOf> DerefMut for OpenBufferOf<S> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// For bindings to languages without types for it.
impl<S: LenderOf> BufferOf<S> {
    /// As [`BufferMutOf::submit_open`]; [`BufferMutOf::submit`] finishes it.
    ///
    /// # Errors
    /// [`Error::NotASender`] in a receive session, [`Error::Local`] in a local one, [`Error::AlreadyPut`] if it is open, [`Error::Stale`].
    pub fn submit_open(&self) -> Result<(), Error> {
        is_to_send(&self.session)?;
        takes_open_frames(&self.session)?;
        Ok(self.held.submit_open()?)
    }

    /// As [`OpenBufferOf::ready`].
    ///
    /// # Errors
    /// [`Error::NotHeld`] if it was not submitted open.
    pub fn ready(&self, steps: u32) -> Result<(), Error> {
        if !self.held.is_open() {
            return Err(Error::NotHeld);
        }
        self.held.reach(steps);
        Ok(())
    }
}
