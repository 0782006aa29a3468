//! The format of a stream: as a user says, as a session description says, or as guessed.

use std::fmt;

use serde::Serialize;

use super::guess::{Guess, SampleForm, rate_of_units};
use super::stream::Survey;
use crate::audio::Coding;
use crate::video::st2110_21::{Measurement, Reads, Stream};
use crate::video::{RTP_CLOCK_HZ, Scan, SenderType};

/// Lines of a frame whose packets do not show them.
const USUAL_HEIGHT: u32 = 1080;

/// Format of a stream, as far as it is known.
#[derive(Debug, Clone)]
pub struct StreamFormat {
    /// Its essence.
    pub essence: Guess,
    /// From a session description; otherwise a guess, or given.
    pub is_described: bool,
    /// Samples of an audio packet.
    pub samples: Option<u32>,
    /// How samples of audio are written, if that is known.
    pub form: Option<SampleForm>,
    /// RTP clock, in hertz.
    pub clock_hz: Option<u32>,
    /// For documents and people.
    pub shown: Shown,
    /// Of video and JPEG XS whose packets a frame are known.
    stream: Option<Stream>,
}

impl StreamFormat {
    /// The format of a stream that `survey` has seen.
    #[must_use]
    pub fn of(survey: &Survey, described: Option<&Described>, given: &UserFacts) -> Self {
        let essence = described.map_or_else(|| Guess::of(survey), |it| it.essence);
        let mut format = Self {
            essence,
            is_described: described.is_some(),
            samples: None,
            form: None,
            clock_hz: None,
            shown: Shown::default(),
            stream: None,
        };
        match essence {
            Guess::Video | Guess::JpegXs => {
                let video = described.and_then(|it| it.video.as_ref());
                format.video(survey, video, given);
            }
            Guess::Audio => {
                let guess = survey.audio();
                format.samples = guess.map(|it| it.0);
                let described_rate = described.and_then(|it| it.sample_rate);
                format.clock_hz = described_rate.or(guess.map(|it| it.1));
                let samples = u64::from(format.samples.unwrap_or(0));
                let bytes = survey.payload_bytes.nearly_all();
                let bytes = bytes.and_then(|it| it.checked_div(samples));
                let described = described.and_then(|it| it.samples);
                format.form = SampleForm::of(bytes.unwrap_or(0), described);
            }
            Guess::Ancillary | Guess::TimedText => format.clock_hz = Some(RTP_CLOCK_HZ),
            Guess::Unknown => {}
        }
        format
    }

    /// Whether more than RTP headers and times is analyzed: the rows of ST 2110-20.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        self.essence == Guess::Video
    }

    /// A measurement of its timing that tells `levels` levels apart; `None` if its packets a frame are not known.
    #[must_use]
    pub fn measurement(&self, levels: u16) -> Option<Measurement> {
        let stream = self.stream.as_ref()?;
        Measurement::with_many_levels(stream, levels).ok()
    }

    fn video(&mut self, survey: &Survey, described: Option<&DescribedVideo>, given: &UserFacts) {
        self.clock_hz = Some(RTP_CLOCK_HZ);
        let mut guessed = Vec::new();
        let mut guess = |name: &'static str, is_known: bool| {
            if !is_known {
                guessed.push(name);
            }
        };
        let raster = survey.raster();
        let is_raw = self.is_raw();
        let scan = described.map(|it| it.scan);
        guess("scan", given.interlaced || scan.is_some() || !is_raw);
        let seen = given.interlaced || is_raw && raster.interlaced();
        let scan = match scan {
            Some(scan) if scan != Scan::Progressive || !given.interlaced => scan,
            None if !seen => Scan::Progressive,
            // Only segments have the same timestamp.
            _ if is_raw && raster.is_segmented() => Scan::Psf,
            _ => Scan::Interlaced,
        };
        let height = given.height.or(described.map(|it| it.height));
        guess("height", height.is_some() || !is_raw);
        let rate = given.rate.or(described.and_then(|it| it.rate));
        guess("rate", rate.is_some());
        guess("packets", given.packets.is_some());
        let sender = described.and_then(|it| it.sender);
        let reads = given.reads.or(match sender {
            Some((SenderType::Narrow, _)) => Some(Reads::Gapped),
            Some((SenderType::NarrowLinear, _)) => Some(Reads::Linear),
            // A wide sender may follow either.
            Some((SenderType::Wide, _)) | None => None,
        });
        guess("schedule", reads.is_some());
        let of_units = rate_of_units(survey.steps());
        let measured = of_units.map(|it| it.of_frames(scan == Scan::Interlaced));
        let rate = rate.or(measured.map(|it| (it.num, it.den)));
        let packets = given.packets.or(survey.units().usual().map(|it| it.0));
        let (Some(rate), Some(packets)) = (rate, packets) else {
            return;
        };
        let offset = described.and_then(|it| it.tr_offset_us);
        let stream = Stream {
            height: height.unwrap_or(if is_raw {
                raster.height()
            } else {
                USUAL_HEIGHT
            }),
            scan,
            rate,
            packets,
            reads: reads.or(survey.spacing().reads()).unwrap_or(Reads::Linear),
            offset_ns: given.offset_ns.or(offset.map(|us| u64::from(us) * 1000)),
            max_udp: survey.largest_udp(),
        };
        let width = described.map(|it| it.width).or(raster.width());
        self.shown.video = Some(ShownVideo {
            width: width.filter(|_| is_raw),
            height: is_raw.then_some(stream.height),
            interlaced: stream.units_a_frame() == 2,
            segmented: is_raw.then_some(scan == Scan::Psf),
            frame_rate: format!("{}/{}", rate.0, rate.1),
            pgroup: raster.pgroup().filter(|_| is_raw),
            continued_packets: is_raw.then_some(raster.continued),
            invalid_packets: is_raw.then_some(raster.invalid),
            described_sender: sender.map(|it| it.1),
            guessed,
        });
        self.stream = Some(stream);
    }
}

