//! Compressed video with a constant bit rate: JPEG XS in ST 2110-22 and RFC 9134.

use onair_essence::jpeg_xs::{CompressedStandard, JpegXsStream, PacketMode};
use onair_essence::video::{Appearance, Depth, Sampling, Scan, SenderType, VideoFormat};

use crate::error::SdpError;
use crate::essence::video::{parse_appearance, parse_scan, said_of, write_appearance, write_scan};
use crate::fmtp::{Parameters, Written};
use crate::rate::DescribedRate;
use crate::warning::Warning;
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
}

impl Compressed {
    pub(crate) fn parse(
        all: &Parameters<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, SdpError> {
        let sides = |key: &str| all.number(key, 1..=VideoFormat::MAX_WIDTH);
        let text = |key: &str| Ok(all.value(key)?.map(str::to_owned));
        let bit = |all: &Parameters<'_>, key: &str| all.number(key, 0..=1);
        Ok(Self {
            slices: all.required("packetmode", bit)? == 1,
            in_order: bit(all, "transmode")? != Some(0),
            profile: text("profile")?,
            level: text("level")?,
            sublevel: text("sublevel")?,
            sampling: all.word("sampling")?,
            depth: all.word("depth")?,
            width: sides("width")?,
            height: sides("height")?,
            rate: all.rate("exactframerate")?,
            scan: parse_scan(all, warnings)?,
            appearance: parse_appearance(all)?,
            standard: all.word("SSN")?,
            sender: all.word("TP")?,
            cmax: all.number("CMAX", 1..=u32::MAX)?,
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
        }
    }
}
