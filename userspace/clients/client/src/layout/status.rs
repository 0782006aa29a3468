//! Completeness of a frame.

use std::iter;
use std::ops::Range;

use onair_ipc::meta::{FrameMeta, MissingRange};

use crate::carries::Described;

/// Whether every byte of a frame arrived.
///
/// ```no_run
/// use onair::{Buffer, Status};
///
/// fn lost(buffer: &Buffer<'_>) -> u32 {
///     match buffer.status() {
///         Status::Complete => 0,
///         Status::Incomplete(what) => what.packets_lost,
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Every byte arrived.
    Complete,
    /// Some bytes did not arrive; there the frame has its previous contents.
    Incomplete(Incomplete),
}

/// Missing parts of a frame.
///
/// ```no_run
/// fn conceal(what: &onair::Incomplete) {
///     for lines in what.lines() {
///         println!("lines {} to {} lack bytes", lines.start, lines.end - 1);
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// Bytes that never arrived; of a converted session, in its source's buffer.
    pub bytes_missing: u32,
    /// Missing packets, by sequence number.
    pub packets_lost: u32,
    /// Of rows of pixel groups.
    ranges: [MissingRange; onair_ipc::meta::MISSING_RANGES],
    /// Bytes of a row of pixel groups, and its lines; of audio: of a sample, and 1.
    row: (u32, u32),
    is_converted: bool,
}

impl Incomplete {
    /// The first missing ranges. Their lengths add up to [`Incomplete::bytes_missing`] unless there
    /// are more ranges than listed. None of a converted session: a few bytes that are missing in its source's
    /// buffer are bits in many places of its own. [`Self::lines`] has what is missing of both.
    pub fn ranges(&self) -> impl Iterator<Item = MissingRange> + '_ {
        let all = self.in_pgroups();
        all.filter(|_| !self.is_converted)
    }

    /// The lines of the buffer to which the first missing ranges belong, in order and apart: each lacks some of its
    /// bytes, or all. With 4:2:0 the lines come in pairs. Of audio: the samples, which are silent.
    pub fn lines(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        let (bytes, lines) = self.row;
        let mut runs = self
            .in_pgroups()
            .map(move |range| {
                let end = range.offset.saturating_add(range.len);
                range.offset / bytes * lines..end.div_ceil(bytes) * lines
            })
            .peekable();
        iter::from_fn(move || {
            let mut run = runs.next()?;
            while let Some(next) = runs.next_if(|it| it.start <= run.end) {
                run.end = run.end.max(next.end);
            }
            Some(run)
        })
    }

    fn in_pgroups(&self) -> impl Iterator<Item = MissingRange> + '_ {
        self.ranges.iter().copied().filter(|range| range.len > 0)
    }
}

impl Status {
    /// Whether every byte arrived.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Complete)
    }

    /// Of a buffer in this layout.
    pub(crate) fn of(meta: &FrameMeta, layout: &impl Described) -> Self {
        if meta.is_complete() {
            return Self::Complete;
        }
        Self::Incomplete(Incomplete {
            bytes_missing: meta.bytes_missing,
            packets_lost: meta.packets_lost,
            ranges: meta.missing,
            row: layout.row(),
            is_converted: layout.pixel_format().is_some(),
        })
    }
}
