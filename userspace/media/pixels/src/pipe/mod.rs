//! Frames of a running session as a stream of bytes, for and from other programs. [`PipeFormat`] says how they are
//! written, [`PipeWriter`] makes the bytes around each frame, [`PipeReader`] finds the frames of another program.
//!
//! The caller opens the pipes; recorded packets become files in `export`.

mod programme;
mod reader;

use std::fmt;
use std::str::FromStr;

use onair_essence::video::{Appearance, RTP_CLOCK_HZ, VideoFormat};

use crate::export::{FrameFile, NotWritten};
use crate::nut::{NutVideo, NutWriter};
use crate::{ConvertError, Picture, PixelFormat};

pub use programme::ProgrammeWriter;
pub use reader::{PipeReader, PipedError};

/// A gap between two frames beyond this is no loss: the sender began anew.
const LONGEST_GAP_S: u64 = 10;

/// Frames are not written so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPiped {
    /// The pixel format has other samples.
    #[error(transparent)]
    Format(#[from] ConvertError),
    /// No pixel format for this file holds them.
    #[error(transparent)]
    File(#[from] NotWritten),
    /// NUT has no name for the pixel format.
    #[error("NUT has no name for {0}: give another --layout")]
    Tag(PixelFormat),
    /// There is no pixel format that has a name in NUT.
    #[error("no pixel format has such samples")]
    Samples,
}

/// How the frames of a session are written, or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipeFormat {
    video: VideoFormat,
    file: PipeFile,
    pixels: PixelFormat,
    bytes: usize,
    said: Appearance,
}

impl PipeFormat {
    /// Of frames of `video`, whose buffers are in the pixel format `own` if they are converted, in the format
    /// `wanted`, or else the smallest that ffmpeg reads from such a file.
    ///
    /// # Errors
    /// [`NotPiped`].
    pub fn new(
        video: &VideoFormat,
        own: Option<PixelFormat>,
        file: PipeFile,
        wanted: Option<PixelFormat>,
    ) -> Result<Self, NotPiped> {
        let picture = Picture::of(video, video.height()).ok_or(NotPiped::Samples)?;
        let pixels = match (wanted.or(own), file) {
            (Some(pixels), _) => pixels,
            (None, PipeFile::Nut) if PixelFormat::V210.holds(&picture) => PixelFormat::V210,
            (None, PipeFile::Nut) => {
                let mut all = PixelFormat::of(&picture);
                all.find(|it| tag(*it).is_some()).ok_or(NotPiped::Samples)?
            }
            (None, PipeFile::Y4m) => FrameFile::Y4m.pixels(video)?,
            (None, PipeFile::Raw) => FrameFile::Raw.pixels(video)?,
        };
        if !pixels.holds(&picture) {
            return Err(ConvertError::format(&picture, pixels).into());
        }
        if let Some(layout) = own.filter(|own| *own != pixels) {
            let wanted = pixels;
            return Err(ConvertError::Converted { layout, wanted }.into());
        }
        match file {
            PipeFile::Nut if tag(pixels).is_none() => return Err(NotPiped::Tag(pixels)),
            PipeFile::Y4m if FrameFile::Y4m.pixels(video)? != pixels => {
                return Err(NotPiped::File(NotWritten::Format {
                    format: pixels.to_string(),
                    file: FrameFile::Y4m,
                    advice: "leave --layout out",
                }));
            }
            _ => {}
        }
        let bytes = pixels.planes(&picture).bytes;
        Ok(Self {
            video: *video,
            file,
            pixels,
            bytes,
            said: Appearance::default(),
        })
    }

    /// With what the sender says of the frames.
    #[must_use]
    pub const fn said(self, said: Appearance) -> Self {
        Self { said, ..self }
    }

    /// The file.
    #[must_use]
    pub const fn file(&self) -> PipeFile {
        self.file
    }

    /// The pixel format.
    #[must_use]
    pub const fn pixels(&self) -> PixelFormat {
        self.pixels
    }

