//! The picture in a buffer of this layout, and its lines in a pixel format.

use onair_essence::video::Field;
use onair_pixels::pipe::{NotPiped, PipeFile, PipeFormat};
use onair_pixels::{ConvertError, Lines, Picture, PixelFormat, place_lines};

use super::Layout;

impl Layout {
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

/// The lines of a frame that a buffer of this field has.
const fn lines_of(field: Option<Field>) -> Lines {
    match field {
        None => Lines::All,
        Some(Field::First) => Lines::First,
        Some(Field::Second) => Lines::Second,
    }
}
