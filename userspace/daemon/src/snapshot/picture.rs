//! A frame as a picture for the screen.

use onair_api::{Problem, ProblemCode};
use onair_pixels::{NotShown, Shown};

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPicture {
    /// Its format is not shown.
    #[error(transparent)]
    Format(#[from] NotShown),
    /// The session does not run.
    #[error("the session is {0}: only a running one has a picture")]
    Stopped(onair_api::SessionState),
    /// It ended, or stopped for good, before that.
    #[error("the session ended before a {0}")]
    Ended(&'static str),
    /// No frame was complete in time.
    #[error("no {wanted} in time: {packets} packets and {incomplete} incomplete frames came")]
    Late {
        /// What was waited for.
        wanted: &'static str,
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

/// Keyword of the text that has the figures as JSON.
const FIGURES: &str = "onair";

/// A PNG of the picture.
pub(super) fn png(shown: &Shown) -> Result<Vec<u8>, NoPicture> {
    let mut out = Vec::new();
    let (columns, lines) = shown.size;
    let mut encoder = png::Encoder::new(&mut out, columns, lines);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let text = shown.figures.as_ref().map(serde_json::to_string);
    let text = text.transpose();
    let text = text.map_err(|error| NoPicture::Picture(error.to_string()))?;
    let described = text.map_or(Ok(()), |it| encoder.add_text_chunk(FIGURES.to_owned(), it));
    let written = described
        .and_then(|()| encoder.write_header())
        .and_then(|mut writer| writer.write_image_data(&shown.rgb));
    written.map_err(|error| NoPicture::Picture(error.to_string()))?;
    Ok(out)
}
