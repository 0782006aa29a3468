//! Raster, samples, scan and frame rate.

use std::fmt;

use super::{Depth, FrameRate, Pgroup, Sampling, Scan, VideoError};

/// Raster, samples, scan and frame rate of a video. Always valid.
///
/// A *buffer* holds a frame, or with [`Scan::Interlaced`] a field. A *row* is a row of pgroups: a line, or
/// with 4:2:0 two lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VideoFormat {
    width: u32,
    height: u32,
    sampling: Sampling,
    depth: Depth,
    scan: Scan,
    rate: FrameRate,
    pgroup: Pgroup,
    row_pgroups: u32,
    /// 2^20 / bytes of a pgroup, rounded up: divides lengths up to 2^16 exactly.
    reciprocal: u32,
    /// 2^shift pixels of a line are in a pgroup.
    pixel_shift: u8,
    /// 2^shift lines are in a pgroup.
    line_shift: u8,
    /// Line numbers below this are valid, without and with the field bit.
    line_ends: [u16; 2],
}

/// Where a piece of a line lies in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pgroups {
    /// Its first pgroup, counted from the buffer's first.
    pub first: usize,
    /// Its pgroups.
    pub pgroups: usize,
}

impl VideoFormat {
    /// A progressive YCbCr-4:2:2 format of `width` × `height` pixels.
    ///
    /// # Errors
    /// [`VideoError`]: not supported.
    pub fn new(width: u32, height: u32, depth: Depth, rate: FrameRate) -> Result<Self, VideoError> {
        Self::of(
            (width, height),
            (Sampling::YCbCr422, depth),
            Scan::Progressive,
            rate,
        )
    }

    /// A format of `width` × `height` pixels; the height is that of both fields together.
    ///
    /// # Errors
    /// [`VideoError`]: not supported.
    pub fn of(
        (width, height): (u32, u32),
        (sampling, depth): (Sampling, Depth),
        scan: Scan,
        rate: FrameRate,
    ) -> Result<Self, VideoError> {
        let pgroup = Self::check_samples(sampling, depth)?;
        Self::check_width(width, sampling)?;
        Self::check_height(height, sampling)?;
        Self::check_scan(scan, sampling)?;
        if scan != Scan::Progressive && height < 2 {
            return Err(VideoError::Height(height));
        }
        let row_pgroups = pgroup.in_line(width);
        let rows = height / pgroup.lines;
        let bytes = row_pgroups as u64 * pgroup.bytes as u64 * rows as u64;
        if bytes > Self::MAX_FRAME_BYTES as u64 {
            return Err(VideoError::FrameBytes(bytes));
        }
        let [all, first, second] = [
            narrow(height),
            narrow(height.div_ceil(2)),
            narrow(height / 2),
        ];
        Ok(Self {
            width,
            height,
            sampling,
            depth,
            scan,
            rate,
            pgroup,
            row_pgroups,
            reciprocal: (1u32 << 20).div_ceil(pgroup.bytes),
            pixel_shift: shift(pgroup.pixels),
            line_shift: shift(pgroup.lines),
            line_ends: match scan {
                Scan::Progressive => [all, 0],
                Scan::Interlaced | Scan::Psf => [first, second],
            },
        })
    }

    /// Pixels in a line, 1 to [`Self::MAX_WIDTH`].
    #[inline]
    #[must_use]
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Lines in a frame, of both fields together: 1 to [`Self::MAX_HEIGHT`].
    #[inline]
    #[must_use]
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// Colour components.
    #[inline]
    #[must_use]
    pub const fn sampling(&self) -> Sampling {
        self.sampling
    }

    /// Bits of a sample.
    #[inline]
    #[must_use]
    pub const fn depth(&self) -> Depth {
        self.depth
    }

    /// Order of the lines.
    #[inline]
    #[must_use]
    pub const fn scan(&self) -> Scan {
        self.scan
    }

    /// Frames per second.
    #[inline]
    #[must_use]
    pub const fn rate(&self) -> FrameRate {
        self.rate
    }

    /// Buffers per second: frames, or fields.
    #[inline]
    #[must_use]
    pub const fn buffer_rate(&self) -> FrameRate {
        match self.scan {
            Scan::Interlaced => self.rate.doubled(),
            Scan::Progressive | Scan::Psf => self.rate,
        }
    }

    /// The pixel group.
    #[inline]
    #[must_use]
    pub const fn pgroup(&self) -> Pgroup {
        self.pgroup
    }

    /// Bytes of a pgroup, 1 to 15.
    #[inline]
    #[must_use]
    pub const fn pgroup_bytes(&self) -> usize {
        self.pgroup.bytes as usize
    }

    /// Bytes of one row; there is no padding between rows.
    #[inline]
    #[must_use]
    pub const fn line_bytes(&self) -> usize {
        self.row_pgroups as usize * self.pgroup.bytes as usize
    }

