//! Layout of a buffer.

use onair_essence::video::{Depth, Pgroup, Sampling, VideoFormat};

/// A frame or a field in pixel groups: row after row without padding. A row is a line, or with 4:2:0 two
/// lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    pub(crate) width: usize,
    pub(crate) rows: usize,
    pub(crate) sampling: Sampling,
    pub(crate) depth: Depth,
    pub(crate) pgroup: Pgroup,
}

impl Picture {
    /// A picture of `width` pixels and `lines` lines. `None` if ST 2110-20 has no pixel group for it, or
    /// if it does not consist of whole ones: 4:2:2 has an even width, 4:2:0 also an even height.
    #[must_use]
    pub fn new(width: u32, lines: u32, sampling: Sampling, depth: Depth) -> Option<Self> {
        let pgroup = Pgroup::of(sampling, depth)?;
        let in_pairs = sampling.chroma().is_in_pairs();
        let is_whole = lines.is_multiple_of(pgroup.lines) && !(in_pairs && width % 2 == 1);
        (is_whole && width > 0 && lines > 0).then(|| Self {
            width: width as usize,
            rows: (lines / pgroup.lines) as usize,
            sampling,
            depth,
            pgroup,
        })
    }

    /// Some `lines` lines of a video: a frame, a field or a part of one. `None` as [`Self::new`].
    #[must_use]
    pub fn of(video: &VideoFormat, lines: u32) -> Option<Self> {
        Self::new(video.width(), lines, video.sampling(), video.depth())
    }

    /// Bytes of a row of pixel groups; the last group may be padded.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.columns() * self.pgroup.bytes as usize
    }

    /// Bytes of the buffer.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.row_bytes() * self.rows
    }

    /// Lines of pixels.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.rows * self.pgroup.lines as usize
    }

    /// Pixels in a line.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Pixel groups of a row.
    pub(crate) fn columns(&self) -> usize {
        self.width.div_ceil(self.pgroup.pixels as usize)
    }

    /// A picture of one pixel group of this one.
    pub(crate) fn one_group(&self) -> Self {
        Self {
            width: self.pgroup.pixels as usize,
            rows: 1,
            ..*self
        }
    }

    /// Bytes of the buffer that has these lines of the frame.
    #[must_use]
    pub fn bytes_of(&self, lines: Lines) -> usize {
        self.row_bytes() * lines.rows_of(self.rows)
    }

    /// R G B, X Y Z; else Cb Y′ Cr.
    pub(crate) fn is_rgb_order(&self) -> bool {
        use onair_essence::video::Sampling;
        matches!(self.sampling, Sampling::Rgb | Sampling::Xyz)
    }
}

/// Which rows of a frame a buffer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// All.
    All,
    /// 0, 2, 4 …: the first field of an interlaced frame.
    First,
    /// 1, 3, 5 …: the second field.
    Second,
}

impl Lines {
    /// The first row, and the distance from one to the next.
    const fn place(self) -> (usize, usize) {
        match self {
            Self::All => (0, 1),
            Self::First => (0, 2),
            Self::Second => (1, 2),
        }
    }

    /// Rows of a buffer with these of a frame's `rows`.
    pub(crate) const fn rows_of(self, rows: usize) -> usize {
        match self {
            Self::All => rows,
            Self::First => rows.div_ceil(2),
            Self::Second => rows / 2,
        }
    }

    /// The row of the frame that row `at` of the buffer is.
    pub(crate) const fn row(self, at: usize) -> usize {
        let (first, step) = self.place();
        first + at * step
    }

    /// Its lines of a plane whose lines have `stride` bytes.
    pub(crate) fn of(self, plane: &[u8], stride: usize) -> impl Iterator<Item = &[u8]> {
        let (first, step) = self.place();
        plane.chunks_exact(stride).skip(first).step_by(step)
    }

    /// As [`Self::of`], to write.
    pub(crate) fn of_mut(self, plane: &mut [u8], stride: usize) -> impl Iterator<Item = &mut [u8]> {
        let (first, step) = self.place();
        plane.chunks_exact_mut(stride).skip(first).step_by(step)
    }
}

/// Rows of a buffer that has these lines of a frame, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    pub(crate) lines: Lines,
    pub(crate) first: usize,
    pub(crate) count: usize,
}

impl Rows {
    /// All that the buffer has of a frame `picture`.
    pub(crate) const fn all(picture: &Picture, lines: Lines) -> Self {
        Self {
            lines,
            first: 0,
            count: lines.rows_of(picture.rows),
        }
    }

    /// Those from `first` on that are whole in so many bytes of pixel groups.
    pub(crate) fn within(picture: &Picture, (lines, first): (Lines, usize), bytes: usize) -> Self {
        let rest = lines.rows_of(picture.rows).saturating_sub(first);
        Self {
            lines,
            first,
            count: rest.min(bytes / picture.row_bytes()),
        }
    }

    /// Whether they are all rows of a frame.
    pub(crate) fn are_frame(self, picture: &Picture) -> bool {
        self.lines == Lines::All && self.count == picture.rows
    }

    /// The row of the frame that the one at `at` of these is.
    pub(crate) const fn row(self, at: usize) -> usize {
        self.lines.row(self.first + at)
    }

    /// Bytes of their pixel groups.
    pub(crate) fn bytes(self, picture: &Picture) -> usize {
        self.count * picture.row_bytes()
    }
}
