//! Layout of a frame's bytes, and which of them are missing.

mod contents;
mod status;

use onair_essence::video::{Appearance, Field, Scan, VideoFormat};
use onair_ipc::message::Attached;
use onair_pixels::pipe::{NotPiped, PipeFile, PipeFormat};
use onair_pixels::{ConvertError, Lines, Picture, PixelFormat, Planes, place_lines};

use crate::carries::{Described, LayoutError};

pub use contents::{Contents, Pictured};
pub use status::{Incomplete, Status};

/// Layout of a buffer's bytes: one plane, row after row without padding, in the pixel groups of RFC
/// 4175 §4.3. A row is a line, or with 4:2:0 two lines. If the width is no multiple of the group, the
/// last group of a row is padded. The buffers of a converted session are in a pixel format instead:
/// [`Layout::planes`] says where its samples lie.
///
/// ```no_run
/// # fn show(session: &onair::Session) {
/// let layout = session.layout();
/// println!("{}: {} bytes a frame", layout.video, layout.frame_bytes());
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The video; of a converted session, its source's. With [`Scan::Interlaced`](crate::Scan::Interlaced) each
    /// buffer is a field.
    pub video: VideoFormat,
    /// Pixel format of a converted session's buffers; `None`: pixel groups.
    pub pixel_format: Option<PixelFormat>,
    /// Appearance of the pictures as the sender declares it: colours, range, shape of a pixel.
    pub appearance: Appearance,
}

impl Layout {
    /// Bytes of a frame, or of an interlaced one's first field, which is the larger one.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        self.bytes_of(None)
    }

    /// Lines of a buffer: of this field, or of a frame.
    #[must_use]
    pub fn lines_of(&self, field: Option<Field>) -> u32 {
        self.video.lines(field == Some(Field::Second))
    }

    /// Bytes of a buffer: of this field, or of a frame.
    #[must_use]
    pub fn bytes_of(&self, field: Option<Field>) -> usize {
        if let Some(planes) = self.planes(field) {
            return planes.bytes;
        }
        self.video.line_bytes() * self.video.rows(field == Some(Field::Second))
    }

    /// Where the samples of a converted session's buffer lie, of this field or of a frame: offset, stride and
    /// lines of each plane. `None`: pixel groups.
    #[must_use]
    pub fn planes(&self, field: Option<Field>) -> Option<Planes> {
        let format = self.pixel_format?;
        Some(format.planes(&self.picture(field)))
    }

    /// Whether buffers have so many bytes, and the pixel format of a converted session holds the video.
    fn has_buffers_of(&self, bytes: usize) -> bool {
        let Some(format) = self.pixel_format else {
            return self.video.frame_bytes() == bytes;
        };
        let picture = Picture::of(&self.video, self.lines_of(None));
        picture.is_some_and(|it| format.holds(&it) && format.planes(&it).bytes == bytes)
    }

    /// The picture in a buffer: of this field, or of a frame. It says which pixel formats hold it
    /// ([`PixelFormat::of`]) and how many bytes they need ([`PixelFormat::planes`]).
    #[must_use]
    pub fn picture(&self, field: Option<Field>) -> Picture {
        self.picture_of(self.lines_of(field))
    }

    /// The picture of a whole frame, also if each buffer is a field: for [`onair_pixels::weave`].
    #[must_use]
    pub fn frame_picture(&self) -> Picture {
        self.picture_of(self.video.height())
    }

    /// Writes the pixels of a buffer, which is this field or a whole frame, in a pixel format.
    pub(crate) fn unpack(
        &self,
        field: Option<Field>,
        bytes_in: (&[u8], PixelFormat),
        pixels: &mut [u8],
    ) -> Result<(), ConvertError> {
        self.write_lines(&self.picture(field), Lines::All, bytes_in, pixels)
    }

    /// As [`Self::unpack`], into a whole frame: a field's lines are every other one.
    pub(crate) fn unpack_lines(
        &self,
        field: Option<Field>,
        bytes_in: (&[u8], PixelFormat),
        pixels: &mut [u8],
    ) -> Result<(), ConvertError> {
        self.write_lines(&self.frame_picture(), lines_of(field), bytes_in, pixels)
    }

    /// The rows from `first` on of a buffer, which has these pixel groups, as [`Self::unpack_lines`] writes them.
    pub(crate) fn unpack_rows(
        &self,
        (field, first): (Option<Field>, usize),
        (pgroups, format): (&[u8], PixelFormat),
        pixels: &mut [u8],
    ) -> Result<(), ConvertError> {
        let picture = self.frame_picture();
        onair_pixels::unpack_rows(&picture, (lines_of(field), first), pgroups, format, pixels)
    }

    /// Writes these lines of the frame `picture`, which are in a buffer, in a pixel format.
    fn write_lines(
        &self,
        picture: &Picture,
        lines: Lines,
        (bytes, format): (&[u8], PixelFormat),
        pixels: &mut [u8],
    ) -> Result<(), ConvertError> {
        match self.pixel_format {
            None => onair_pixels::unpack_lines(picture, lines, bytes, format, pixels),
            Some(own) if own == format => place_lines(picture, lines, format, bytes, pixels),
            Some(layout) => Err(ConvertError::Converted {
                layout,
                wanted: format,
            }),
        }
    }

    /// How whole frames are written to such a file, or read from one.
    pub(crate) fn piped(
        &self,
        file: PipeFile,
        wanted: Option<PixelFormat>,
    ) -> Result<PipeFormat, NotPiped> {
        let format = PipeFormat::new(&self.video, self.pixel_format, file, wanted)?;
        Ok(format.said(self.appearance))
    }

    fn picture_of(&self, lines: u32) -> Picture {
        Picture::of(&self.video, lines).expect("the lines of a video are whole pixel groups")
    }
}

