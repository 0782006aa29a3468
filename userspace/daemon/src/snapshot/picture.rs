//! A frame as a picture for the screen.

use onair_api::{Problem, ProblemCode};
use onair_essence::video::VideoFormat;
use onair_pixels::{Picture, rgb8, weave};

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPicture {
    /// The samples are floating point numbers.
    #[error("floating point samples cannot be shown")]
    Float,
    /// The frame is too large.
    #[error("a frame has {bytes} bytes, more than the {most} of a snapshot")]
    Large {
        /// Bytes of a frame.
        bytes: usize,
        /// Most bytes.
        most: usize,
    },
    /// The session does not run.
    #[error("the session is {0}: only a running one has a picture")]
    Stopped(onair_api::SessionState),
    /// It ended, or stopped for good, before a frame was complete.
    #[error("the session ended before a frame was complete")]
    Ended,
    /// No frame was complete in time.
    #[error("no complete frame in time: {packets} packets and {incomplete} incomplete frames came")]
    Late {
        /// Packets that came.
        packets: u64,
        /// Incomplete frames, or fields.
        incomplete: u64,
    },
    /// The PNG could not be written.
    #[error("cannot make the picture: {0}")]
    Picture(String),
}

impl From<NoPicture> for Problem {
    fn from(none: NoPicture) -> Self {
        let code = match none {
            NoPicture::Picture(_) => ProblemCode::Internal,
            _ => ProblemCode::NoPicture,
        };
        Self::new(code, none.to_string())
    }
}

/// Whether frames of the format have a picture.
pub(super) fn can_be_shown(format: &VideoFormat, most: usize) -> Result<(), NoPicture> {
    let picture = of(format)?;
    if format.depth().is_float() {
        return Err(NoPicture::Float);
    }
    let bytes = picture.bytes();
    if bytes > most {
        return Err(NoPicture::Large { bytes, most });
    }
    Ok(())
}

/// The picture of a whole frame, of both fields together.
fn of(format: &VideoFormat) -> Result<Picture, NoPicture> {
    let picture = Picture::of(format, format.height());
    picture.ok_or_else(|| NoPicture::Picture(format!("{format} has no pixel groups")))
}

/// Both fields as a frame.
pub(super) fn woven(format: &VideoFormat, first: &[u8], second: &[u8]) -> Option<Vec<u8>> {
    let picture = of(format).ok()?;
    let mut frame = vec![0; picture.bytes()];
    weave(&picture, first, second, &mut frame).ok()?;
    Some(frame)
}

/// A PNG of the frame, 8 bits red, green and blue.
pub(super) fn png(format: &VideoFormat, frame: &[u8]) -> Result<Vec<u8>, NoPicture> {
    let rgb = rgb8(&of(format)?, frame).ok_or(NoPicture::Float)?;
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, format.width(), format.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let written = encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&rgb));
    written.map_err(|error| NoPicture::Picture(error.to_string()))?;
    Ok(out)
}