    /// Bytes of a frame, without what surrounds it.
    #[must_use]
    pub const fn frame_bytes(&self) -> usize {
        self.bytes
    }

    /// Facts that a reader of raw frames must know, by name.
    #[must_use]
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![
            ("width", self.video.width().to_string()),
            ("height", self.video.height().to_string()),
            ("scan", self.video.scan().to_string()),
            ("frame_rate", self.video.rate().to_string()),
            ("pixel_format", self.pixels.ffmpeg().to_owned()),
            ("frame_bytes", self.bytes.to_string()),
        ];
        facts.extend(self.said.facts());
        facts
    }

    fn nut(&self) -> NutWriter {
        let rate = self.video.rate();
        NutWriter::new(
            self.nut_video(),
            (rate.numerator(), rate.denominator()),
            self.said,
        )
    }

    fn nut_video(&self) -> NutVideo {
        NutVideo {
            width: self.video.width(),
            height: self.video.height(),
            tag: tag(self.pixels).unwrap_or_default(),
        }
    }
}

/// FFmpeg's tag of a pixel format in NUT.
fn tag(pixels: PixelFormat) -> Option<[u8; 4]> {
    Some(match pixels {
        PixelFormat::Uyvy => *b"UYVY",
        PixelFormat::Yuv422p => *b"Y42B",
        PixelFormat::Yuv422p10 => [b'Y', b'3', 10, 10],
        PixelFormat::V210 => *b"v210",
        PixelFormat::Y210 => return None,
        PixelFormat::Yuv422p12 => [b'Y', b'3', 10, 12],
        PixelFormat::Yuv422p16 => [b'Y', b'3', 10, 16],
        PixelFormat::Yuv420p => *b"I420",
        PixelFormat::Yuv420p10 => [b'Y', b'3', 11, 10],
        PixelFormat::Yuv420p12 => [b'Y', b'3', 11, 12],
        PixelFormat::Yuv444p => *b"444P",
        PixelFormat::Yuv444p10 => [b'Y', b'3', 0, 10],
        PixelFormat::Yuv444p12 => [b'Y', b'3', 0, 12],
        PixelFormat::Yuv444p16 => [b'Y', b'3', 0, 16],
        PixelFormat::Rgb24 => [b'R', b'G', b'B', 24],
        PixelFormat::Rgba => *b"RGBA",
        PixelFormat::Gbrp => [b'G', b'3', 0, 8],
        PixelFormat::Gbrp10 => [b'G', b'3', 0, 10],
        PixelFormat::Gbrp12 => [b'G', b'3', 0, 12],
        PixelFormat::Gbrp16 => [b'G', b'3', 0, 16],
        PixelFormat::Gray => *b"Y800",
        PixelFormat::Gray10 => [b'Y', b'1', 0, 10],
        PixelFormat::Gray12 => [b'Y', b'1', 0, 12],
        PixelFormat::Gray16 => [b'Y', b'1', 0, 16],
    })
}

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
    const fn last(&self) -> Option<(u32, u64)> {
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

/// How frames are written to a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PipeFile {
    /// NUT: a header, and frames with timestamps.
    Nut,
    /// YUV4MPEG2: a header, and frames.
    Y4m,
    /// Frames alone.
    Raw,
}

impl PipeFile {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Nut, Self::Y4m, Self::Raw];

    /// Its name on command lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nut => "nut",
            Self::Y4m => "y4m",
            Self::Raw => "raw",
        }
    }
}

/// The text is no [`PipeFile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give nut, y4m or raw; of audio wav or pcm, of ancillary data jsonl")]
pub struct UnknownPipeFile;

impl FromStr for PipeFile {
    type Err = UnknownPipeFile;

    fn from_str(text: &str) -> Result<Self, UnknownPipeFile> {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == text);
        found.ok_or(UnknownPipeFile)
    }
}

impl fmt::Display for PipeFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests;
