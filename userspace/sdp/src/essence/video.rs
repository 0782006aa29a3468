//! Uncompressed video: ST 2110-20 §7.

use onair_essence::video::{
    Appearance, Colorimetry, Depth, Packing, STANDARD_MAX_UDP, Sampling, Scan, SenderType,
    TransferCharacteristics, VideoFormat, VideoRange, VideoStandard, VideoStream,
};

use crate::error::{Fault, SdpError};
use crate::fmtp::{Parameters, Written};
use crate::rate::DescribedRate;
use crate::warning::Warning;
use crate::words::{Word, words};

/// Of an enum of the essence, whose words are those of SDP.
macro_rules! of_words {
    ($($name:ty),+) => {
        $(impl Word for $name {
            const ALL: &'static [Self] = Self::ALL;
            fn word(self) -> &'static str {
                self.as_str()
            }
        })+
    };
}
of_words!(
    Sampling,
    Depth,
    Colorimetry,
    TransferCharacteristics,
    VideoRange
);

/// `PM`.
impl Word for Packing {
    const ALL: &'static [Self] = Self::ALL;
    fn word(self) -> &'static str {
        match self {
            Self::General => "2110GPM",
            Self::Block => "2110BPM",
        }
    }
}

/// `SSN`.
impl Word for VideoStandard {
    const ALL: &'static [Self] = Self::ALL;
    fn word(self) -> &'static str {
        match self {
            Self::Y2017 => "ST2110-20:2017",
            Self::Y2022 => "ST2110-20:2022",
        }
    }
}

/// `TP`.
impl Word for SenderType {
    const ALL: &'static [Self] = Self::ALL;
    fn word(self) -> &'static str {
        match self {
            Self::Narrow => "2110TPN",
            Self::NarrowLinear => "2110TPNL",
            Self::Wide => "2110TPW",
        }
    }
}

words! {
    /// How timestamps are made (`TSMODE`, ST 2110-10 §8.7).
    TimestampMode {
        /// At the time of sampling.
        Sampled "SAMP",
        /// New in the sender.
        New "NEW",
        /// Preserved from the input.
        Preserved "PRES",
    }
}

/// `colorimetry`, `TCS`, `RANGE` and `PAR`.
pub(crate) fn parse_appearance(all: &Parameters<'_>) -> Result<Appearance, SdpError> {
    Ok(Appearance {
        colorimetry: all.word("colorimetry")?,
        transfer: all.word("TCS")?,
        range: all.word("RANGE")?,
        pixel_aspect: all.read("PAR", |text| text.parse().ok(), "a ratio such as 12:11")?,
    })
}

pub(crate) fn write_appearance(said: Appearance, out: &mut Written) {
    out.maybe("TCS", said.transfer);
    out.maybe("colorimetry", said.colorimetry);
    out.maybe("RANGE", said.range);
    out.maybe("PAR", said.pixel_aspect);
}

/// What is said of a session's pictures. ST 2110-20 §7.2 requires `colorimetry`, and a missing `TCS` means SDR (§7.3):
/// where no colorimetry is known, it is `ALPHA` of a key signal, else `UNSPECIFIED`, and so is an unknown `TCS`.
pub(crate) fn said_of(session: Appearance, sampling: Sampling) -> Appearance {
    let unknown = match sampling {
        Sampling::Key => Colorimetry::Alpha,
        _ => Colorimetry::Unspecified,
    };
    match session.colorimetry {
        Some(_) => session,
        None => Appearance {
            colorimetry: Some(unknown),
            transfer: session
                .transfer
                .or(Some(TransferCharacteristics::Unspecified)),
            ..session
        },
    }
}

