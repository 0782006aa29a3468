//! Bytes around the frames of a stream.

use onair_essence::video::RTP_CLOCK_HZ;

use super::{PipeFile, PipeFormat};
use crate::export::FrameFile;

/// A gap between two frames beyond this is no loss: the sender began anew.
const LONGEST_GAP_S: u64 = 10;

/// Makes what surrounds each frame, which is in [`PipeFormat::pixels`].
#[derive(Debug)]
pub struct PipeWriter {
    format: PipeFormat,
    /// RTP timestamp and number of the last frame.
    last: Option<(u32, u64)>,
}

impl PipeWriter {
    /// Of a stream that begins now.
    #[must_use]
    pub const fn new(format: PipeFormat) -> Self {
        Self { format, last: None }
    }

    /// How it writes.
    #[must_use]
    pub const fn format(&self) -> &PipeFormat {
        &self.format
    }

    /// Bytes before the first frame.
    #[must_use]
    pub fn header(&self) -> Vec<u8> {
        match self.format.file {
            PipeFile::Nut => self.format.nut().header(),
            PipeFile::Y4m => FrameFile::Y4m.header(&self.format.video, self.format.said),
            PipeFile::Raw => Vec::new(),
        }
    }

    /// Bytes before the frame with this RTP timestamp, which has [`PipeFormat::frame_bytes`]. In NUT a frame has its
    /// number as its time: a frame that was lost, or is not written, leaves a gap.
    pub fn begin_frame(&mut self, rtp_timestamp: u32) -> Vec<u8> {
        match self.format.file {
            PipeFile::Nut => {
                let number = self.number(rtp_timestamp);
                self.last = Some((rtp_timestamp, number));
                self.format.nut().frame(number, self.format.bytes)
            }
            PipeFile::Y4m => FrameFile::Y4m.frame_header().to_vec(),
            PipeFile::Raw => Vec::new(),
        }
    }

    #[cfg(test)]
    pub(super) const fn last(&self) -> Option<(u32, u64)> {
        self.last
    }

    fn number(&self, rtp_timestamp: u32) -> u64 {
        let Some((before, number)) = self.last else {
            return 0;
        };
        let rate = self.format.video.rate();
        let frame = u64::from(RTP_CLOCK_HZ) * u64::from(rate.denominator());
        let ticks = u64::from(rtp_timestamp.wrapping_sub(before));
        let frames = (ticks * u64::from(rate.numerator()) + frame / 2) / frame;
        let is_gap = ticks <= LONGEST_GAP_S * u64::from(RTP_CLOCK_HZ);
        number + if is_gap { frames.max(1) } else { 1 }
    }
}
