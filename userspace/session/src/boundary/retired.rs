//! The memory of a session, or of an attachment that left one.

use std::sync::Arc;

use onair_ipc::frames::FrameMemory;
use onair_ipc::memory::AttachmentMemory;

use crate::boundary::view::View;

/// Memory that a process may still have mapped.
#[derive(Debug, Default)]
pub struct RetiredMemory {
    /// Shared words of attachments.
    pub words: Vec<Arc<AttachmentMemory>>,
    /// Frame memory.
    pub frames: Vec<FrameMemory>,
}

impl RetiredMemory {
    /// Maximum size in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let words: usize = self
            .words
            .iter()
            .map(|words| words.geometry().ctl_len() + words.geometry().seg_len())
            .sum();
        let frames: usize = self.frames.iter().map(FrameMemory::len).sum();
        (words + frames) as u64
    }

    /// Takes out the memory that no process has any more, according to W4.
    pub(crate) fn take_free(&mut self, view: &dyn View) -> Self {
        let words = self.words.extract_if(.., |words| view.is_released(words));
        let frames = self
            .frames
            .extract_if(.., |frames| view.are_released(frames));
        Self {
            words: words.collect(),
            frames: frames.collect(),
        }
    }

    /// Adds the memory of `others`.
    pub fn add(&mut self, others: Self) {
        self.words.extend(others.words);
        self.frames.extend(others.frames);
    }
}