/// `interlace` and `segmented`.
pub(crate) fn parse_scan(
    all: &Parameters<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Scan, SdpError> {
    let wrong_word = all.has("interlaced");
    if wrong_word {
        warnings.push(Warning {
            line: all.line,
            text: "interlaced is not a word of ST 2110: taken for interlace".into(),
        });
    }
    match (all.has("interlace") || wrong_word, all.has("segmented")) {
        (true, true) => Ok(Scan::Psf),
        (true, false) => Ok(Scan::Interlaced),
        (false, false) => Ok(Scan::Progressive),
        (false, true) => Err(all.error("interlace", Fault::Missing)),
    }
}

/// To be written last: FFmpeg (5.1 to 9.0) loses the parameter behind a word without a value.
pub(crate) fn write_scan(scan: Scan, out: &mut Written) {
    out.flag("interlace", scan != Scan::Progressive);
    out.flag("segmented", scan == Scan::Psf);
}

/// The parameters of ST 2110-20 in a description, whether OnAir carries that format or not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DescribedVideo {
    /// Colour components.
    pub sampling: Sampling,
    /// Bits of a sample.
    pub depth: Depth,
    /// Pixels in a line, 1 to 32767.
    pub width: u32,
    /// Lines of a frame, 1 to 32767; both fields together if interlaced.
    pub height: u32,
    /// Frames per second.
    pub rate: DescribedRate,
    /// Order of the lines.
    pub scan: Scan,
    /// Colours, range and shape of a pixel.
    pub appearance: Appearance,
    /// Packing mode.
    pub packing: Packing,
    /// Version of the standard.
    pub standard: Option<VideoStandard>,
    /// Sender type of ST 2110-21. Required there, and absent from descriptions of older senders.
    pub sender: Option<SenderType>,
    /// Largest UDP datagram in bytes, UDP header included; 1460 when absent.
    pub max_udp: u16,
    /// `TROFF`: offset of the first packet from the frame's start in µs, if not the default.
    pub tr_offset_us: Option<u32>,
    /// `CMAX`: most packets at once, if not the default.
    pub cmax: Option<u32>,
    /// How timestamps are made.
    pub timestamps: Option<TimestampMode>,
    /// `TSDELAY`: delay of the timestamps in µs.
    pub timestamp_delay_us: Option<u32>,
}

impl DescribedVideo {
    pub(crate) fn parse(
        all: &Parameters<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, SdpError> {
        let sides = |all: &Parameters<'_>, key: &str| all.number(key, 1..=VideoFormat::MAX_WIDTH);
        let max_udp = all.number("MAXUDP", 64..=65_535)?;
        let video = Self {
            sampling: all.required("sampling", Parameters::word)?,
            depth: all.required("depth", Parameters::word)?,
            width: all.required("width", sides)?,
            height: all.required("height", sides)?,
            rate: all.required("exactframerate", Parameters::rate)?,
            scan: parse_scan(all, warnings)?,
            appearance: parse_appearance(all)?,
            packing: all.required("PM", Parameters::word)?,
            standard: all.word("SSN")?,
            sender: all.word("TP")?,
            max_udp: max_udp
                .and_then(|it| u16::try_from(it).ok())
                .unwrap_or(STANDARD_MAX_UDP),
            tr_offset_us: all.number("TROFF", 0..=u32::MAX)?,
            cmax: all.number("CMAX", 1..=u32::MAX)?,
            timestamps: all.word("TSMODE")?,
            timestamp_delay_us: all.number("TSDELAY", 0..=u32::MAX)?,
        };
        if VideoFormat::check_scan(video.scan, video.sampling).is_err() {
            let wanted = "4:2:2 or 4:4:4: 4:2:0 is progressive only (ST 2110-20 §6.2.5)";
            let given = video.sampling.as_str();
            return Err(SdpError::invalid(all.line, "sampling", given, wanted));
        }
        Ok(video)
    }

    pub(crate) fn write(&self) -> String {
        let mut out = Written::default();
        out.add("sampling", self.sampling);
        out.add("width", self.width);
        out.add("height", self.height);
        out.add("exactframerate", self.rate);
        out.add("depth", self.depth);
        write_appearance(self.appearance, &mut out);
        out.add("PM", self.packing.word());
        out.maybe("SSN", self.standard.map(Word::word));
        out.maybe("TP", self.sender.map(Word::word));
        let max_udp = (self.max_udp != STANDARD_MAX_UDP).then_some(self.max_udp);
        out.maybe("MAXUDP", max_udp);
        out.maybe("TROFF", self.tr_offset_us);
        out.maybe("CMAX", self.cmax);
        out.maybe("TSMODE", self.timestamps);
        out.maybe("TSDELAY", self.timestamp_delay_us);
        write_scan(self.scan, &mut out);
        out.finish()
    }
}

/// The standard's year is that of the session, or the first one that has the colours (ST 2110-20:2022 §7.2).
impl From<VideoStream> for DescribedVideo {
    fn from(video: VideoStream) -> Self {
        let format = video.format;
        let appearance = said_of(video.appearance, format.sampling());
        let is_newer = appearance.colorimetry == Some(Colorimetry::Alpha)
            || appearance.transfer == Some(TransferCharacteristics::St2115LogS3);
        let first = match is_newer {
            true => VideoStandard::Y2022,
            false => VideoStandard::Y2017,
        };
        Self {
            sampling: format.sampling(),
            depth: format.depth(),
            width: format.width(),
            height: format.height(),
            rate: format.rate().into(),
            scan: format.scan(),
            appearance,
            packing: video.packing,
            standard: Some(video.standard.unwrap_or(first)),
            sender: video.sender_type,
            max_udp: video.max_udp,
            tr_offset_us: video.tr_offset_us,
            cmax: video.cmax,
            timestamps: None,
            timestamp_delay_us: None,
        }
    }
}