/// A user's facts about a video: they come before a description and before guesses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserFacts {
    /// Lines of a frame, of both fields together.
    pub height: Option<u32>,
    /// Whether a frame has two fields or segments.
    pub interlaced: bool,
    /// Frames a second: numerator and denominator, both above 0.
    pub rate: Option<(u32, u32)>,
    /// Packets of a frame, or of a field.
    pub packets: Option<u32>,
    /// The packet read schedule of the sender.
    pub reads: Option<Reads>,
    /// TROFFSET in nanoseconds.
    pub offset_ns: Option<u64>,
}

/// Facts about a stream in its session description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// Its essence.
    pub essence: Guess,
    /// Its format, if it is uncompressed video.
    pub video: Option<DescribedVideo>,
    /// Samples a second of audio.
    pub sample_rate: Option<u32>,
    /// Coding and channels of audio.
    pub samples: Option<(Coding, u32)>,
}

/// The format of uncompressed video, as a session description has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescribedVideo {
    /// Pixels of a line.
    pub width: u32,
    /// Lines of a frame, of both fields together.
    pub height: u32,
    /// Order of the lines.
    pub scan: Scan,
    /// Frames a second, if they are described: numerator and denominator.
    pub rate: Option<(u32, u32)>,
    /// The sender's type, and its name in the description (`TP`).
    pub sender: Option<(SenderType, &'static str)>,
    /// TROFFSET in microseconds.
    pub tr_offset_us: Option<u32>,
}

/// The part of a document that an essence has: `{"video": {…}}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Of video and JPEG XS.
    pub(super) video: Option<ShownVideo>,
}

impl Shown {
    /// For people: names and values.
    #[must_use]
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let video = self.video.as_ref();
        video
            .map(|it| ("video", it.to_string()))
            .into_iter()
            .collect()
    }
}

/// A video's format as far as it is known. What an essence does not have is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ShownVideo {
    pub(super) width: Option<u32>,
    pub(super) height: Option<u32>,
    pub(super) interlaced: bool,
    pub(super) segmented: Option<bool>,
    pub(super) frame_rate: String,
    /// Pixels and bytes.
    pub(super) pgroup: Option<(u16, u16)>,
    pub(super) continued_packets: Option<u64>,
    pub(super) invalid_packets: Option<u64>,
    /// `TP` of the session description.
    pub(super) described_sender: Option<&'static str>,
    /// Names of guessed values.
    pub(super) guessed: Vec<&'static str>,
}

impl fmt::Display for ShownVideo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scan = match (self.interlaced, self.segmented) {
            (true, Some(true)) => "segmented",
            (true, _) => "interlaced",
            _ => "progressive",
        };
        match (self.width, self.height) {
            (Some(width), Some(height)) => write!(f, "{width}x{height} {scan}"),
            (None, Some(height)) => write!(f, "{height} lines {scan}"),
            _ => f.write_str("raster unknown"),
        }?;
        // The header of JPEG XS is not read: a marker may end a field.
        let unit = match self.height {
            Some(_) => "frames",
            None => "frames or fields",
        };
        write!(f, ", {} {unit} a second", self.frame_rate)?;
        if let Some((pixels, bytes)) = self.pgroup {
            write!(f, ", {bytes} bytes for {pixels} pixels")?;
        }
        if let Some(count @ 1..) = self.continued_packets {
            write!(f, ", {count} packets of several rows")?;
        }
        if let Some(count @ 1..) = self.invalid_packets {
            write!(f, ", {count} packets with invalid headers")?;
        }
        if let Some(sender) = self.described_sender {
            write!(f, ", TP={sender}")?;
        }
        if !self.guessed.is_empty() {
            write!(f, "; guessed: {}", self.guessed.join(", "))?;
        }
        Ok(())
    }
}