impl Described for Layout {
    /// The layout that the daemon described, if it is consistent.
    fn of(attached: &Attached) -> Result<Self, LayoutError> {
        let kind = attached.format.kind();
        let other = LayoutError::Essence(kind.name());
        let stream = attached.format.video().ok_or(other)?;
        let video = stream.format;
        let pixel_format = attached.layout.as_ref().map(|name| {
            let unknown = |_| LayoutError::Name {
                layout: name.clone(),
            };
            name.parse::<PixelFormat>().map_err(unknown)
        });
        let pixel_format = pixel_format.transpose()?;
        let layout = Self {
            video,
            pixel_format,
            appearance: stream.appearance,
        };
        let bytes = attached.geometry.frame_bytes;
        if layout.has_buffers_of(bytes as usize) {
            Ok(layout)
        } else {
            Err(LayoutError::Sizes(video.to_string(), bytes))
        }
    }

    /// How many bytes a buffer with this tag has, if they may be fewer than its memory: the second field of an odd
    /// height has a line less.
    #[inline]
    fn fewer_bytes(&self, tag: impl FnOnce() -> u32) -> Option<usize> {
        if self.video.scan() != Scan::Interlaced {
            return None;
        }
        Some(self.bytes_of(Field::of_tag(tag())))
    }

    fn row(&self) -> (u32, u32) {
        let line_bytes = u32::try_from(self.video.line_bytes());
        (line_bytes.unwrap_or(u32::MAX), self.video.pgroup().lines)
    }

    fn rate(&self) -> (u32, u32) {
        let rate = self.video.buffer_rate();
        (rate.numerator(), rate.denominator())
    }

    fn pixel_format(&self) -> Option<PixelFormat> {
        self.pixel_format
    }
}

/// The lines of a frame that a buffer of this field has.
const fn lines_of(field: Option<Field>) -> Lines {
    match field {
        None => Lines::All,
        Some(Field::First) => Lines::First,
        Some(Field::Second) => Lines::Second,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_essence::video::{Depth, FrameRate, Sampling};
    use onair_ipc::layout::Geometry;

    fn of(size: (u32, u32), samples: (Sampling, Depth), scan: Scan) -> VideoFormat {
        VideoFormat::of(size, samples, scan, FrameRate::new(60, 1).unwrap()).unwrap()
    }

    fn progressive(depth: Depth) -> VideoFormat {
        of((1280, 720), (Sampling::YCbCr422, depth), Scan::Progressive)
    }

    fn attached(format: VideoFormat, bytes: u32) -> Attached {
        Attached {
            session: String::new(),
            name: String::new(),
            attachment: 1,
            owner: false,
            sends: false,
            local: false,
            version: 1,
            geometry: Geometry::new(1, bytes).unwrap(),
            format: format.into(),
            layout: None,
            quota: 1,
            watched: false,
        }
    }

    #[test]
    fn layout_depths_then_rfc_4175_pgroups() {
        let layout = Layout::of(&attached(progressive(Depth::Eight), 1280 * 720 * 2)).unwrap();
        assert_eq!(
            (layout.video.line_bytes(), layout.video.pgroup_bytes()),
            (2560, 4)
        );
        let layout = Layout::of(&attached(progressive(Depth::Ten), 1280 * 720 * 5 / 2)).unwrap();
        assert_eq!(
            (layout.video.line_bytes(), layout.video.pgroup_bytes()),
            (3200, 5)
        );
        assert_eq!(layout.frame_bytes(), 1280 * 720 * 5 / 2);
    }

    #[test]
    fn layout_contradictions_then_refused() {
        assert!(Layout::of(&attached(progressive(Depth::Eight), 1280 * 720)).is_err());
    }

    #[test]
    fn layout_of_a_converted_session_then_its_planes() {
        let mut attached = attached(progressive(Depth::Ten), 1280 * 720 * 4);
        attached.layout = Some("yuv422p10le".to_owned());
        let layout = Layout::of(&attached).unwrap();
        assert_eq!(layout.pixel_format, Some(PixelFormat::Yuv422p10));
        let planes = layout.planes(None).unwrap();
        let planes: Vec<_> = planes
            .all()
            .iter()
            .map(|it| (it.offset, it.stride))
            .collect();
        assert_eq!(planes, [(0, 2560), (1_843_200, 1280), (2_764_800, 1280)]);
        assert_eq!(layout.frame_bytes(), 1280 * 720 * 4);
        for wrong in ["v210", "rgba", "v211"] {
            attached.layout = Some(wrong.to_owned());
            assert!(Layout::of(&attached).is_err(), "{wrong}");
        }
    }

    #[test]
    fn layout_of_fields_then_the_second_of_an_odd_height_is_shorter() {
        let rgb = (Sampling::Rgb, Depth::Ten);
        let fields = of((30, 487), rgb, Scan::Interlaced);
        let mut attached = attached(fields, 8 * 15 * 244);
        let layout = Layout::of(&attached).unwrap();
        assert_eq!(
            (layout.video.line_bytes(), layout.frame_bytes()),
            (120, 120 * 244)
        );
        assert_eq!(layout.bytes_of(Some(Field::Second)), 120 * 243);
        assert_eq!(
            (layout.video.sampling(), layout.video.scan()),
            (Sampling::Rgb, Scan::Interlaced)
        );
        attached.format = of((30, 487), rgb, Scan::Psf).into();
        assert!(Layout::of(&attached).is_err());
        attached.geometry = Geometry::new(1, 120 * 487).unwrap();
        assert_eq!(Layout::of(&attached).unwrap().lines_of(None), 487);
    }
}
