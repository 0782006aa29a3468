//! Facts about a stream's pictures that its packets show.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Depth, Pgroup, Sampling, Scan, VideoFormat};
use crate::essence::Seen;

/// Raster, rate, scan and packing of a video stream. What its packets do not show is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Picture {
    /// Pixels of a line; absent if each packet has a whole line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Bytes of a line, if each packet has whole lines: the width and the samples are in no header then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_bytes: Option<u32>,
    /// Lines of a frame, of both fields together.
    pub height: u32,
    /// Frames a second, from the timestamps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub frame_rate: Option<MeasuredRate>,
    /// Order of the lines.
    pub scan: Scan,
    /// The samples that have the packing of the packets, the usual ones first: `YCbCr-4:2:2 10 bit`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<PictureSamples>,
    /// So many lines of each frame or field may have been lost: what is missing of the raster says nothing.
    #[serde(skip)]
    pub lost_lines: u32,
}

/// A sampling and a depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PictureSamples {
    /// Colour components.
    pub sampling: Sampling,
    /// Bits a sample.
    pub depth: u32,
    /// The samples are floating point numbers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub float: bool,
}

impl PictureSamples {
    const fn of(sampling: Sampling, depth: Depth) -> Self {
        Self {
            sampling,
            depth: depth.bits() as u32,
            float: depth.is_float(),
        }
    }

    /// Those with this packing, the usual ones first. `pgroup`: pixels of a line and bytes, in lowest terms.
    #[must_use]
    pub(crate) fn with(pgroup: (u16, u16)) -> Vec<Self> {
        let pgroup = (pgroup.0.into(), pgroup.1.into());
        let all = Sampling::ALL.iter();
        all.flat_map(|sampling| Depth::ALL.iter().map(move |depth| (*sampling, *depth)))
            .filter(|(sampling, depth)| ratio(*sampling, *depth) == Some(pgroup))
            .map(|(sampling, depth)| Self::of(sampling, depth))
            .collect()
    }
}

impl fmt::Display for PictureSamples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let float = if self.float { "f" } else { "" };
        write!(f, "{} {}{float} bit", self.sampling, self.depth)
    }
}

impl Picture {
    /// Whether the packets show another format than `format`.
    #[must_use]
    pub fn differs_from(&self, format: &VideoFormat) -> bool {
        let pgroup = Pgroup::of(format.sampling(), format.depth());
        let (pixels, lines) = pgroup.map_or((1, 1), |it| (it.pixels, it.lines));
        // A pgroup of two lines has the number of the first one.
        let height = format.height() + 1 - lines;
        let rate = format.rate();
        let other_rate = self
            .frame_rate
            .is_some_and(|it| !rate.may_be((it.num, it.den)));
        // What may be lost of each frame is not seen: lines, a part of each line, a field or segment.
        let may_lack = |lines: u32| self.lost_lines > 0 && lines <= self.lost_lines;
        let differs = |its: u32, own: u32| its != own && !(its < own && may_lack(self.height));
        let width = |it: u32| it.div_ceil(pixels);
        let other_width = self
            .width
            .is_some_and(|it| differs(width(it), width(format.width())));
        let other_lines = self.line_bytes.is_some_and(|its| {
            pgroup.is_some_and(|it| differs(its, format.width().div_ceil(it.pixels) * it.bytes))
        });
        let missing = height.checked_sub(self.height);
        let other_height = missing.is_none_or(|it| it > 0 && !may_lack(it));
        let has_halves = format.scan() != Scan::Progressive;
        let is_half = has_halves && may_lack(height / 2);
        let own = PictureSamples::of(format.sampling(), format.depth());
        let other_samples = !self.samples.is_empty() && !self.samples.contains(&own);
        self.scan != format.scan() && !is_half
            || other_height
            || other_rate
            || other_width
            || other_lines
            || other_samples
    }
}

impl Seen for Picture {
    fn flags(&self) -> String {
        let mut flags = String::new();
        match self.width {
            Some(width) => flags += &format!(" --size {width}x{}", self.height),
            None => flags += &format!(" --size WIDTHx{}", self.height),
        }
        if let Some(rate) = self.frame_rate {
            flags += &format!(" --rate {rate}");
        }
        if self.scan != Scan::Progressive {
            flags += &format!(" --scan {}", self.scan);
        }
        if let Some(one) = self.samples.first() {
            let float = if one.float { "f" } else { "" };
            flags += &format!(" --sampling {} --depth {}{float}", one.sampling, one.depth);
        }
        flags
    }
}

/// For people: `1920x1080 interlaced 25 fps YCbCr-4:2:2 10 bit (or another with this packing)`.
impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.width {
            Some(width) => write!(f, "{width}x{}", self.height)?,
            None => write!(f, "{} lines", self.height)?,
        }
        if let (None, Some(bytes)) = (self.width, self.line_bytes) {
            write!(f, " of {bytes} bytes")?;
        }
        if self.scan != Scan::Progressive {
            write!(f, " {}", self.scan)?;
        }
        if let Some(rate) = self.frame_rate {
            write!(f, " {rate} fps")?;
        }
        if let Some(usual) = self.samples.first() {
            write!(f, " {usual}")?;
        }
        if self.samples.len() > 1 {
            f.write_str(" (or another with this packing)")?;
        }
        Ok(())
    }
}

/// A rate that a stream seems to have; in JSON a text: `30000/1001`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct MeasuredRate {
    /// Numerator.
    pub num: u32,
    /// Denominator.
    pub den: u32,
}

impl MeasuredRate {
    /// Frames a second of a stream with so many units a second.
    #[must_use]
    pub const fn of_frames(self, interlaced: bool) -> Self {
        let Self { num, den } = self;
        match interlaced {
            false => self,
            true if num.is_multiple_of(2) => Self { num: num / 2, den },
            true => Self { num, den: den * 2 },
        }
    }
}

/// For people: `25`, `30000/1001`.
impl fmt::Display for MeasuredRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.den {
            1 => write!(f, "{}", self.num),
            den => write!(f, "{}/{den}", self.num),
        }
    }
}

impl From<MeasuredRate> for String {
    fn from(MeasuredRate { num, den }: MeasuredRate) -> Self {
        format!("{num}/{den}")
    }
}

/// The text is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no rate: write it as 30000/1001")]
pub struct NoRate(String);

impl TryFrom<String> for MeasuredRate {
    type Error = NoRate;

    fn try_from(text: String) -> Result<Self, NoRate> {
        let terms = text.split_once('/');
        let terms = terms.and_then(|(num, den)| Some((num.parse().ok()?, den.parse().ok()?)));
        let (num, den) = terms.ok_or(NoRate(text))?;
        Ok(Self { num, den })
    }
}

/// Pixels of a line and bytes of a format, in lowest terms.
fn ratio(sampling: Sampling, depth: Depth) -> Option<(u32, u32)> {
    let Pgroup { bytes, pixels, .. } = Pgroup::of(sampling, depth)?;
    let (mut common, mut rest) = (pixels, bytes);
    while rest != 0 {
        (common, rest) = (rest, common % rest);
    }
    Some((pixels / common, bytes / common))
}
