//! Completeness of a frame.

use onair_ipc::meta::{FrameMeta, MissingRange};

/// Whether every byte of a frame arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Every byte arrived.
    Complete,
    /// Some bytes did not arrive; there the frame has its previous contents.
    Incomplete(Incomplete),
}

/// Missing parts of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// Bytes that never arrived.
    pub bytes_missing: u32,
    /// Missing packets, by sequence number.
    pub packets_lost: u32,
    ranges: [MissingRange; onair_ipc::meta::MISSING_RANGES],
}

impl Incomplete {
    /// The first missing ranges. Their lengths add up to [`Incomplete::bytes_missing`] unless there
    /// are more ranges than listed.
    pub fn ranges(&self) -> impl Iterator<Item = MissingRange> + '_ {
        self.ranges.iter().copied().filter(|range| range.len > 0)
    }
}

impl Status {
    /// Whether every byte arrived.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Complete)
    }
}

impl From<&FrameMeta> for Status {
    fn from(meta: &FrameMeta) -> Self {
        if meta.is_complete() {
            return Self::Complete;
        }
        Self::Incomplete(Incomplete {
            bytes_missing: meta.bytes_missing,
            packets_lost: meta.packets_lost,
            ranges: meta.missing,
        })
    }
}
