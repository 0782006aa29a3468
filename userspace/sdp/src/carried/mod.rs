//! What OnAir carries today.

mod ancillary;
pub(crate) mod chosen;
mod compressed;
pub(crate) mod surveyed;

use onair_api::SpecErrors;
use onair_essence::jpeg_xs::JpegXsStream;
use onair_essence::video::VideoDocument;
use onair_essence::video::{
    Depth, EXTENDED_MAX_UDP, Packing, STANDARD_MAX_UDP, Sampling, Scan, VideoFormat,
};
use onair_essence::{Format, FormatDocument};

use crate::clock::MediaClock;
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
    #[error(
        "it is no video (ST 2110-20, -22), no audio (ST 2110-30, -31) and no ancillary data (ST 2110-40)"
    )]
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
        let carried = self.carried().ok_or(NoFormat::Essence)?;
        Ok(carried?.try_into()?)
    }

    /// What the sender adds to its RTP timestamps, in ticks: of `mediaclk:direct` the low 32 bits, which packets have.
    #[must_use]
    pub const fn clock_offset(&self) -> u32 {
        match self.media_clock {
            #[expect(clippy::cast_possible_truncation, reason = "timestamps wrap")]
            Some(MediaClock::Direct { offset, .. }) => offset as u32,
            _ => 0,
        }
    }

    /// The bandwidth of a session in kbit/s, if a description has to have it.
    #[must_use]
    pub fn bandwidth_of(format: &Format) -> Option<u64> {
        format.jpeg_xs().map(JpegXsStream::bandwidth_kbps)
    }

    /// The format as a session specification has it; `None` of an essence that OnAir does not carry.
    pub(crate) fn carried(&self) -> Option<Result<FormatDocument, NotCarried>> {
        match &self.essence {
            Essence::Video(video) => Some(video.carried().map(FormatDocument::Video)),
            Essence::Compressed(it) => {
                let carried = it.carried(self.bandwidth);
                Some(carried.map(FormatDocument::JpegXs))
            }
            Essence::Audio(audio) => Some(Ok(FormatDocument::Audio(audio.carried()))),
            Essence::Aes3(audio) => Some(Ok(FormatDocument::Audio(audio.carried()))),
            Essence::Ancillary(it) => Some(it.carried().map(FormatDocument::Ancillary)),
            Essence::Other { .. } => None,
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
            colorimetry: self.appearance.colorimetry,
            transfer: self.appearance.transfer,
            range: self.appearance.range,
            pixel_aspect: self.appearance.pixel_aspect,
            standard: self.standard,
        })
    }
}
