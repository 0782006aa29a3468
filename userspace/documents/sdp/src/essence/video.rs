//! Uncompressed video: ST 2110-20 §7.

use onair_essence::video::{
    Appearance, Colorimetry, Depth, EXTENDED_MAX_UDP, Packing, STANDARD_MAX_UDP, Sampling, Scan,
    SenderType, TransferCharacteristics, VideoFormat, VideoRange, VideoStandard, VideoStream,
};

use crate::error::{Notes, SdpError};
use crate::fmtp::{Parameters, Written};
use crate::rate::{DescribedRate, whole};
use crate::words::Word;

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

/// `colorimetry`, `TCS`, `RANGE` and `PAR`.
pub(crate) fn parse_appearance(all: &Parameters<'_>, notes: &mut Notes) -> Appearance {
    let aspect = |text: &str| text.parse().ok();
    // RFC 4175 §6.1 has older names of the same.
    let older = |text: &str| match text {
        "BT601-5" => Some(Colorimetry::Bt601),
        "BT709-2" => Some(Colorimetry::Bt709),
        _ => None,
    };
    let colorimetry = |text: &str| Colorimetry::of(text).or(older(text));
    for text in all.values("colorimetry") {
        if let Some(taken) = older(text) {
            let reason = format!("the name of RFC 4175: taken as {taken}");
            notes.add(all.line, "colorimetry", Some(text), &reason);
        }
    }
    Appearance {
        colorimetry: all.may("colorimetry", colorimetry, Colorimetry::wanted(), notes),
        transfer: all.word("TCS", notes),
        range: all.word("RANGE", notes),
        pixel_aspect: all.may("PAR", aspect, "a ratio such as 12:11", notes),
    }
}

/// `exactframerate`.
pub(crate) fn parse_rate(
    all: &Parameters<'_>,
    notes: &mut Notes,
) -> Result<Option<DescribedRate>, SdpError> {
    let mut values = all.values("exactframerate").peekable();
    if values.peek().is_some() && values.all(str::is_empty) {
        let reason = "without a value: taken as missing";
        notes.add(all.line, "exactframerate", None, reason);
        return Ok(None);
    }
    let wanted = "an integer or a fraction such as 60000/1001";
    let rate = all.must("exactframerate", DescribedRate::of_text, wanted, notes)?;
    for text in all.values("exactframerate").filter(|it| it.contains('.')) {
        let reason = rate.map(|it| format!("no exact rate (ST 2110-20 §7.2): taken as {it}"));
        notes.add(
            all.line,
            "exactframerate",
            Some(text),
            &reason.unwrap_or_default(),
        );
    }
    Ok(rate)
}

/// `width` and `height`.
pub(crate) fn side(text: &str) -> Option<u32> {
    whole(text).filter(|it| (1..=VideoFormat::MAX_WIDTH).contains(it))
}

/// The valid values of [`side`].
pub(crate) fn sides() -> String {
    format!("a number from 1 to {}", VideoFormat::MAX_WIDTH)
}

pub(crate) fn write_appearance(said: Appearance, out: &mut Written) {
    out.maybe("TCS", said.transfer);
    out.maybe("colorimetry", said.colorimetry);
    out.maybe("RANGE", said.range);
    out.maybe("PAR", said.pixel_aspect);
}

