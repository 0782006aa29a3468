//! The pixels of a buffer in the pixel formats that applications use.

use onair_pixels::Lines;

use crate::layout::Pictured as _;
use crate::{BufferMutOf, BufferOf, ConvertError, Field, Lender, PixelFormat};

impl<S: Lender> BufferOf<S> {
    /// Writes the pixels to `pixels` in another format, in the planes of [`PixelFormat::planes`]. No
    /// sample changes. It converts in this process, at each call; of a converted session's buffer it copies
    /// the bytes, which are in its format already.
    ///
    /// ```no_run
    /// # use onair::{Buffer, ConvertError, PixelFormat};
    /// fn v210(buffer: &Buffer<'_>) -> Result<Vec<u8>, ConvertError> {
    ///     let picture = buffer.layout().picture(buffer.field());
    ///     let mut pixels = vec![0; PixelFormat::V210.planes(&picture).bytes];
    ///     buffer.unpack(PixelFormat::V210, &mut pixels)?;
    ///     Ok(pixels)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ConvertError`]: the format has other components or another depth, or `pixels` is too small; or the
    /// buffer is of a converted session in another format, or has no picture.
    pub fn unpack(&self, format: PixelFormat, pixels: &mut [u8]) -> Result<(), ConvertError> {
        let layout = self.layout().pictures().ok_or(ConvertError::NoPicture)?;
        layout.unpack(self.field(), (self, format), pixels)
    }

    /// As [`Self::unpack`], into a whole frame ([`Layout::frame_picture`](crate::Layout::frame_picture)): a field's
    /// lines are every other one, those of the other field stay as they are.
    ///
    /// # Errors
    /// As [`Self::unpack`].
    pub fn unpack_lines(&self, format: PixelFormat, pixels: &mut [u8]) -> Result<(), ConvertError> {
        let layout = self.layout().pictures().ok_or(ConvertError::NoPicture)?;
        layout.unpack_lines(self.field(), (self, format), pixels)
    }
}

impl<S: Lender> BufferMutOf<S> {
    /// Fills the buffer with `pixels`, which are in the planes of [`PixelFormat::planes`]; `field` says
    /// which field of an interlaced frame they are. It converts in this process, at each call.
    ///
    /// # Errors
    /// [`ConvertError`]: the format has other components or another depth, or `pixels` is too small.
    pub fn pack(
        &mut self,
        format: PixelFormat,
        field: Option<Field>,
        pixels: &[u8],
    ) -> Result<(), ConvertError> {
        let layout = self.layout().pictures().ok_or(ConvertError::NoPicture)?;
        let picture = layout.picture(field);
        onair_pixels::pack(&picture, format, pixels, self)
    }

    /// As [`Self::pack`], of `pixels` that are a whole frame ([`Layout::frame_picture`](crate::Layout::frame_picture)): the buffer gets
    /// the lines of `field`.
    ///
    /// # Errors
    /// As [`Self::pack`].
    pub fn pack_field(
        &mut self,
        format: PixelFormat,
        field: Field,
        pixels: &[u8],
    ) -> Result<(), ConvertError> {
        let lines = match field {
            Field::First => Lines::First,
            Field::Second => Lines::Second,
        };
        let layout = self.layout().pictures().ok_or(ConvertError::NoPicture)?;
        let picture = layout.frame_picture();
        onair_pixels::pack_lines(&picture, lines, format, pixels, self)
    }
}
