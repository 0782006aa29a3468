//! Compressed video with a constant bit rate: JPEG XS in ST 2110-22 and RFC 9134.

use onair_essence::jpeg_xs::{CompressedStandard, JpegXsStream, PacketMode};
use onair_essence::video::{
    Appearance, Depth, EXTENDED_MAX_UDP, STANDARD_MAX_UDP, Sampling, Scan, SenderType,
};

use crate::error::{Notes, SdpError};
use crate::essence::video::{
    parse_appearance, parse_rate, parse_scan, said_of, side, sides, write_appearance, write_scan,
};
use crate::fmtp::{Parameters, Written};
use crate::rate::{DescribedRate, whole};
use crate::words::Word;

/// `SSN`.
impl Word for CompressedStandard {
    const ALL: &'static [Self] = Self::ALL;
    fn word(self) -> &'static str {
        match self {
            Self::Y2019 => "ST2110-22:2019",
            Self::Y2022 => "ST2110-22:2022",
        }
    }
}

/// RFC 9134 §7.1 lets a description leave it to the codestream. A session has to know it before that comes.
fn samplings(all: &Parameters<'_>) -> String {
    let is_open = |text: &str| text.eq_ignore_ascii_case("UNSPECIFIED");
    match all.values("sampling").any(is_open) {
        true => "the sampling of the codestream, which port arriving shows: write it here, or create the session like what \
                 arrives"
            .into(),
        false => Sampling::wanted(),
    }
}

/// A format of JPEG XS (`jxsv`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Compressed {
    /// Packets carry slices (1) and not parts of the codestream (0).
    pub slices: bool,
    /// Packets are sent in order; true when absent.
    pub in_order: bool,
    /// Profile, such as `High444.12`.
    pub profile: Option<String>,
    /// Level, such as `4k-2`.
    pub level: Option<String>,
    /// Sublevel, such as `Sublev3bpp`.
    pub sublevel: Option<String>,
    /// Colour components.
    pub sampling: Option<Sampling>,
    /// Bits of a sample.
    pub depth: Option<Depth>,
    /// Pixels in a line.
    pub width: Option<u32>,
    /// Lines of a frame.
    pub height: Option<u32>,
    /// Frames per second.
    pub rate: Option<DescribedRate>,
    /// Order of the lines.
    pub scan: Scan,
    /// Colours, range and shape of a pixel.
    pub appearance: Appearance,
    /// Version of the standard.
    pub standard: Option<CompressedStandard>,
    /// Sender type of ST 2110-21.
    pub sender: Option<SenderType>,
    /// `CMAX`: most packets at once, if not the default.
    pub cmax: Option<u32>,
    /// Largest UDP datagram in bytes, UDP header included; 1460 when absent.
    pub max_udp: u16,
}

impl Compressed {
    pub(crate) fn parse(all: &Parameters<'_>, notes: &mut Notes) -> Result<Self, SdpError> {
        let text = |text: &str| Some(text.to_owned()).filter(|it| !it.is_empty());
        let name = |key, notes: &mut Notes| all.may(key, text, "a name", notes);
        let bit = |text: &str| whole(text).filter(|it| *it < 2);
        let slices = all.must("packetmode", bit, "0 or 1", notes)?;
        let in_order = all.must("transmode", bit, "0 or 1", notes)?;
        let whole_codestream = "missing, though RFC 9134 §7.1 requires it: taken as 0";
        all.expect("packetmode", slices.as_ref(), whole_codestream, notes);
        let max_udp = all.number("MAXUDP", 576..=EXTENDED_MAX_UDP.into(), notes);
        Ok(Self {
            slices: slices == Some(1),
            in_order: in_order != Some(0),
            profile: name("profile", notes),
            level: name("level", notes),
            sublevel: name("sublevel", notes),
            sampling: all.must("sampling", Word::of, samplings(all), notes)?,
            depth: all.must("depth", Word::of, Depth::wanted(), notes)?,
            width: all.must("width", side, sides(), notes)?,
            height: all.must("height", side, sides(), notes)?,
            rate: parse_rate(all, notes)?,
            scan: parse_scan(all, notes)?,
            appearance: parse_appearance(all, notes),
            standard: all.word("SSN", notes),
            sender: all.word("TP", notes),
            cmax: all.number("CMAX", 1..=u32::MAX, notes),
            max_udp: max_udp
                .and_then(|it| u16::try_from(it).ok())
                .unwrap_or(STANDARD_MAX_UDP),
        })
    }

    pub(crate) fn write(&self) -> String {
        let mut out = Written::default();
        out.add("packetmode", u8::from(self.slices));
        out.maybe("transmode", (!self.in_order).then_some(0));
        out.maybe("profile", self.profile.as_ref());
        out.maybe("level", self.level.as_ref());
        out.maybe("sublevel", self.sublevel.as_ref());
        out.maybe("sampling", self.sampling);
        out.maybe("width", self.width);
        out.maybe("height", self.height);
        out.maybe("exactframerate", self.rate);
        out.maybe("depth", self.depth);
        write_appearance(self.appearance, &mut out);
        out.maybe("SSN", self.standard.map(Word::word));
        out.maybe("TP", self.sender.map(Word::word));
        out.maybe("CMAX", self.cmax);
        let max_udp = (self.max_udp != STANDARD_MAX_UDP).then_some(self.max_udp);
        out.maybe("MAXUDP", max_udp);
        write_scan(self.scan, &mut out);
        out.finish()
    }
}

impl From<&JpegXsStream> for Compressed {
    fn from(stream: &JpegXsStream) -> Self {
        Self {
            slices: stream.mode == PacketMode::Slice,
            in_order: stream.in_order,
            profile: stream.profile.clone(),
            level: stream.level.clone(),
            sublevel: stream.sublevel.clone(),
            sampling: Some(stream.sampling),
            depth: Some(stream.depth),
            width: Some(stream.width),
            height: Some(stream.height),
            rate: Some(stream.rate.into()),
            scan: match stream.interlaced {
                true => Scan::Interlaced,
                false => Scan::Progressive,
            },
            appearance: said_of(stream.appearance, stream.sampling),
            standard: Some(stream.standard.unwrap_or(CompressedStandard::Y2019)),
            sender: stream.sender_type,
            cmax: stream.cmax,
            max_udp: stream.max_udp,
        }
    }
}