/// The appearance that a session's pictures are described with. ST 2110-20 §7.2 requires `colorimetry`, and a missing
/// `TCS` means SDR (§7.3): where no colorimetry is known, it is `ALPHA` of a key signal, else `UNSPECIFIED`, and so
/// is an unknown `TCS`.
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
pub(crate) fn parse_scan(all: &Parameters<'_>, notes: &mut Notes) -> Result<Scan, SdpError> {
    let wrong_word = all.has("interlaced", notes);
    if wrong_word {
        let reason = "no word of ST 2110: taken as interlace";
        notes.add(all.line, "interlaced", None, reason);
    }
    let interlace = all.has("interlace", notes) || wrong_word;
    match (interlace, all.has("segmented", notes)) {
        (true, true) => Ok(Scan::Psf),
        (true, false) => Ok(Scan::Interlaced),
        (false, false) => Ok(Scan::Progressive),
        (false, true) => Err(all.missing("interlace")),
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
    /// Frames per second, if the description says that.
    pub rate: Option<DescribedRate>,
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
}

impl DescribedVideo {
    pub(crate) fn parse(all: &Parameters<'_>, notes: &mut Notes) -> Result<Self, SdpError> {
        let max_udp = all.number("MAXUDP", 576..=EXTENDED_MAX_UDP.into(), notes);
        let packing = all.word("PM", notes);
        let video = Self {
            sampling: all.required("sampling", Word::of, Sampling::wanted(), notes)?,
            depth: all.required("depth", Word::of, Depth::wanted(), notes)?,
            width: all.required("width", side, sides(), notes)?,
            height: all.required("height", side, sides(), notes)?,
            rate: parse_rate(all, notes)?,
            scan: parse_scan(all, notes)?,
            appearance: parse_appearance(all, notes),
            packing: packing.unwrap_or_default(),
            standard: all.word("SSN", notes),
            sender: all.word("TP", notes),
            max_udp: max_udp
                .and_then(|it| u16::try_from(it).ok())
                .unwrap_or(STANDARD_MAX_UDP),
            tr_offset_us: all.number("TROFF", 0..=u32::MAX, notes),
            cmax: all.number("CMAX", 1..=u32::MAX, notes),
        };
        let unknown = "missing, though ST 2110-20 §7.2 requires it: unknown";
        let colorimetry = video.appearance.colorimetry;
        all.expect("colorimetry", colorimetry.as_ref(), unknown, notes);
        all.expect("SSN", video.standard.as_ref(), unknown, notes);
        let general = "missing, though ST 2110-20 §7.2 requires it: a receiver takes each packing";
        all.expect("PM", packing.as_ref(), general, notes);
        let untyped = "missing, though ST 2110-21 §8.1 requires it: judged without it";
        all.expect("TP", video.sender.as_ref(), untyped, notes);
        if VideoFormat::check_scan(video.scan, video.sampling).is_err() {
            let wanted = "4:2:2 or 4:4:4: 4:2:0 is progressive only (ST 2110-20 §6.2.5)";
            let given = video.sampling.as_str();
            return Err(SdpError::invalid(all.line, "sampling", given, wanted));
        }
        if VideoFormat::check_samples(video.sampling, video.depth).is_err() {
            let wanted = "8, 10 or 12 bits with 4:2:0";
            let given = video.depth.as_str();
            return Err(SdpError::invalid(all.line, "depth", given, wanted));
        }
        Ok(video)
    }

    pub(crate) fn write(&self) -> String {
        let mut out = Written::default();
        out.add("sampling", self.sampling);
        out.add("width", self.width);
        out.add("height", self.height);
        out.maybe("exactframerate", self.rate);
        out.add("depth", self.depth);
        write_appearance(self.appearance, &mut out);
        out.add("PM", self.packing.word());
        out.maybe("SSN", self.standard.map(Word::word));
        out.maybe("TP", self.sender.map(Word::word));
        let max_udp = (self.max_udp != STANDARD_MAX_UDP).then_some(self.max_udp);
        out.maybe("MAXUDP", max_udp);
        out.maybe("TROFF", self.tr_offset_us);
        out.maybe("CMAX", self.cmax);
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
            rate: Some(format.rate().into()),
            scan: format.scan(),
            appearance,
            packing: video.packing,
            standard: Some(video.standard.unwrap_or(first)),
            sender: video.sender_type,
            max_udp: video.max_udp,
            tr_offset_us: video.tr_offset_us,
            cmax: video.cmax,
        }
    }
}
