//! Uncompressed video: ST 2110-20 §7.

use onair_essence::video::{
    Depth, Packing, STANDARD_MAX_UDP, Sampling, Scan, SenderType, VideoFormat, VideoStream,
};

use crate::error::{Fault, SdpError};
use crate::fmtp::{Parameters, Written};
use crate::rate::{DescribedRate, whole};
use crate::warning::Warning;
use crate::words::{Word, words};

impl Word for Sampling {
    const ALL: &'static [Self] = Self::ALL;
    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Word for Depth {
    const ALL: &'static [Self] = Self::ALL;
    fn word(self) -> &'static str {
        self.as_str()
    }
}

words! {
    /// Colour primaries and matrix.
    Colorimetry {
        /// ITU-R BT.601-7.
        Bt601 "BT601",
        /// ITU-R BT.709-6.
        Bt709 "BT709",
        /// ITU-R BT.2020-2.
        Bt2020 "BT2020",
        /// ITU-R BT.2100, Table 2.
        Bt2100 "BT2100",
        /// ACES, ST 2065-1.
        St2065_1 "ST2065-1",
        /// ADX, ST 2065-3.
        St2065_3 "ST2065-3",
        /// Not specified.
        Unspecified "UNSPECIFIED",
        /// CIE XYZ.
        Xyz "XYZ",
        /// A key signal.
        Alpha "ALPHA",
    }
}

words! {
    /// Transfer characteristic system (`TCS`).
    TransferCharacteristics {
        /// Standard dynamic range.
        Sdr "SDR",
        /// BT.2100 perceptual quantisation.
        Pq "PQ",
        /// BT.2100 hybrid log-gamma.
        Hlg "HLG",
        /// Linear.
        Linear "LINEAR",
        /// BT.2100 linear, from PQ.
        Bt2100LinPq "BT2100LINPQ",
        /// BT.2100 linear, from HLG.
        Bt2100LinHlg "BT2100LINHLG",
        /// ST 2065-1.
        St2065_1 "ST2065-1",
        /// ST 428-1.
        St428_1 "ST428-1",
        /// Density.
        Density "DENSITY",
        /// ST 2115 log S3.
        St2115LogS3 "ST2115LOGS3",
        /// Not specified.
        Unspecified "UNSPECIFIED",
    }
}

words! {
    /// Range of the code values (`RANGE`).
    Range {
        /// Narrow range.
        Narrow "NARROW",
        /// Full range without the protected codes.
        FullProtect "FULLPROTECT",
        /// Full range.
        Full "FULL",
    }
}

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

words! {
    /// Version of the standard (`SSN`).
    VideoStandard {
        /// ST 2110-20:2017.
        Y2017 "ST2110-20:2017",
        /// ST 2110-20:2022.
        Y2022 "ST2110-20:2022",
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
    /// Colour primaries and matrix.
    pub colorimetry: Colorimetry,
    /// Transfer characteristic system; SDR when absent.
    pub transfer: TransferCharacteristics,
    /// Range of the code values; narrow when absent.
    pub range: Range,
    /// Packing mode.
    pub packing: Packing,
    /// Version of the standard.
    pub standard: VideoStandard,
    /// Sender type of ST 2110-21. Required there, and absent from descriptions of older senders.
    pub sender: Option<SenderType>,
    /// Largest UDP datagram in bytes, UDP header included; 1460 when absent.
    pub max_udp: u16,
    /// Pixel aspect ratio; 1:1 when absent.
    pub pixel_aspect: (u32, u32),
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
            colorimetry: all.required("colorimetry", Parameters::word)?,
            transfer: all.word("TCS")?.unwrap_or(TransferCharacteristics::Sdr),
            range: all.word("RANGE")?.unwrap_or(Range::Narrow),
            packing: all.required("PM", Parameters::word)?,
            standard: all.required("SSN", Parameters::word)?,
            sender: all.word("TP")?,
            max_udp: max_udp
                .and_then(|it| u16::try_from(it).ok())
                .unwrap_or(STANDARD_MAX_UDP),
            pixel_aspect: all
                .read("PAR", aspect, "a ratio such as 12:11")?
                .unwrap_or((1, 1)),
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
        out.add("TCS", self.transfer);
        out.add("colorimetry", self.colorimetry);
        out.add("PM", self.packing.word());
        out.add("SSN", self.standard);
        out.maybe("TP", self.sender.map(Word::word));
        write_scan(self.scan, &mut out);
        out.maybe("RANGE", (self.range != Range::Narrow).then_some(self.range));
        let max_udp = (self.max_udp != STANDARD_MAX_UDP).then_some(self.max_udp);
        out.maybe("MAXUDP", max_udp);
        let (x, y) = self.pixel_aspect;
        let aspect = (self.pixel_aspect != (1, 1)).then(|| format!("{x}:{y}"));
        out.maybe("PAR", aspect);
        out.maybe("TROFF", self.tr_offset_us);
        out.maybe("CMAX", self.cmax);
        out.maybe("TSMODE", self.timestamps);
        out.maybe("TSDELAY", self.timestamp_delay_us);
        out.finish()
    }
}

/// What is not in a session (colours) is unspecified.
impl From<VideoStream> for DescribedVideo {
    fn from(video: VideoStream) -> Self {
        let format = video.format;
        Self {
            sampling: format.sampling(),
            depth: format.depth(),
            width: format.width(),
            height: format.height(),
            rate: format.rate().into(),
            scan: format.scan(),
            colorimetry: Colorimetry::Unspecified,
            transfer: TransferCharacteristics::Unspecified,
            range: Range::Narrow,
            packing: video.packing,
            standard: VideoStandard::Y2017,
            sender: video.sender_type,
            max_udp: video.max_udp,
            pixel_aspect: (1, 1),
            tr_offset_us: video.tr_offset_us,
            cmax: video.cmax,
            timestamps: None,
            timestamp_delay_us: None,
        }
    }
}

fn aspect(text: &str) -> Option<(u32, u32)> {
    let (x, y) = text.split_once(':')?;
    let (x, y) = (whole(x)?, whole(y)?);
    (x > 0 && y > 0).then_some((x, y))
}
