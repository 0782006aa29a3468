//! Conversion: the two ends of it, and the converted session's work.

use std::sync::Arc;

use onair_ipc::frames::FrameMemory;

use super::super::converter::{ConvertConfig, Converter};
use super::super::feed::{ConverterFeed, Intake};
use super::super::refusal::RuntimeError;
use super::super::stats::SessionStats;
use super::{Kind, Runtime};

impl Runtime {
    /// Creates a converted session that converts into `frames`. Give one frame plus the quota of each
    /// attachment, so that one is always free.
    ///
    /// # Errors
    /// [`RuntimeError`]: the memory is too small, or the layout does not hold the video.
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
            kind: Kind::Convert(Box::new(converter)),
            target: None,
        })
    }

    /// Converts the frames that come in here from the next start on.
    pub fn connect(&mut self, intake: Intake) {
        if let Some(converter) = self.converter_mut() {
            converter.connect(intake);
        }
    }

    /// Has no source any more.
    pub fn disconnect(&mut self) {
        if let Some(converter) = self.converter_mut() {
            converter.disconnect();
        }
    }

    /// Hands the finished frames of a receive session to a converted session, too.
    pub fn add_feed(&mut self, feed: ConverterFeed) {
        if let Kind::Receive(receiver) = &mut self.kind {
            receiver.pool.feeds.add(feed);
        }
    }
}

/// Methods for the thread that converts.
impl Runtime {
    /// The converted session's half.
    pub(in super::super) fn converter(&self) -> Option<&Converter> {
        match &self.kind {
            Kind::Convert(converter) => Some(converter),
            Kind::Receive(_) | Kind::Send(_) => None,
        }
    }

    /// The converted session's half.
    pub(in super::super) fn converter_mut(&mut self) -> Option<&mut Converter> {
        match &mut self.kind {
            Kind::Convert(converter) => Some(converter),
            Kind::Receive(_) | Kind::Send(_) => None,
        }
    }
}
