//! What OnAir carries today.

pub(crate) mod chosen;
pub(crate) mod surveyed;

use onair_api::SpecErrors;
use onair_essence::video::VideoDocument;
use onair_essence::video::{
    Depth, EXTENDED_MAX_UDP, Packing, STANDARD_MAX_UDP, Sampling, Scan, VideoFormat,
};
use onair_essence::{Format, FormatDocument};

use crate::description::{Essence, Media};
use crate::essence::video::DescribedVideo;

/// A parameter that OnAir does not carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}={value} is not carried: only {carried}")]
pub struct NotCarried {
    /// The parameter's name in SDP.
    pub parameter: &'static str,
    /// Its value.
    pub value: String,
    /// What is carried.
    pub carried: &'static str,
}

/// Why a stream has no format that OnAir carries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFormat {
    /// Another essence.
    #[error("it is no video (ST 2110-20) and no audio (ST 2110-30, -31)")]
    Essence,
    /// A parameter that OnAir does not carry.
    #[error(transparent)]
    NotCarried(#[from] NotCarried),
    /// A value out of range.
    #[error(transparent)]
    Invalid(#[from] SpecErrors),
}

impl Media {
    /// What the stream carries, if OnAir carries it.
    ///
    /// # Errors
    /// [`NoFormat`].
    pub fn format(&self) -> Result<Format, NoFormat> {
        let carried = self.essence.carried().ok_or(NoFormat::Essence)?;
        Ok(carried?.try_into()?)
    }
}

impl Essence {
    /// The format as a session specification has it; `None` of an essence that OnAir does not carry.
    pub(crate) fn carried(&self) -> Option<Result<FormatDocument, NotCarried>> {
        match self {
            Self::Video(video) => Some(video.carried().map(FormatDocument::Video)),
            Self::Audio(audio) => Some(Ok(FormatDocument::Audio(audio.carried()))),
            Self::Aes3(audio) => Some(Ok(FormatDocument::Audio(audio.carried()))),
            Self::Compressed(_) | Self::Ancillary(_) | Self::Other { .. } => None,
        }
    }
}

impl DescribedVideo {
    /// The format as a session specification has it, if OnAir carries it.
    ///
    /// # Errors
    /// [`NotCarried`]: the first parameter that it does not carry.
    pub fn carried(&self) -> Result<VideoDocument, NotCarried> {
        let not = |parameter, value: String, carried| NotCarried {
            parameter,
            value,
            carried,
        };
        if VideoFormat::check_samples(self.sampling, self.depth).is_err() {
            let value = self.depth.to_string();
            return Err(not("depth", value, "8, 10 and 12 bits with 4:2:0"));
        }
        if self.max_udp > EXTENDED_MAX_UDP {
            let value = self.max_udp.to_string();
            return Err(not("MAXUDP", value, "datagrams of up to 8960 bytes"));
        }
        let given = |is: bool| is.then_some(true);
        Ok(VideoDocument {
            width: self.width,
            height: self.height,
            frame_rate: self.rate.to_string(),
            depth: self.depth.bits().into(),
            float: given(self.depth == Depth::SixteenFloat),
            sampling: (self.sampling != Sampling::default()).then_some(self.sampling),
            scan: (self.scan != Scan::default()).then_some(self.scan),
            packing: (self.packing != Packing::default()).then_some(self.packing),
            max_udp: (self.max_udp != STANDARD_MAX_UDP).then(|| self.max_udp.into()),
            sender_type: self.sender,
            tr_offset_us: self.tr_offset_us,
            cmax: self.cmax,
        })
    }
}
