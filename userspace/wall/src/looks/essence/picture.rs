//! A small picture of a frame.

use std::time::Duration;

use axum::body::Bytes;
use jpeg_encoder::{ColorType, Encoder};
use onair::Layout;
use onair_pixels::{Picture, rgb8_small};

/// Of 100: more is not visible on a tile.
const QUALITY: u8 = 72;
/// Largest height of a tall picture, in its widths.
const TALLEST: usize = 2;

/// Makes pictures of the frames of a session.
#[derive(Debug)]
pub struct Painter {
    layout: Layout,
    frame: Picture,
    /// Width and height of a picture on the screen, in any unit.
    shape: (usize, usize),
}

/// The pixels of a picture, not compressed yet.
#[derive(Debug)]
pub struct Pixels {
    rgb: Vec<u8>,
    /// Pixels in a line, and lines.
    pub size: (u16, u16),
}

impl Painter {
    /// For buffers of this layout.
    ///
    /// # Errors
    /// Why they cannot be shown, in a sentence.
    pub fn new(layout: Layout) -> Result<Self, String> {
        let (width, height) = (layout.video.width(), layout.video.height());
        if layout.video.depth().is_float() {
            return Err("Floating point samples cannot be shown.".to_owned());
        }
        if layout.pixel_format.is_some() {
            return Err("Converted: its source has the picture.".to_owned());
        }
        let frame = layout.frame_picture();
        let (across, down) = match layout.appearance.pixel_aspect {
            Some(aspect) => aspect.ratio(),
            None => (1, 1),
        };
        let shape = (
            width as usize * usize::from(across),
            height as usize * usize::from(down),
        );
        Ok(Self {
            layout,
            frame,
            shape,
        })
    }

    /// Time from one buffer to the next.
    pub(super) fn unit(&self) -> Duration {
        let rate = self.layout.video.buffer_rate();
        Duration::from_secs(1) * rate.denominator() / rate.numerator().max(1)
    }

    /// Copies the pixels of a picture `width` wide out of a buffer, which is a frame or a field.
    #[must_use]
    pub fn copy(&self, buffer: &[u8], width: u16) -> Option<Pixels> {
        let (across, down) = self.shape;
        let columns = usize::from(width).min(self.frame.width());
        let lines = (columns * down / across.max(1)).clamp(2, columns * TALLEST);
        let said = self.layout.appearance;
        let rgb = rgb8_small(&self.frame, said, buffer, (columns, lines))?;
        let size = (columns.try_into().ok()?, lines.try_into().ok()?);
        Some(Pixels { rgb, size })
    }
}

impl Pixels {
    /// Compresses them as JPEG.
    ///
    /// # Errors
    /// The size is none of a JPEG.
    pub fn jpeg(&self) -> Result<Bytes, jpeg_encoder::EncodingError> {
        let mut bytes = Vec::with_capacity(self.rgb.len() / 12);
        let (width, height) = self.size;
        Encoder::new(&mut bytes, QUALITY).encode(&self.rgb, width, height, ColorType::Rgb)?;
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use onair_essence::video::{Appearance, Depth, FrameRate, PixelAspect, VideoFormat};

    use super::*;

    fn layout(width: u32, height: u32, pixel_aspect: Option<PixelAspect>) -> Layout {
        let rate = FrameRate::new(25, 1).unwrap();
        Layout {
            video: VideoFormat::new(width, height, Depth::Ten, rate).unwrap(),
            pixel_format: None,
            appearance: Appearance {
                pixel_aspect,
                ..Appearance::default()
            },
        }
    }

    #[test]
    fn picture_has_the_shape_that_the_screen_shows() {
        let wide = PixelAspect::new(64, 45);
        for (layout, size) in [
            (layout(1920, 1080, None), (320, 180)),
            (layout(720, 576, wide), (320, 180)),
            (layout(16, 8, None), (16, 8)),
        ] {
            let painter = Painter::new(layout).unwrap();
            let pixels = painter
                .copy(&vec![0x80; layout.frame_bytes()], 320)
                .unwrap();
            assert_eq!(pixels.size, size);
            let jpeg = pixels.jpeg().unwrap();
            assert_eq!(
                (&jpeg[..2], &jpeg[jpeg.len() - 2..]),
                (&[0xff, 0xd8][..], &[0xff, 0xd9][..])
            );
        }
    }
}
