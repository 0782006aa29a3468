//! Runtime of a converted session: another session's frames in another layout, loaned to every attachment.

use std::sync::Arc;

use onair_ipc::frames::FrameMemory;
use onair_ipc::meta::{Field, FrameMeta};
use onair_pixels::PixelFormat;
use onair_types::{Depth, Sampling, Scan};

use super::attachment::Attachments;
use super::outlet::{Intake, SourceFrame};
use super::refusal::RuntimeError;
use super::stats::SessionStats;
use super::strips::{Shape, Strips};

/// Configuration of a converted session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvertConfig {
    /// Pixels in a line.
    pub width: u32,
    /// Lines in a frame, of both fields together.
    pub height: u32,
    /// Colour components.
    pub sampling: Sampling,
    /// Bits of a sample.
    pub depth: Depth,
    /// Order of the lines. With [`Scan::Interlaced`] each buffer is a field.
    pub scan: Scan,
    /// Layout of the buffers.
    pub layout: PixelFormat,
    /// Most attachments at once.
    pub max_attachments: usize,
}

impl ConvertConfig {
    /// Lines of a buffer: of this field, or of a frame. The first field is the larger one.
    #[must_use]
    pub const fn lines_of(&self, field: Option<Field>) -> u32 {
        match (self.scan, field) {
            (Scan::Interlaced, Some(Field::Second)) => self.height / 2,
            (Scan::Interlaced, _) => self.height.div_ceil(2),
            (Scan::Progressive | Scan::Psf, _) => self.height,
        }
    }

    const fn shape(&self) -> Shape {
        Shape {
            width: self.width,
            sampling: self.sampling,
            depth: self.depth,
            layout: self.layout,
        }
    }

    /// Bytes of the largest buffer; `None` if the layout does not hold the video.
    #[must_use]
    pub fn frame_bytes(&self) -> Option<usize> {
        let picture = self.shape().picture(self.lines_of(None))?;
        Some(self.layout.planes(&picture).bytes)
    }
}

/// Converts the frames of the source.
#[derive(Debug)]
pub(super) struct Converter {
    config: ConvertConfig,
    strips: Strips,
    /// `None`: it was never connected.
    intake: Option<Intake>,
    frames: FrameMemory,
    /// Where the search for a free frame starts: the frame that was free the longest.
    next: u32,
    number: u64,
    pub(super) attachments: Attachments,
    stats: Arc<SessionStats>,
}

impl Converter {
    pub(super) fn new(
        config: ConvertConfig,
        frames: FrameMemory,
        stats: Arc<SessionStats>,
    ) -> Result<Self, RuntimeError> {
        let strips = Strips::new(config.shape(), config.lines_of(None));
        let (strips, need) = strips
            .zip(config.frame_bytes())
            .ok_or(RuntimeError::Layout(config.layout))?;
        let have = frames.frame_bytes() as usize;
        if have < need {
            return Err(RuntimeError::FrameBytes { have, need });
        }
        let loans = frames.count() as usize;
        let attachments = Attachments::new(Arc::clone(&stats), config.max_attachments, loans);
        Ok(Self {
            config,
            strips,
            intake: None,
            frames,
            next: 0,
            number: 0,
            attachments,
            stats,
        })
    }

    pub(super) fn count(&self) -> u32 {
        self.frames.count()
    }

    /// Converts the frames of another source from now on.
    pub(super) fn connect(&mut self, intake: Intake) {
        self.intake = Some(intake);
    }

    /// No source any more.
    pub(super) fn disconnect(&mut self) {
        self.intake = None;
    }

    pub(super) fn resume(&mut self) {
        self.intake.iter_mut().for_each(Intake::open);
    }

    pub(super) fn quiesce(&mut self) {
        self.intake.iter_mut().for_each(Intake::close);
    }

    /// Whether a frame waits.
    pub(super) fn has_some(&self) -> bool {
        self.intake.as_ref().is_some_and(Intake::has_some)
    }

    /// Converts the next frame of the source and loans it. Returns whether there was one.
    pub(super) fn convert_next(&mut self) -> bool {
        let Some((source, steps)) = self.intake.as_mut().and_then(Intake::take) else {
            return false;
        };
        self.number += steps;
        let Some(frame) = self.free_frame() else {
            self.stats.counters.frames_no_buffer.add(1);
            return true;
        };
        self.next = (frame + 1) % self.frames.count();
        let lines = self.config.lines_of(source.meta().field);
        self.strips.convert(
            lines,
            |at, bytes| source.read(at, bytes),
            |at, bytes| self.frames.write(frame, at, bytes),
        );
        let meta = described(&source, self.number - 1);
        // The source may fill it again before the clients have this one.
        drop(source);
        self.attachments.loan(frame, &meta);
        let counters = &self.stats.counters;
        if meta.is_complete() {
            counters.frames_complete.add(1);
        } else {
            counters.frames_incomplete.add(1);
        }
        counters.last_frame_ns.set(meta.last_packet_ns);
        true
    }

    fn free_frame(&mut self) -> Option<u32> {
        let find = |it: &Self| {
            let (next, count) = (it.next, it.frames.count());
            let mut all = (next..count).chain(0..next);
            all.find(|frame| !it.attachments.have(*frame))
        };
        find(self).or_else(|| {
            self.attachments.reap();
            find(self)
        })
    }
}

/// As the source describes it. The ranges of missing bytes stay those of rows of pixel groups: a client knows these
/// rows, and tells the lines.
fn described(source: &SourceFrame, number: u64) -> FrameMeta {
    FrameMeta {
        number,
        ..*source.meta()
    }
}
