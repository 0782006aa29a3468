//! Runtime of a converted session: another session's frames in another layout, loaned to every attachment.

use std::sync::Arc;

use onair_ipc::frames::FrameMemory;
use onair_ipc::meta::FrameMeta;
use onair_pixels::{Conversion, Progress, Strips};

use crate::feed::{Intake, SourceFrame};
use crate::runtime::attachment::Attachments;
use crate::runtime::refusal::RuntimeError;
use crate::stats::SessionStats;

/// Configuration of a converted session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvertConfig {
    /// From what the source carries to the layout of the buffers.
    pub conversion: Conversion,
    /// Most attachments at once.
    pub max_attachments: usize,
}

/// A frame of the source that is being converted into `frame`.
#[derive(Debug)]
struct UnderWay {
    source: SourceFrame,
    frame: u32,
    number: u64,
    progress: Progress,
}

/// Converts the frames of the source.
#[derive(Debug)]
pub(crate) struct Converter {
    config: ConvertConfig,
    strips: Strips,
    /// `None`: it was never connected.
    intake: Option<Intake>,
    under_way: Option<UnderWay>,
    frames: FrameMemory,
    /// Where the search for a free frame starts: the frame that was free the longest.
    next: u32,
    number: u64,
    pub(crate) attachments: Attachments,
    stats: Arc<SessionStats>,
}

impl Converter {
    pub(crate) fn new(
        config: ConvertConfig,
        frames: FrameMemory,
        stats: Arc<SessionStats>,
    ) -> Result<Self, RuntimeError> {
        let need = config.conversion.buffer_bytes();
        let have = frames.frame_bytes() as usize;
        if have < need {
            return Err(RuntimeError::FrameBytes { have, need });
        }
        let loans = frames.count() as usize;
        let attachments = Attachments::new(Arc::clone(&stats), config.max_attachments, loans);
        Ok(Self {
            config,
            strips: Strips::new(config.conversion),
            intake: None,
            under_way: None,
            frames,
            next: 0,
            number: 0,
            attachments,
            stats,
        })
    }

    pub(crate) fn count(&self) -> u32 {
        self.frames.count()
    }

    /// Converts the frames of another source from now on.
    pub(crate) fn connect(&mut self, intake: Intake) {
        self.intake = Some(intake);
    }

    /// Drops its end of the feed: see [`Runtime::disconnect`](crate::Runtime::disconnect).
    pub(crate) fn disconnect(&mut self) {
        self.intake = None;
    }

    /// Packets wait for the thread that converts.
    pub(crate) const fn run_beside_packets(&mut self, beside: bool) {
        self.strips.shorten(beside);
    }

    pub(crate) fn resume(&mut self) {
        self.intake.iter_mut().for_each(Intake::open);
    }

    /// Gives all frames back to the source. The one under way is dropped.
    pub(crate) fn quiesce(&mut self) {
        if self.under_way.take().is_some() {
            self.stats.counters.frames_dropped_stop.add(1);
        }
        self.intake.iter_mut().for_each(Intake::close);
    }

    /// Whether a frame waits, or is under way.
    pub(crate) fn has_some(&self) -> bool {
        self.is_amid_a_frame() || self.intake.as_ref().is_some_and(Intake::has_some)
    }

    /// Whether a frame is under way.
    pub(crate) const fn is_amid_a_frame(&self) -> bool {
        self.under_way.is_some()
    }

    /// Converts a strip of the frame under way, or of the next one. With its last strip a frame is loaned. Returns
    /// whether there was one.
    pub(crate) fn convert_strip(&mut self) -> bool {
        if self.under_way.is_none() && !self.begin() {
            return false;
        }
        if let Some(UnderWay {
            source,
            frame,
            progress,
            ..
        }) = &mut self.under_way
        {
            self.strips.convert_next(
                progress,
                |at, bytes| source.read(at, bytes),
                |at, bytes| self.frames.write(*frame, at, bytes),
            );
        }
        if let Some(done) = self.under_way.take_if(|it| it.progress.is_over()) {
            self.loan(done);
        }
        true
    }

    /// Takes the next frame of the source. Without a free frame for it, it is dropped. Returns whether there was one.
    fn begin(&mut self) -> bool {
        let Some((source, steps)) = self.intake.as_mut().and_then(Intake::take) else {
            return false;
        };
        self.number += steps;
        let Some(frame) = self.attachments.free_frame(self.next, self.frames.count()) else {
            self.stats.counters.frames_no_buffer.add(1);
            return true;
        };
        self.next = (frame + 1) % self.frames.count();
        self.under_way = Some(UnderWay {
            progress: self.config.conversion.begin(source.meta().tag),
            source,
            frame,
            number: self.number - 1,
        });
        true
    }

    fn loan(&mut self, done: UnderWay) {
        let UnderWay {
            source,
            frame,
            number,
            ..
        } = done;
        let meta = described(&source, number);
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

#[cfg(test)]
pub(crate) mod tests;
