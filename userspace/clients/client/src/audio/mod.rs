//! Sessions of audio: their buffers are blocks of samples.

use onair_essence::audio::{AudioFormat, AudioSample, samples};
use onair_ipc::message::Attached;

use crate::carries::{Described, LayoutError};
use crate::{BufferMutOf, BufferOf, LenderOf, Session};

/// An attachment to a session of audio; its layout is the format.
pub type AudioSession = Session<AudioFormat>;

impl Described for AudioFormat {
    fn of(attached: &Attached) -> Result<Self, LayoutError> {
        let kind = attached.format.kind();
        let format = attached.format.audio();
        let format = format.ok_or(LayoutError::Essence(kind.name()))?.clone();
        let bytes = attached.geometry.frame_bytes;
        if format.block_bytes() == bytes as usize {
            Ok(format)
        } else {
            Err(LayoutError::Sizes(format.to_string(), bytes))
        }
    }

    fn row(&self) -> (u32, u32) {
        let bytes = u32::try_from(self.sample_bytes());
        (bytes.unwrap_or(u32::MAX), 1)
    }

    fn rate(&self) -> (u32, u32) {
        (self.sample_rate(), self.block_samples())
    }
}

/// The samples of a block, which are on the wire's form in its bytes: converted when they are asked for.
#[derive(Clone, Copy, Debug)]
pub struct AudioView<'a> {
    bytes: &'a [u8],
    format: &'a AudioFormat,
}

impl<'a> AudioView<'a> {
    /// The samples in the bytes of a block; a sample of all channels that is not whole is left out.
    #[must_use]
    pub const fn new(format: &'a AudioFormat, bytes: &'a [u8]) -> Self {
        Self { bytes, format }
    }

    /// Format of the block.
    #[must_use]
    pub const fn format(&self) -> &'a AudioFormat {
        self.format
    }

    /// Samples of each channel.
    #[must_use]
    pub const fn samples(&self) -> usize {
        self.bytes.len() / self.format.sample_bytes()
    }

    /// Writes the samples of all channels in turn. Returns how many it wrote: fewer if `out` is shorter.
    ///
    /// `T` is `i16`, `i32` (the upper bits), [`S24`](crate::S24) (24 bits in the lower ones) or `f32` (-1 to 1). Of
    /// AM824 it takes the 24 bits of audio.
    pub fn interleaved<T: AudioSample>(&self, out: &mut [T]) -> usize {
        samples::read(self.format, self.bytes, 0..self.format.channels(), out)
    }

    /// Writes the samples of one channel, from 0; none if there is no such channel. As [`Self::interleaved`].
    pub fn channel<T: AudioSample>(&self, channel: u32, out: &mut [T]) -> usize {
        let next = channel.saturating_add(1);
        samples::read(self.format, self.bytes, channel..next, out)
    }
}

impl<S: LenderOf<Layout = AudioFormat>> BufferOf<S> {
    /// The samples.
    #[must_use]
    pub fn audio(&self) -> AudioView<'_> {
        AudioView::new(self.layout(), self)
    }
}

impl<S: LenderOf<Layout = AudioFormat>> BufferMutOf<S> {
    /// Fills the block with the samples of all channels in turn. Returns how many it took. The rest of the block keeps
    /// its bytes. Bits that the format does not have are cut off. A block of AM824 gets no channel status: fill its
    /// bytes with whole subframes for that.
    pub fn write_interleaved<T: AudioSample>(&mut self, from: &[T]) -> usize {
        let format = self.layout().clone();
        samples::write(&format, from, self)
    }
}