    /// Lines of a buffer. An interlaced frame of an odd height has a line less in its second field.
    #[inline]
    #[must_use]
    pub const fn lines(&self, second_field: bool) -> u32 {
        match (self.scan, second_field) {
            (Scan::Progressive | Scan::Psf, _) => self.height,
            (Scan::Interlaced, false) => self.height.div_ceil(2),
            (Scan::Interlaced, true) => self.height / 2,
        }
    }

    /// Rows of a buffer.
    #[inline]
    #[must_use]
    pub const fn rows(&self, second_field: bool) -> usize {
        (self.lines(second_field) / self.pgroup.lines) as usize
    }

    /// Rows with the field bit clear or set: of a field or a segment, or of a frame that has only
    /// one.
    #[inline]
    #[must_use]
    pub const fn segment_rows(&self, second: bool) -> usize {
        (self.line_ends[second as usize] >> self.line_shift) as usize
    }

    /// Bytes of one buffer: a frame, or the larger field of one; at most [`Self::MAX_FRAME_BYTES`].
    #[inline]
    #[must_use]
    pub const fn frame_bytes(&self) -> usize {
        self.line_bytes() * self.rows(false)
    }

    /// Pgroups of one buffer.
    #[inline]
    #[must_use]
    pub const fn frame_pgroups(&self) -> usize {
        self.row_pgroups as usize * self.rows(false)
    }

    /// Pgroups of the buffer of a second field.
    #[inline]
    #[must_use]
    pub const fn second_field_pgroups(&self) -> usize {
        self.row_pgroups as usize * self.rows(true)
    }

    /// Whether `line` exists with this field bit.
    #[inline]
    #[must_use]
    pub const fn has_line(&self, field: bool, line: u16) -> bool {
        line < self.line_ends[field as usize]
    }

    /// Whole pgroups in `length` bytes, and whether these are all of them.
    #[inline]
    #[must_use]
    pub const fn pgroups_in(&self, length: u16) -> (u32, bool) {
        // Exact: the reciprocal is too large by less than 15 / 2^20, and the length is below 2^16.
        #[expect(clippy::cast_possible_truncation, reason = "at most the length")]
        let pgroups = ((length as u64 * self.reciprocal as u64) >> 20) as u32;
        (pgroups, pgroups * self.pgroup.bytes == length as u32)
    }

    /// Whether a pgroup begins at this pixel of this line.
    #[inline]
    #[must_use]
    pub const fn begins_pgroup(&self, line: u16, pixel: u16) -> bool {
        let within_line = pixel as u32 & ((1 << self.pixel_shift) - 1);
        let within_row = line as u32 & ((1 << self.line_shift) - 1);
        within_line | within_row == 0
    }

    /// Where `pgroups` pgroups from a pixel of a line on lie in the buffer; `None` beyond the end
    /// of the line. The line exists, and a pgroup begins there.
    #[inline]
    #[must_use]
    pub const fn place(&self, field: bool, line: u16, pixel: u16, pgroups: u32) -> Option<Pgroups> {
        let column = pixel as u32 >> self.pixel_shift;
        if column + pgroups > self.row_pgroups {
            return None;
        }
        let row = match self.scan {
            Scan::Progressive | Scan::Interlaced => line as usize >> self.line_shift,
            Scan::Psf => line as usize * 2 + field as usize,
        };
        Some(Pgroups {
            first: row * self.row_pgroups as usize + column as usize,
            pgroups: pgroups as usize,
        })
    }

    /// The SRD row number of row `row` of a field, a segment or a whole frame.
    #[inline]
    #[must_use]
    pub const fn line_of_row(&self, row: usize) -> usize {
        row << self.line_shift
    }

    /// Offset of row `row` of a segment in the buffer, in bytes.
    #[inline]
    #[must_use]
    pub const fn row_offset(&self, second: bool, row: usize) -> usize {
        let row = match self.scan {
            Scan::Progressive | Scan::Interlaced => row,
            Scan::Psf => 2 * row + second as usize,
        };
        row * self.line_bytes()
    }
}

/// For people: `1920x1080 60000/1001 fps 10 bit`, with scan and sampling if they are not the default ones.
impl fmt::Display for VideoFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)?;
        if self.scan != Scan::Progressive {
            write!(f, " {}", self.scan)?;
        }
        write!(f, " {} fps", self.rate)?;
        if self.sampling != Sampling::default() {
            write!(f, " {}", self.sampling)?;
        }
        write!(f, " {} bit", self.depth)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "at most 4")]
const fn shift(power: u32) -> u8 {
    power.trailing_zeros() as u8
}

