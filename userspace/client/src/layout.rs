//! Layout of a frame's bytes.

use onair_ipc::message::Attached;

/// Why the daemon's description of a session is inconsistent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayoutError {
    #[error("samples of {0} bits")]
    Depth(u32),
    #[error(
        "{}x{} at {} bits and {}/{} Hz in frames of {} bytes",
        .0.width, .0.height, .0.depth, .0.rate_numerator, .0.rate_denominator, .0.geometry.frame_bytes
    )]
    Sizes(Box<Attached>),
}

/// The pixel group of RFC 4175 §4.3: the smallest run of whole pixels in whole bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pgroup {
    /// Bytes of one group.
    pub bytes: u32,
    /// Pixels in one group.
    pub pixels: u32,
}

/// Layout of a frame's bytes: one plane of YCbCr-4:2:2, progressive, line after line without
/// padding, in the pgroup order of RFC 4175 §4.3 (Cb Y0 Cr Y1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Pixels in a line.
    pub width: u32,
    /// Lines in a frame.
    pub height: u32,
    /// Bits of a sample.
    pub depth: u32,
    /// Bytes from one line to the next.
    pub line_bytes: u32,
    /// The pixel group.
    pub pgroup: Pgroup,
    /// Frames a second, as numerator and denominator: (60000, 1001) is 59.94.
    pub frame_rate: (u32, u32),
}

impl Layout {
    /// Bytes of a frame.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        self.line_bytes as usize * self.height as usize
    }

    /// The layout that the daemon described, if it is consistent.
    pub(crate) fn of(attached: &Attached) -> Result<Self, LayoutError> {
        let (width, height, depth) = (attached.width, attached.height, attached.depth);
        // Four samples (Cb Y Cr Y) for two pixels.
        let pgroup = match depth {
            8 | 10 | 12 | 16 => Pgroup {
                bytes: depth / 2,
                pixels: 2,
            },
            _ => return Err(LayoutError::Depth(depth)),
        };
        let line_bytes = (width / pgroup.pixels).checked_mul(pgroup.bytes);
        let bytes = line_bytes.and_then(|line| line.checked_mul(height));
        match (line_bytes, bytes) {
            (Some(line_bytes), Some(bytes))
                if bytes == attached.geometry.frame_bytes
                    && width.is_multiple_of(pgroup.pixels)
                    && attached.rate_denominator != 0 =>
            {
                Ok(Self {
                    width,
                    height,
                    depth,
                    line_bytes,
                    pgroup,
                    frame_rate: (attached.rate_numerator, attached.rate_denominator),
                })
            }
            _ => Err(LayoutError::Sizes(Box::new(attached.clone()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_ipc::layout::Geometry;

    fn attached(width: u32, height: u32, depth: u32, bytes: u32) -> Attached {
        Attached {
            session: String::new(),
            name: String::new(),
            attachment: 1,
            owner: false,
            sends: false,
            version: 1,
            geometry: Geometry::new(1, bytes).unwrap(),
            width,
            height,
            depth,
            rate_numerator: 60,
            rate_denominator: 1,
            watched: false,
        }
    }

    #[test]
    fn layout_depths_then_rfc_4175_pgroups() {
        let layout = Layout::of(&attached(1280, 720, 8, 1280 * 720 * 2)).unwrap();
        assert_eq!((layout.line_bytes, layout.pgroup.bytes), (2560, 4));
        let layout = Layout::of(&attached(1280, 720, 10, 1280 * 720 * 5 / 2)).unwrap();
        assert_eq!((layout.line_bytes, layout.pgroup.bytes), (3200, 5));
        assert_eq!(layout.frame_bytes(), 1280 * 720 * 5 / 2);
    }

    #[test]
    fn layout_contradictions_then_refused() {
        assert!(Layout::of(&attached(1280, 720, 8, 1280 * 720)).is_err());
        assert!(Layout::of(&attached(1280, 720, 9, 1280 * 720 * 2)).is_err());
        assert!(Layout::of(&attached(1281, 720, 8, 1280 * 720 * 2)).is_err());
        assert!(Layout::of(&attached(u32::MAX, u32::MAX, 16, 8)).is_err());
    }
}
