//! One conversion of a session's buffers.

use onair_essence::Format;
use onair_essence::video::VideoFormat;

use crate::{Picture, PixelFormat};

/// Buffers of pixel groups to those of a pixel format which holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conversion {
    format: VideoFormat,
    layout: PixelFormat,
}

impl Conversion {
    /// `None` if the layout cannot represent the video.
    #[must_use]
    pub fn new(format: &VideoFormat, layout: PixelFormat) -> Option<Self> {
        let it = Self {
            format: *format,
            layout,
        };
        it.picture(format.lines(false)).map(|_| it)
    }

    /// Of an essence; `None` if it is none with pixels, or if the layout cannot represent it.
    #[must_use]
    pub fn of(format: &Format, layout: PixelFormat) -> Option<Self> {
        Self::new(&format.video()?.format, layout)
    }

    /// The pixel formats that can represent an essence.
    pub fn offered(format: &Format) -> impl Iterator<Item = PixelFormat> {
        let video = format.video();
        let picture = video.and_then(|it| Picture::of(&it.format, it.format.lines(false)));
        picture
            .into_iter()
            .flat_map(|it| PixelFormat::of(&it).collect::<Vec<_>>())
    }

    /// Bytes of the largest buffer.
    #[must_use]
    pub fn buffer_bytes(&self) -> usize {
        self.layout.planes(&self.largest()).bytes
    }

    /// A frame, or the first field, which is the larger one.
    fn largest(&self) -> Picture {
        self.picture(self.format.lines(false))
            .expect("`new` has checked it")
    }

    /// Some of the lines; `None` if they are not whole pixel groups.
    fn picture(&self, lines: u32) -> Option<Picture> {
        Picture::of(&self.format, lines).filter(|it| self.layout.holds(it))
    }
}
