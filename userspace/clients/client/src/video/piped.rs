//! Whole frames as a stream of bytes for other programs, and from them.

use onair_pixels::pipe::{NotPiped, PipeFile, PipeFormat, PipeWriter};

use crate::layout::Pictured;
use crate::{
    ConvertError, Field, FrameError, FrameOf, Lender, PixelFormat, Scan, Session, Timeout,
};

impl Session {
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

impl<S: Lender> FrameOf<S> {
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
