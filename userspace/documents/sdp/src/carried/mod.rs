//! Formats that OnAir carries.

mod ancillary;
mod compressed;
pub(crate) mod streams;

use onair_api::SpecErrors;
use onair_essence::audio::Coding;
use onair_essence::jpeg_xs::JpegXsStream;
use onair_essence::survey::{self, Described};
use onair_essence::video::{Depth, Packing, STANDARD_MAX_UDP, Sampling, Scan, VideoDocument};
use onair_essence::{Format, FormatDocument};

use crate::clock::MediaClock;
use crate::description::{Essence, Media};
use crate::error::Notes;
use crate::essence::audio::PcmDepth;
use crate::essence::video::DescribedVideo;
use crate::words::Word as _;

/// Why OnAir does not carry a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCarried {
    /// A parameter with a value that is not carried.
    #[error("{parameter}={value} is not carried: only {carried}")]
    Value {
        /// The parameter's name in SDP.
        parameter: &'static str,
        /// Its value.
        value: String,
        /// The formats that are carried.
        carried: &'static str,
    },
    /// A parameter that is missing.
    #[error("{0} is missing: a session needs it")]
    Missing(&'static str),
    /// Neither `exactframerate` nor `a=framerate` is there.
    #[error("exactframerate is missing, and so is a=framerate: a session needs the frame rate")]
    Rate,
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
    /// The format of the stream, if OnAir carries it.
    ///
    /// # Errors
    /// [`NoFormat`].
    pub fn format(&self) -> Result<Format, NoFormat> {
        let carried = self.carried(&mut Notes::default());
        let carried = carried.ok_or(NoFormat::Essence)?;
        Ok(carried?.try_into()?)
    }

    /// The offset that the sender adds to its RTP timestamps, in ticks: of `mediaclk:direct` the low 32 bits, which
    /// packets have.
    #[must_use]
    pub fn clock_offset(&self) -> u32 {
        self.described_offset().unwrap_or_default()
    }

    /// As [`Self::clock_offset`]; `None`: the description does not say it.
    #[must_use]
    pub const fn described_offset(&self) -> Option<u32> {
        match self.media_clock {
            #[expect(clippy::cast_possible_truncation, reason = "timestamps wrap")]
            Some(MediaClock::Direct { offset, .. }) => Some(offset as u32),
            _ => None,
        }
    }

    /// The bandwidth of a session in kbit/s, if a description has to have it.
    #[must_use]
    pub fn bandwidth_of(format: &Format) -> Option<u64> {
        format.jpeg_xs().map(JpegXsStream::bandwidth_kbps)
    }

    /// The bandwidth in kbit/s of a description whose codestreams have at most the bytes of a session, as
    /// [`Self::format`] understands it: what a receive session was described with.
    #[must_use]
    pub fn described_bandwidth_of(format: &Format) -> Option<u64> {
        format.jpeg_xs().map(JpegXsStream::described_kbps)
    }

    /// The format as a session specification has it; `None` of an essence that OnAir does not carry. What a session
    /// would refuse and can be without is noted.
    pub(crate) fn carried(&self, notes: &mut Notes) -> Option<Result<FormatDocument, NotCarried>> {
        let document = match &self.essence {
            Essence::Video(video) => video.carried().map(FormatDocument::Video),
            Essence::Compressed(it) => it.carried_within(self.bandwidth, self.line, notes),
            Essence::Audio(audio) => Ok(FormatDocument::Audio(audio.carried())),
            Essence::Aes3(audio) => Ok(FormatDocument::Audio(audio.carried())),
            Essence::Ancillary(it) => it.carried().map(FormatDocument::Ancillary),
            Essence::Other { .. } => return None,
        };
        Some(document.map(|it| settled(it, self.line, notes)))
    }
}

/// The shorter packet time of ST 2110-30 §6.2.1, in microseconds.
const SHORT_PACKET_US: u32 = 125;

/// The document without values that a session refuses and can be without.
fn settled(mut document: FormatDocument, line: usize, notes: &mut Notes) -> FormatDocument {
    let Err(errors) = Format::try_from(document.clone()) else {
        return document;
    };
    if let Some(short) = in_short_packets(&document) {
        let reason = "missing: 0.125 is taken, packets of 1 ms have no room for the channels";
        notes.add(line, "ptime", None, reason);
        return short;
    }
    for error in errors.0 {
        if let Some(parameter) = taken_out(&mut document, &error.field) {
            let reason = format!("not used: {}", error.problem);
            notes.add(line, parameter, None, &reason);
        }
    }
    match in_short_packets(&document).filter(|_| Format::try_from(document.clone()).is_err()) {
        Some(short) => {
            let reason = "0.125 is taken, packets of 1 ms have no room for the channels";
            notes.add(line, "ptime", None, reason);
            short
        }
        None => document,
    }
}

