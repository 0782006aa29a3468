//! The format of a stream: as the user says, as a session description says, or as guessed.

use std::fs;
use std::net::SocketAddrV4;

use onair_essence::video::st2110_21::{Reads, Stream};
use onair_essence::video::survey::{Essence, MeasuredRate, Survey};
use onair_essence::video::{Scan, SenderType};
use onair_sdp::{Essence as Described, Media, SessionDescription, Word};

use crate::failure::Failure;

use super::{Analyze, ReadSchedule};

/// What the user said of the formats.
#[derive(Debug)]
pub(super) struct Formats {
    media: Vec<Media>,
    notes: Vec<String>,
    height: Option<u32>,
    interlaced: bool,
    rate: Option<(u32, u32)>,
    packets: Option<u32>,
    reads: Option<Reads>,
    offset_ns: Option<u64>,
}

/// What a stream is, and who says so.
#[derive(Debug, Clone)]
pub(super) struct Format {
    pub(super) essence: Essence,
    /// From the session description; otherwise a guess, or from options.
    pub(super) described: bool,
    pub(super) width: Option<u32>,
    pub(super) sender: Option<&'static str>,
    /// Of video and JPEG XS whose packets a frame are known.
    pub(super) stream: Option<Stream>,
    /// Samples of an audio packet.
    pub(super) samples: Option<u32>,
    /// RTP clock.
    pub(super) clock_hz: Option<u32>,
    /// The parts of the stream's format that are guesses.
    pub(super) guessed: Vec<&'static str>,
}

impl Formats {
    pub(super) fn new(arguments: &Analyze) -> Result<Self, Failure> {
        let mut media = Vec::new();
        let mut notes = Vec::new();
        if let Some(path) = &arguments.sdp {
            let shown = path.display();
            let text = fs::read_to_string(path)
                .map_err(|error| Failure::Input(format!("cannot read {shown}: {error}")))?;
            let description = SessionDescription::parse(&text)
                .map_err(|error| Failure::Input(format!("{shown}: {error}")))?;
            let warnings = description.warnings.iter();
            notes.extend(warnings.map(|it| format!("{shown}: line {}: {}", it.line, it.text)));
            media = description.media;
        }
        Ok(Self {
            media,
            notes,
            height: arguments.height,
            interlaced: arguments.interlaced,
            rate: arguments.rate,
            packets: arguments.packets,
            reads: arguments.schedule.map(|it| match it {
                ReadSchedule::Gapped => Reads::Gapped,
                ReadSchedule::Linear => Reads::Linear,
            }),
            offset_ns: arguments.tr_offset.map(|us| us * 1000),
        })
    }

    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The format of the stream to `destination`.
    pub(super) fn of(&self, destination: SocketAddrV4, survey: &Survey) -> Format {
        let media = self.media.iter().find(|media| {
            (media.destination, media.port) == (*destination.ip(), destination.port())
        });
        let mut format = Format {
            essence: Essence::of(survey),
            described: media.is_some(),
            width: None,
            sender: None,
            stream: None,
            samples: None,
            clock_hz: None,
            guessed: Vec::new(),
        };
        let described = media.map(|it| &it.essence);
        match described {
            Some(Described::Video(_)) => format.essence = Essence::Video,
            Some(Described::Compressed(_)) => format.essence = Essence::JpegXs,
            Some(Described::Audio(_) | Described::Aes3(_)) => format.essence = Essence::Audio,
            Some(Described::Ancillary(_)) => format.essence = Essence::Ancillary,
            Some(Described::Other { .. }) => format.essence = Essence::Unknown,
            None => {}
        }
        match format.essence {
            Essence::Video | Essence::JpegXs => self.video(&mut format, described, survey),
            Essence::Audio => {
                let guess = survey.audio();
                format.samples = guess.map(|it| it.0);
                format.clock_hz = match described {
                    Some(Described::Audio(audio)) => Some(audio.sample_rate),
                    Some(Described::Aes3(audio)) => Some(audio.sample_rate),
                    _ => guess.map(|it| it.1),
                };
            }
            Essence::Ancillary | Essence::TimedText => format.clock_hz = Some(90_000),
            Essence::Unknown => {}
        }
        format
    }

    fn video(&self, format: &mut Format, described: Option<&Described>, survey: &Survey) {
        format.clock_hz = Some(90_000);
        let mut guess = |name: &'static str, given: bool| {
            if !given {
                format.guessed.push(name);
            }
        };
        let video = match described {
            Some(Described::Video(video)) => Some(video),
            _ => None,
        };
        let raster = survey.raster();
        let is_raw = format.essence == Essence::Video;
        let scan = video.map(|it| it.scan);
        guess("scan", self.interlaced || scan.is_some() || !is_raw);
        let seen = self.interlaced || is_raw && raster.interlaced();
        let scan = match scan {
            Some(scan) if scan != Scan::Progressive || !self.interlaced => scan,
            None if !seen => Scan::Progressive,
            // Only segments have the same timestamp.
            _ if survey.steps().are_in_pairs() => Scan::Psf,
            _ => Scan::Interlaced,
        };
        let height = self.height.or(video.map(|it| it.height));
        guess("height", height.is_some() || !is_raw);
        let rate = video.map(|it| (it.rate.numerator(), it.rate.denominator()));
        let rate = self.rate.or(rate);
        guess("rate", rate.is_some());
        guess("packets", self.packets.is_some());
        let sender = video.and_then(|it| it.sender);
        let reads = self.reads.or(match sender {
            Some(SenderType::Narrow) => Some(Reads::Gapped),
            Some(SenderType::NarrowLinear) => Some(Reads::Linear),
            // A wide sender may follow either.
            Some(SenderType::Wide) | None => None,
        });
        guess("schedule", reads.is_some());
        format.sender = sender.map(Word::word);
        format.width = video
            .map(|it| it.width)
            .or(raster.width())
            .filter(|_| is_raw);
        let guessed_rate = MeasuredRate::of_units(survey.steps())
            .map(|it| it.of_frames(scan != Scan::Progressive));
        let rate = rate.or(guessed_rate.map(|it| (it.num, it.den)));
        let packets = self.packets.or(survey.units().usual().map(|it| it.0));
        let offset = video.and_then(|it| it.tr_offset_us);
        if let (Some(rate), Some(packets)) = (rate, packets) {
            format.stream = Some(Stream {
                height: height.unwrap_or(if is_raw { raster.height() } else { 1080 }),
                scan,
                rate,
                packets,
                reads: reads.or(survey.spacing().reads()).unwrap_or(Reads::Linear),
                offset_ns: self.offset_ns.or(offset.map(|us| u64::from(us) * 1000)),
            });
        }
    }
}
