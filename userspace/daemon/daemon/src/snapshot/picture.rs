//! A frame as a picture for the screen.

use onair_api::{Problem, ProblemCode};
use onair_pixels::{NotShown, Shown};
use png::chunk::ChunkType;
use png::{PixelDimensions, Unit};

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPicture {
    /// Its format is not shown.
    #[error(transparent)]
    Format(#[from] NotShown),
    /// It ended, or stopped for good, before that.
    #[error("the session ended before a {0}")]
    Ended(&'static str),
    /// No frame was complete in time.
    #[error("no {wanted} in time: {packets} packets and {incomplete} incomplete frames came")]
    Late {
        /// The condition that was waited for.
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

/// Coding-independent code points (PNG, third edition, clause 11.3.2.6).
const CODE_POINTS: ChunkType = ChunkType(*b"cICP");

/// A PNG of the picture.
pub(super) fn png(shown: &Shown) -> Result<Vec<u8>, NoPicture> {
    let mut out = Vec::new();
    let (columns, lines) = shown.size;
    let mut encoder = png::Encoder::new(&mut out, columns, lines);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder.set_pixel_dims(shown.pixels_a_unit().map(|(across, down)| PixelDimensions {
        xppu: across.into(),
        yppu: down.into(),
        unit: Unit::Unspecified,
    }));
    let text = shown.figures.as_ref().map(serde_json::to_string);
    let text = text.transpose();
    let text = text.map_err(|error| NoPicture::Picture(error.to_string()))?;
    let described = text.map_or(Ok(()), |it| encoder.add_text_chunk(FIGURES.to_owned(), it));
    let written = described
        .and_then(|()| encoder.write_header())
        .and_then(|mut writer| {
            if let Some(points) = shown.code_points() {
                writer.write_chunk(CODE_POINTS, &points)?;
            }
            writer.write_image_data(&shown.rgb)
        });
    written.map_err(|error| NoPicture::Picture(error.to_string()))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_essence::video::{Appearance, Colorimetry, PixelAspect, TransferCharacteristics};

    #[test]
    fn picture_of_hlg_with_wide_pixels_then_the_png_says_so() {
        let shown = |colorimetry, transfer, aspect| Shown {
            size: (1, 1),
            rgb: vec![1, 2, 3],
            said: Appearance {
                colorimetry,
                transfer,
                range: None,
                pixel_aspect: aspect,
            },
            figures: None,
        };
        let hlg = shown(
            Some(Colorimetry::Bt2100),
            Some(TransferCharacteristics::Hlg),
            PixelAspect::new(12, 11),
        );
        let read = |shown: &Shown| {
            let png = png(shown).unwrap();
            let reader = png::Decoder::new(std::io::Cursor::new(png)).read_info();
            reader.unwrap().info().clone()
        };
        let info = read(&hlg);
        let points = info.coding_independent_code_points.unwrap();
        assert_eq!((points.color_primaries, points.transfer_function), (9, 18));
        let dimensions = info.pixel_dims.unwrap();
        assert_eq!((dimensions.xppu, dimensions.yppu), (11, 12));
        for usual in [
            shown(None, None, None),
            shown(Some(Colorimetry::Bt709), None, PixelAspect::new(1, 1)),
        ] {
            let info = read(&usual);
            assert!(info.coding_independent_code_points.is_none() && info.pixel_dims.is_none());
        }
    }
}