/// Audio without a packet time in the shorter ones of ST 2110-30: more channels than a packet of 1 ms has room for come
/// each 125 µs.
fn in_short_packets(document: &FormatDocument) -> Option<FormatDocument> {
    let mut short = document.clone();
    match &mut short {
        FormatDocument::Audio(audio) if audio.packet_time_us.is_none() => {
            audio.packet_time_us = Some(SHORT_PACKET_US);
        }
        _ => return None,
    }
    Format::try_from(short.clone()).is_ok().then_some(short)
}

/// Takes a field out of a document that can be without it. Its name in SDP.
fn taken_out(document: &mut FormatDocument, field: &str) -> Option<&'static str> {
    fn out<T>(value: &mut Option<T>, parameter: &'static str) -> Option<&'static str> {
        value.take().map(|_| parameter)
    }
    match document {
        FormatDocument::Video(it) => match field {
            "video.max_udp" => out(&mut it.max_udp, "MAXUDP"),
            "video.tr_offset_us" => out(&mut it.tr_offset_us, "TROFF"),
            "video.cmax" => out(&mut it.cmax, "CMAX"),
            _ => None,
        },
        FormatDocument::JpegXs(it) => match field {
            "jpeg_xs.profile" => out(&mut it.profile, "profile"),
            "jpeg_xs.level" => out(&mut it.level, "level"),
            "jpeg_xs.sublevel" => out(&mut it.sublevel, "sublevel"),
            "jpeg_xs.cmax" => out(&mut it.cmax, "CMAX"),
            "jpeg_xs.out_of_order" => out(&mut it.out_of_order, "transmode"),
            _ => None,
        },
        FormatDocument::Audio(it) => match field {
            "audio.packet_time_us" => out(&mut it.packet_time_us, "ptime"),
            "audio.channel_order" => out(&mut it.channel_order, "channel-order"),
            _ => None,
        },
        FormatDocument::Ancillary(it) => match field {
            "ancillary.tr_offset_us" => out(&mut it.tr_offset_us, "TROFF"),
            "ancillary.vpid" => out(&mut it.vpid, "VPID_Code"),
            "ancillary.did_sdid" => {
                it.did_sdid.clear();
                Some("DID_SDID")
            }
            _ => None,
        },
    }
}

impl DescribedVideo {
    /// The format as a session specification has it.
    ///
    /// # Errors
    /// [`NotCarried`]: it has no frame rate.
    pub fn carried(&self) -> Result<VideoDocument, NotCarried> {
        let rate = self.rate.ok_or(NotCarried::Rate)?;
        let given = |is: bool| is.then_some(true);
        Ok(VideoDocument {
            width: self.width,
            height: self.height,
            frame_rate: rate.to_string(),
            depth: self.depth.bits().into(),
            float: given(self.depth == Depth::SixteenFloat),
            sampling: (self.sampling != Sampling::default()).then_some(self.sampling),
            scan: (self.scan != Scan::default()).then_some(self.scan),
            packing: (self.packing != Packing::default()).then_some(self.packing),
            max_udp: (self.max_udp != STANDARD_MAX_UDP).then(|| self.max_udp.into()),
            sender_type: self.sender,
            tr_offset_us: self.tr_offset_us,
            cmax: self.cmax,
            standard: self.standard,
            ..VideoDocument::default()
        }
        .looking(self.appearance))
    }
}

impl Essence {
    /// The facts that a survey needs of it.
    #[must_use]
    pub fn described(&self) -> Described {
        use survey::Guess;
        let (essence, video, sample_rate) = match self {
            Self::Video(video) => (Guess::Video, Some(of_video(video)), None),
            Self::Compressed(_) => (Guess::JpegXs, None, None),
            Self::Audio(audio) => (Guess::Audio, None, Some(audio.sample_rate)),
            Self::Aes3(audio) => (Guess::Audio, None, Some(audio.sample_rate)),
            Self::Ancillary(_) => (Guess::Ancillary, None, None),
            Self::Other { .. } => (Guess::Unknown, None, None),
        };
        Described {
            essence,
            video,
            sample_rate,
            samples: self.samples(),
        }
    }

    /// Coding and channels of audio.
    fn samples(&self) -> Option<(Coding, u32)> {
        match self {
            Self::Audio(audio) => {
                let coding = match audio.depth {
                    PcmDepth::L16 => Coding::L16,
                    PcmDepth::L24 => Coding::L24,
                };
                Some((coding, audio.channels.into()))
            }
            Self::Aes3(audio) => Some((Coding::Am824, audio.channels.into())),
            _ => None,
        }
    }
}

fn of_video(video: &DescribedVideo) -> survey::DescribedVideo {
    survey::DescribedVideo {
        width: video.width,
        height: video.height,
        scan: video.scan,
        rate: video.rate.map(|it| (it.numerator(), it.denominator())),
        sender: video.sender.map(|it| (it, it.word())),
        tr_offset_us: video.tr_offset_us,
    }
}
