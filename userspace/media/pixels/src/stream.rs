//! A stream of frames, as its packets carry them.

use onair_essence::Format;
use onair_essence::media_time::RtpClock;
use onair_essence::receive::Depacketise as _;
use onair_essence::rtp::PayloadTypes;
use onair_essence::video::Appearance;
use onair_essence::video::assembly::{Assembler, AssemblerConfig};

/// The stream is of an essence without frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} has no frames")]
pub struct NoFrames(&'static str);

/// The stream whose packets become frames.
#[derive(Clone, Copy, Debug)]
pub struct FrameStream<'a> {
    /// Its format.
    pub format: &'a Format,
    /// RTP payload types of its packets.
    pub payload_types: PayloadTypes,
    /// The clock of its timestamps.
    pub clock: RtpClock,
    /// Nanoseconds after which a frame without further packets is closed as incomplete.
    pub timeout_ns: u64,
}

impl FrameStream<'_> {
    /// The appearance of its frames as the sender declares it.
    #[must_use]
    pub fn appearance(&self) -> Appearance {
        self.format
            .video()
            .map_or_else(Appearance::default, |video| video.appearance)
    }

    /// The assembler of its frames.
    ///
    /// # Errors
    /// [`NoFrames`]: it is of another essence.
    pub fn assembler<S: Copy>(&self) -> Result<Assembler<S>, NoFrames> {
        let kind = self.format.kind();
        let video = self.format.video().ok_or(NoFrames(kind.standard()))?;
        let mut assembler = Assembler::new(AssemblerConfig {
            format: video.format,
            payload_type: self.payload_types.first,
            timeout_ns: self.timeout_ns,
        });
        assembler.set_payload_types(self.payload_types);
        Ok(assembler)
    }
}
