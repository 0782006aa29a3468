//! A small picture of a frame.

use std::io::Cursor;

use axum::body::Bytes;
use jpeg_encoder::{ColorType, Encoder};
use onair::{Buffer, Contents, Layout};
use onair_essence::video::{Appearance, Depth, Field, Sampling};
use onair_pixels::{Picture, pack, rgb8_small};

use super::RawLook;
use crate::looks::LookContent;

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
    /// Converted: the last frame as it was on the wire.
    pgroups: Vec<u8>,
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
            pgroups: Vec::new(),
        })
    }

    /// The pixels of a picture `width` wide of a buffer, and their description.
    pub(in crate::looks) fn look(
        &mut self,
        buffer: &Buffer<'_, Contents>,
        width: u16,
    ) -> Option<RawLook> {
        let pixels = self.copy(buffer, buffer.field(), width)?;
        let seen = LookContent::Picture {
            number: Some(buffer.number()),
            complete: buffer.status().is_complete(),
            size: pixels.size,
        };
        Some(RawLook::Pixels(pixels, seen))
    }

    /// Copies the pixels of a picture `width` wide out of a buffer, which is a frame or this field.
    #[must_use]
    pub fn copy(&mut self, buffer: &[u8], field: Option<Field>, width: u16) -> Option<Pixels> {
        let pgroups: &[u8] = match self.layout.pixel_format {
            None => buffer,
            // The whole of it: the small picture is made of pixel groups.
            Some(format) => {
                let picture = self.layout.picture(field);
                self.pgroups.resize(picture.bytes(), 0);
                pack(&picture, format, buffer, &mut self.pgroups).ok()?;
                &self.pgroups
            }
        };
        Pixels::of(
            &self.frame,
            self.layout.appearance,
            pgroups,
            self.shape,
            width,
        )
    }
}

impl Pixels {
    /// Of a picture with this shape on the screen.
    fn of(
        picture: &Picture,
        said: Appearance,
        pgroups: &[u8],
        (across, down): (usize, usize),
        width: u16,
    ) -> Option<Self> {
        let columns = usize::from(width).min(picture.width());
        let lines = (columns * down / across.max(1)).clamp(2, columns * TALLEST);
        let rgb = rgb8_small(picture, said, pgroups, (columns, lines))?;
        let size = (columns.try_into().ok()?, lines.try_into().ok()?);
        Some(Self { rgb, size })
    }

    /// Of a snapshot, a picture `width` wide. `None`: it is no PNG of the daemon's.
    pub(in crate::looks) fn of_png(png: &[u8], width: u16) -> Option<Self> {
        let mut reader = png::Decoder::new(Cursor::new(png)).read_info().ok()?;
        let mut rgb = vec![0; reader.output_buffer_size()?];
        let frame = reader.next_frame(&mut rgb).ok()?;
        if (frame.color_type, frame.bit_depth) != (png::ColorType::Rgb, png::BitDepth::Eight) {
            return None;
        }
        let pixel = reader
            .info()
            .pixel_dims
            .map_or((1, 1), |it| (it.yppu, it.xppu));
        let shape = (
            frame.width as usize * pixel.0 as usize,
            frame.height as usize * pixel.1 as usize,
        );
        let picture = Picture::new(frame.width, frame.height, Sampling::Rgb, Depth::Eight)?;
        Self::of(&picture, Appearance::default(), &rgb, shape, width)
    }

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
    use onair_essence::video::{FrameRate, PixelAspect, VideoFormat};

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
            let mut painter = Painter::new(layout).unwrap();
            let pixels = painter
                .copy(&vec![0x80; layout.frame_bytes()], None, 320)
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
