//! A stream of frames, as its packets carry them.

use onair_essence::Format;
use onair_essence::media_time::RtpClock;
use onair_essence::video::Appearance;
use onair_essence::video::assembly::AssemblerConfig;

/// The stream is of an essence without frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} has no frames")]
pub struct NoFrames(&'static str);

/// The stream whose packets become frames.
#[derive(Clone, Copy, Debug)]
pub struct FrameStream<'a> {
    /// What it carries.
    pub format: &'a Format,
    /// RTP payload type.
    pub payload_type: u8,
    /// The clock of its timestamps.
    pub clock: RtpClock,
    /// Nanoseconds after which a frame without further packets is closed as incomplete.
    pub timeout_ns: u64,
}

impl FrameStream<'_> {
    /// What the sender says of its frames.
    pub(crate) fn appearance(&self) -> Appearance {
        self.format
            .video()
            .map_or_else(Appearance::default, |video| video.appearance)
    }

    /// Of the assembler of its frames.
    pub(crate) fn assembly(&self) -> Result<AssemblerConfig, NoFrames> {
        let kind = self.format.kind();
        let video = self.format.video().ok_or(NoFrames(kind.standard()))?;
        Ok(AssemblerConfig {
            format: video.format,
            payload_type: self.payload_type,
            timeout_ns: self.timeout_ns,
        })
    }
}
