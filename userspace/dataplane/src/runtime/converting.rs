//! Conversion: the two ends of it, and the converted session's work.

use std::sync::Arc;

use onair_ipc::frames::FrameMemory;

use super::{Runtime, RuntimeKind};
use crate::feed::{ConverterFeed, Intake};
use crate::runtime::converter::{ConvertConfig, Converter};
use crate::runtime::refusal::RuntimeError;
use crate::stats::SessionStats;

impl Runtime {
    /// Creates a converted session that converts into `frames`. Give one frame plus the quota of each
    /// attachment, so that one is always free.
    ///
    /// # Errors
    /// [`RuntimeError`]: the memory is too small, or the layout cannot represent the video.
    pub fn convert(
        session: u64,
        config: ConvertConfig,
        frames: FrameMemory,
    ) -> Result<Self, RuntimeError> {
        let stats = Arc::new(SessionStats::new(config.max_attachments));
        let converter = Converter::new(config, frames, Arc::clone(&stats))?;
        Ok(Self {
            session,
            stats,
            kind: RuntimeKind::Convert(Box::new(converter)),
            target: None,
        })
    }

    /// Converts the frames that come in here from the next start on.
    pub fn connect(&mut self, intake: Intake) {
        if let Some(converter) = self.converter_mut() {
            converter.connect(intake);
        }
    }

    /// Drops its end of the feed, which gives all frames back: its source is gone, or cannot be its source any more.
    pub fn disconnect(&mut self) {
        if let Some(converter) = self.converter_mut() {
            converter.disconnect();
        }
    }

    /// Hands the finished frames of a receive session to a converted session, too.
    pub fn add_feed(&mut self, feed: ConverterFeed) {
        if let RuntimeKind::Receive(receiver) = &mut self.kind {
            receiver.pool.feeds.add(feed);
        }
    }
}

/// Methods for the thread that converts.
impl Runtime {
    /// The converted session's half.
    pub(crate) fn converter(&self) -> Option<&Converter> {
        match &self.kind {
            RuntimeKind::Convert(converter) => Some(converter),
            _ => None,
        }
    }

    /// The converted session's half.
    pub(crate) fn converter_mut(&mut self) -> Option<&mut Converter> {
        match &mut self.kind {
            RuntimeKind::Convert(converter) => Some(converter),
            _ => None,
        }
    }
}
