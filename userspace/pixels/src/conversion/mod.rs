//! One conversion of a session's buffers.

mod strips;

use onair_essence::Format;
use onair_essence::video::{Field, VideoFormat};

use crate::{Picture, PixelFormat};

pub use strips::{Progress, Strips};

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

    /// The pixel format of the buffers.
    #[must_use]
    pub const fn layout(&self) -> PixelFormat {
        self.layout
    }

    /// Bytes of the largest buffer.
    #[must_use]
    pub fn buffer_bytes(&self) -> usize {
        self.layout.planes(&self.largest()).bytes
    }

    /// Nothing of a source's buffer with this tag.
    #[must_use]
    pub fn begin(&self, tag: u32) -> Progress {
        let is_second = Field::of_tag(tag) == Some(Field::Second);
        Progress::of(self.format.lines(is_second))
    }

    /// A frame, or the first field, which is the larger one.
    pub(crate) fn largest(&self) -> Picture {
        self.picture(self.format.lines(false))
            .expect("`new` has checked it")
    }

    /// Some of the lines; `None` if they are not whole pixel groups.
    pub(crate) fn picture(&self, lines: u32) -> Option<Picture> {
        Picture::of(&self.format, lines).filter(|it| self.layout.holds(it))
    }
}
