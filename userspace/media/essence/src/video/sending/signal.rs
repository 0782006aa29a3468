//! The test signal of video: the pattern, in the order in which packets take its bytes.

use std::fmt;

use crate::send::{PacketPlan, TestSignal};
use crate::video::pattern::{PatternError, PatternWriter};
use crate::video::{Scan, VideoFormat};

/// The built-in pattern ([`pattern`](super::pattern)).
pub struct TestPattern {
    writer: PatternWriter,
    frames: u64,
    segmented: Option<Segmented>,
}

impl fmt::Debug for TestPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestPattern")
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

/// Frames of which the packets do not take the bytes in order. The next one is written while one is
/// sent, so that no packet waits for a whole frame.
struct Segmented {
    current: Box<[u8]>,
    /// Number of the frame in `current`, once there is one.
    holds: Option<u64>,
    next: Box<[u8]>,
    written: usize,
}

impl Segmented {
    fn new(bytes: usize, writer: &mut PatternWriter) -> Self {
        let empty = || vec![0; bytes].into_boxed_slice();
        let mut it = Self {
            current: empty(),
            holds: None,
            next: empty(),
            written: 0,
        };
        it.write(writer, bytes);
        it
    }

    /// Writes the next `bytes` bytes of the next frame.
    fn write(&mut self, writer: &mut PatternWriter, bytes: usize) {
        let end = self.next.len().min(self.written + bytes);
        self.written += writer.fill(&mut self.next[self.written..end]);
    }

    /// Frame `number` is sent now: that in `next`, or once more that in `current`.
    fn start(&mut self, number: u64, writer: &mut PatternWriter) {
        if self.holds == Some(number) {
            return;
        }
        self.write(writer, self.next.len());
        std::mem::swap(&mut self.current, &mut self.next);
        self.holds = Some(number);
        self.written = 0;
        writer.start(number + 1);
    }
}

impl TestPattern {
    /// The pattern of a format.
    ///
    /// # Errors
    /// [`PatternError::TooSmall`].
    pub fn new(format: &VideoFormat) -> Result<Self, PatternError> {
        let mut writer = PatternWriter::new(format)?;
        let segmented =
            (format.scan() == Scan::Psf).then(|| Segmented::new(format.frame_bytes(), &mut writer));
        Ok(Self {
            writer,
            frames: 0,
            segmented,
        })
    }
}

impl TestSignal for TestPattern {
    fn number(&self) -> u64 {
        self.frames
    }

    fn start(&mut self) {
        match &mut self.segmented {
            None => self.writer.start(self.frames),
            Some(segmented) => segmented.start(self.frames, &mut self.writer),
        }
    }

    fn fill(&mut self, packet: &impl PacketPlan, mut data: &mut [u8]) {
        let Some(segmented) = &mut self.segmented else {
            self.writer.fill(data);
            return;
        };
        let bytes = data.len();
        packet.for_each_range(|range| {
            let (part, rest) = std::mem::take(&mut data).split_at_mut(range.len());
            part.copy_from_slice(&segmented.current[range]);
            data = rest;
        });
        segmented.write(&mut self.writer, bytes);
    }

    fn finish(&mut self) {
        self.frames += 1;
    }
}
