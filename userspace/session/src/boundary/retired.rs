//! The memory of a session, or of an attachment that left one.

use std::sync::Arc;

use onair_ipc::frames::FrameMemory;
use onair_ipc::memory::AttachmentMemory;
use serde::{Deserialize, Serialize};

/// Memory that a process may still have mapped.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct RetiredMemory {
    /// Shared words of attachments.
    #[serde(with = "onair_ipc::described::all_shared")]
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

    /// Adds the memory of `others`.
    pub fn add(&mut self, others: Self) {
        self.words.extend(others.words);
        self.frames.extend(others.frames);
    }
}