#[expect(clippy::cast_possible_truncation, reason = "lines are at most 32767")]
const fn narrow(lines: u32) -> u16 {
    lines as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_new_then_bytes_follow_the_pgroup() {
        let rate = FrameRate::new(60, 1).unwrap();
        let eight = VideoFormat::new(1920, 1080, Depth::Eight, rate).unwrap();
        let ten = VideoFormat::new(1920, 1080, Depth::Ten, rate).unwrap();
        assert_eq!((eight.line_bytes(), eight.frame_bytes()), (3840, 4_147_200));
        assert_eq!((ten.line_bytes(), ten.frame_bytes()), (4800, 5_184_000));
        assert_eq!(ten.frame_pgroups() * 5, ten.frame_bytes());
        assert_eq!(ten.to_string(), "1920x1080 60/1 fps 10 bit");
        let samples = (Sampling::Rgb, Depth::Ten);
        let fields = VideoFormat::of((722, 487), samples, Scan::Interlaced, rate).unwrap();
        assert_eq!(
            (fields.line_bytes(), fields.frame_bytes()),
            (181 * 15, 181 * 15 * 244)
        );
        assert_eq!(fields.to_string(), "722x487 interlaced 60/1 fps RGB 10 bit");
    }

    #[test]
    fn format_out_of_range_then_the_value_is_named() {
        let rate = FrameRate::new(25, 1).unwrap();
        for width in [1, 3] {
            assert_eq!(
                VideoFormat::new(width, 2, Depth::Eight, rate),
                Err(VideoError::OddWidth(width))
            );
        }
        for width in [0, 32_768, u32::MAX] {
            assert_eq!(
                VideoFormat::new(width, 2, Depth::Eight, rate),
                Err(VideoError::Width(width))
            );
        }
        for height in [0, 32_768, u32::MAX] {
            assert_eq!(
                VideoFormat::new(2, height, Depth::Eight, rate),
                Err(VideoError::Height(height))
            );
        }
        let of = |size, samples, scan| VideoFormat::of(size, samples, scan, rate).map(drop);
        let quarter = Sampling::YCbCr420;
        for (size, samples, scan, error) in [
            (
                (16, 3),
                (quarter, Depth::Ten),
                Scan::Progressive,
                VideoError::OddHeight(3),
            ),
            (
                (15, 4),
                (quarter, Depth::Ten),
                Scan::Progressive,
                VideoError::OddWidth(15),
            ),
            (
                (16, 4),
                (quarter, Depth::Ten),
                Scan::Psf,
                VideoError::Progressive(quarter),
            ),
            (
                (16, 4),
                (quarter, Depth::Sixteen),
                Scan::Progressive,
                VideoError::NoPgroup(quarter, Depth::Sixteen),
            ),
            (
                (16, 1),
                (Sampling::Rgb, Depth::Ten),
                Scan::Interlaced,
                VideoError::Height(1),
            ),
            (
                (32_766, 32_767),
                (Sampling::Key, Depth::Eight),
                Scan::Psf,
                VideoError::FrameBytes(32_766 * 32_767),
            ),
        ] {
            assert_eq!(of(size, samples, scan), Err(error));
        }
        of((15, 3), (Sampling::Key, Depth::Ten), Scan::Psf).unwrap();
    }

    #[test]
    fn format_of_any_table_entry_then_lengths_are_divided_exactly() {
        let rate = FrameRate::new(25, 1).unwrap();
        for sampling in Sampling::ALL {
            for depth in Depth::ALL {
                let format =
                    VideoFormat::of((1920, 8), (*sampling, *depth), Scan::Progressive, rate);
                let Ok(format) = format else { continue };
                let bytes = format.pgroup().bytes;
                for length in 0..=u16::MAX {
                    let exact = u32::from(length) / bytes;
                    let is_whole = u32::from(length) % bytes == 0;
                    assert_eq!(format.pgroups_in(length), (exact, is_whole));
                }
            }
        }
    }

    #[test]
    fn rows_of_fields_and_segments_then_as_the_height_divides() {
        let rate = FrameRate::new(25, 1).unwrap();
        let of = |height, scan| {
            VideoFormat::of((20, height), (Sampling::YCbCr422, Depth::Ten), scan, rate).unwrap()
        };
        let fields = of(487, Scan::Interlaced);
        assert_eq!((fields.rows(false), fields.rows(true)), (244, 243));
        assert_eq!(
            (fields.frame_bytes(), fields.second_field_pgroups()),
            (244 * 50, 2430)
        );
        assert!(fields.has_line(false, 243) && !fields.has_line(true, 243));
        let place = fields.place(true, 5, 4, 8).unwrap();
        assert_eq!((place.first, place.pgroups), (52, 8));
        assert_eq!(fields.place(true, 5, 4, 9), None);
        let segments = of(487, Scan::Psf);
        assert_eq!(
            (segments.rows(false), segments.segment_rows(true)),
            (487, 243)
        );
        assert_eq!(segments.place(true, 5, 4, 8).unwrap().first, 112);
        assert_eq!(segments.row_offset(false, 243), 486 * 50);
        assert_eq!(fields.buffer_rate(), FrameRate::new(50, 1).unwrap());
    }
}
