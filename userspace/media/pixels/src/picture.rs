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
}
