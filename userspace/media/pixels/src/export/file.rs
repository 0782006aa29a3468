//! The files that frames are written to.

use crate::{NoFrames, PixelFormat};
use std::fmt;
use std::str::FromStr;

use onair_essence::video::{Appearance, PixelAspect, Scan, VideoFormat, VideoRange};

use super::planar::{Planar, y4m_tag};

/// Header of each YUV4MPEG2 frame.
const FRAME_LINE: &[u8] = b"FRAME\n";

/// A file of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameFile {
    /// YUV4MPEG2: a header, and frames of Y′CbCr or KEY.
    Y4m,
    /// Frames alone, without headers.
    Raw,
}

/// The text is no [`FrameFile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give y4m or raw")]
pub struct UnknownFile;

/// Frames of this format are not written to this file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWritten {
    /// There are none.
    #[error(transparent)]
    NoFrames(#[from] NoFrames),
    /// The file cannot represent them.
    #[error("frames of {format} cannot be written as {file}: {advice}")]
    Format {
        /// The format.
        format: String,
        /// The file.
        file: FrameFile,
        /// Another way.
        advice: &'static str,
    },
}

impl FrameFile {
    /// Every file.
    pub const ALL: [Self; 2] = [Self::Y4m, Self::Raw];

    /// Its name on command lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Y4m => "y4m",
            Self::Raw => "raw",
        }
    }

    /// Extension of its name, without the dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Y4m => "y4m",
            Self::Raw => "yuv",
        }
    }

    /// The planes of its frames.
    pub(super) fn planar(self, format: &VideoFormat) -> Result<Planar, NotWritten> {
        let planar = Planar::of(format);
        let advice = match (self, planar) {
            (Self::Raw, Some(planar)) => return Ok(planar),
            (Self::Y4m, Some(planar)) if y4m_tag(format).is_some() => return Ok(planar),
            (Self::Y4m, Some(_)) => "export raw",
            (_, None) => "no planar pixel format has such samples",
        };
        let (sampling, depth) = (format.sampling(), format.depth());
        Err(NotWritten::Format {
            format: format!("{} {sampling} {depth} bit", format.scan()),
            file: self,
            advice,
        })
    }

    /// The pixel format of its frames.
    pub(crate) fn pixels(self, format: &VideoFormat) -> Result<PixelFormat, NotWritten> {
        self.planar(format).map(Planar::pixels)
    }

    /// Bytes before the first frame.
    pub(crate) fn header(self, format: &VideoFormat, said: Appearance) -> Vec<u8> {
        match self {
            Self::Y4m => stream_line(format, said).into_bytes(),
            Self::Raw => Vec::new(),
        }
    }

    /// Bytes before each frame.
    pub(crate) const fn frame_header(self) -> &'static [u8] {
        match self {
            Self::Y4m => FRAME_LINE,
            Self::Raw => &[],
        }
    }
}

impl FromStr for FrameFile {
    type Err = UnknownFile;

    fn from_str(text: &str) -> Result<Self, UnknownFile> {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == text);
        found.ok_or(UnknownFile)
    }
}

impl fmt::Display for FrameFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// First line of a YUV4MPEG2 file. The first field of ST 2110-20 has the upper lines. An aspect of 0:0 is unknown, and so
/// is the range if it is not there.
fn stream_line(format: &VideoFormat, said: Appearance) -> String {
    let said = said.understood();
    let (x, y) = said.pixel_aspect.map_or((0, 0), PixelAspect::ratio);
    let range = match said.range {
        None => "",
        Some(VideoRange::Narrow) => " XCOLORRANGE=LIMITED",
        Some(VideoRange::FullProtect | VideoRange::Full) => " XCOLORRANGE=FULL",
    };
    let rate = format.rate();
    let layout = y4m_tag(format).unwrap_or_default();
    let order = match format.scan() {
        Scan::Interlaced => "It",
        Scan::Progressive | Scan::Psf => "Ip",
    };
    format!(
        "YUV4MPEG2 W{} H{} F{}:{} {order} A{x}:{y} {layout}{range}\n",
        format.width(),
        format.height(),
        rate.numerator(),
        rate.denominator()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_essence::video::{Colorimetry, Depth, FrameRate, Sampling};

    fn of(sampling: Sampling, depth: Depth, scan: Scan) -> VideoFormat {
        let rate = FrameRate::new(30_000, 1001).unwrap();
        VideoFormat::of((16, 4), (sampling, depth), scan, rate).unwrap()
    }

    #[test]
    fn format_that_a_file_cannot_have_then_refused_with_advice() {
        let refused = |file: FrameFile, format: &VideoFormat| {
            file.planar(format).map_err(|error| error.to_string())
        };
        let half = of(Sampling::YCbCr422, Depth::Ten, Scan::Interlaced);
        let colours = of(Sampling::Rgb, Depth::Ten, Scan::Progressive);
        let float = of(Sampling::Rgb, Depth::SixteenFloat, Scan::Progressive);
        for file in FrameFile::ALL {
            refused(file, &half).unwrap();
            let text = refused(file, &float).unwrap_err();
            assert!(text.contains("no planar pixel format"), "{text}");
        }
        refused(FrameFile::Raw, &colours).unwrap();
        let text = refused(FrameFile::Y4m, &colours).unwrap_err();
        assert!(text.contains("progressive RGB 10 bit"), "{text}");
        assert!(text.ends_with("as y4m: export raw"), "{text}");
    }

    #[test]
    fn stream_line_of_each_order_of_lines_then_as_pinned() {
        for (scan, order) in [
            (Scan::Progressive, "Ip"),
            (Scan::Psf, "Ip"),
            (Scan::Interlaced, "It"),
        ] {
            let format = of(Sampling::YCbCr422, Depth::Ten, scan);
            let unknown = Appearance::default();
            let described = Appearance {
                colorimetry: Some(Colorimetry::Bt709),
                ..unknown
            };
            let full = Appearance {
                range: Some(VideoRange::Full),
                pixel_aspect: PixelAspect::new(12, 11),
                ..unknown
            };
            for (said, aspect, range) in [
                (unknown, "0:0", ""),
                (described, "1:1", " XCOLORRANGE=LIMITED"),
                (full, "12:11", " XCOLORRANGE=FULL"),
            ] {
                let line = stream_line(&format, said);
                let expected = format!(
                    "YUV4MPEG2 W16 H4 F30000:1001 {order} A{aspect} C422p10 XYSCSS=422P10{range}\n"
                );
                assert_eq!(line, expected);
            }
        }
    }
}
