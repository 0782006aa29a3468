//! Picture size, rate, samples, and the order of the lines.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::sampling::{Depth, Pgroup, Sampling};
use crate::text::texts;

/// Order of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scan {
    /// Whole frames.
    #[default]
    Progressive,
    /// Two fields of different times a frame. Each buffer is a field.
    Interlaced,
    /// Progressive segmented frames: whole frames, sent as two segments like fields.
    Psf,
}

texts! { Scan: Progressive "progressive", Interlaced "interlaced", Psf "psf" }

/// How lines are cut into packets (ST 2110-20 §6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Packing {
    /// General packing mode: any number of whole pixel groups.
    #[default]
    General,
    /// Block packing mode: multiples of 180 bytes.
    Block,
}

texts! { Packing: General "general", Block "block" }

/// How evenly a sender spreads its packets: its type (ST 2110-21 §7).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SenderType {
    /// Type N: a few packets at a time, in the active part of the picture only (gapped).
    Narrow,
    /// Type NL: a few packets at a time, over the whole frame (linear).
    NarrowLinear,
    /// Type W: bursts, over the whole frame.
    #[default]
    Wide,
}

texts! { SenderType: Narrow "narrow", NarrowLinear "narrow_linear", Wide "wide" }

impl SenderType {
    /// All of them, strictest first.
    pub const ALL: [Self; 3] = [Self::Narrow, Self::NarrowLinear, Self::Wide];
}

/// Standard UDP size limit of ST 2110-10 in bytes, UDP header included.
pub const STANDARD_MAX_UDP: u16 = 1460;
/// Extended UDP size limit of ST 2110-10 in bytes, UDP header included.
pub const EXTENDED_MAX_UDP: u16 = 8960;

/// Picture size, rate, samples, order of the lines, and how they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VideoFormat {
    /// Pixels in a line: [`VideoFormat::MIN_WIDTH`] to [`VideoFormat::MAX_WIDTH`], even with 4:2:2
    /// and 4:2:0.
    pub width: u32,
    /// Lines in a frame, of both fields together if interlaced: [`VideoFormat::MIN_HEIGHT`] to
    /// [`VideoFormat::MAX_HEIGHT`], even with 4:2:0.
    pub height: u32,
    /// Frames a second; fields come twice as often.
    pub frame_rate: FrameRate,
    /// Colour components.
    pub sampling: Sampling,
    /// Bits a sample.
    pub depth: Depth,
    /// Order of the lines; with 4:2:0 progressive.
    pub scan: Scan,
    /// How a sender cuts lines into packets.
    pub packing: Packing,
    /// Largest UDP datagram that a sender makes, UDP header included.
    pub max_udp: u16,
    /// Send: how the packets are spread; a checked specification of a send session has it. Receive: the
    /// type that the sender says it is (`TP` in SDP), by which its timing is judged.
    pub sender_type: Option<SenderType>,
    /// TROFFSET in µs, less than a frame: from the frame's time to the read of its first packet (`TROFF` in
    /// SDP). `None`: the default of ST 2110-21 for the raster. Send: frames start by it. Receive: what the
    /// sender says.
    pub tr_offset_us: Option<u32>,
    /// Most packets that the network model may hold, 1 or more (`CMAX` in SDP). `None`: the limit of the
    /// sender type. Send: the sender keeps to it. Receive: what the sender says.
    pub cmax: Option<u32>,
}

impl VideoFormat {
    /// Smallest width, in pixels.
    pub const MIN_WIDTH: u32 = 16;
    /// Largest width, in pixels (ST 2110-20 §7.2).
    pub const MAX_WIDTH: u32 = 32_767;
    /// Smallest height, in lines.
    pub const MIN_HEIGHT: u32 = 2;
    /// Largest height, in lines (ST 2110-20 §7.2).
    pub const MAX_HEIGHT: u32 = 32_767;
    /// Most bytes of a frame: more than 8192x4320 needs with three samples of 16 bits.
    pub const MAX_FRAME_BYTES: u32 = 1 << 28;

    /// Bytes from one row of pixel groups to the next: of a line, or of two lines with 4:2:0.
    #[must_use]
    pub fn line_bytes(&self) -> u32 {
        let pgroup = self.pgroup();
        pgroup.in_line(self.width) * pgroup.bytes
    }

    /// Bytes of one buffer: a frame, or the first field of an interlaced one, in the layout of RFC
    /// 4175 §4.3.
    #[must_use]
    pub fn frame_bytes(&self) -> u32 {
        let lines = match self.scan {
            Scan::Progressive | Scan::Psf => self.height,
            Scan::Interlaced => self.height.div_ceil(2),
        };
        self.line_bytes() * (lines / self.pgroup().lines)
    }

    /// Whether frames of both have the same size, rate, samples and order of lines, so the same buffers: how
    /// a sender packs and spreads them is no matter.
    #[must_use]
    pub fn has_frames_of(&self, other: &Self) -> bool {
        let frames = |it: &Self| Self {
            packing: Packing::default(),
            max_udp: STANDARD_MAX_UDP,
            sender_type: None,
            tr_offset_us: None,
            cmax: None,
            ..*it
        };
        frames(self) == frames(other)
    }

    /// The pixel group.
    #[must_use]
    pub fn pgroup(&self) -> Pgroup {
        Pgroup::of(self.sampling, self.depth).expect("a checked format has a pixel group")
    }

    /// Buffers a second, as a fraction: frames, or fields.
    #[must_use]
    pub fn buffer_rate(&self) -> (u32, u32) {
        let fields = if self.scan == Scan::Interlaced { 2 } else { 1 };
        let rate = self.frame_rate;
        (rate.numerator() * fields, rate.denominator())
    }
}

impl fmt::Display for VideoFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)?;
        if self.scan != Scan::Progressive {
            write!(f, " {}", self.scan)?;
        }
        write!(f, " {} fps", self.frame_rate)?;
        if self.sampling != Sampling::default() {
            write!(f, " {}", self.sampling)?;
        }
        write!(f, " {} bit", self.depth)
    }
}

/// Frames a second as an exact ratio in lowest terms (`exactframerate`, ST 2110-20 §7.2): 1 to 120.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameRate {
    numerator: NonZeroU32,
    denominator: NonZeroU32,
}

impl FrameRate {
    /// Highest rate, in frames a second.
    pub const MAX: u32 = 120;
    /// Largest numerator or denominator as written.
    const MAX_TERM: u32 = 999_999;

    /// The rate `numerator / denominator`, in lowest terms.
    ///
    /// # Errors
    /// [`RateError`] if the rate is not 1 to 120 frames a second.
    pub fn new(numerator: u32, denominator: u32) -> Result<Self, RateError> {
        let wrong = || RateError(format!("{numerator}/{denominator}"));
        if numerator > Self::MAX_TERM || denominator > Self::MAX_TERM {
            return Err(wrong());
        }
        let (Some(n), Some(d)) = (NonZeroU32::new(numerator), NonZeroU32::new(denominator)) else {
            return Err(wrong());
        };
        if n < d || u64::from(numerator) > u64::from(Self::MAX) * u64::from(denominator) {
            return Err(wrong());
        }
        let divisor = gcd(n, d);
        let over = |x: NonZeroU32| NonZeroU32::new(x.get() / divisor).ok_or_else(wrong);
        Ok(Self {
            numerator: over(n)?,
            denominator: over(d)?,
        })
    }

    /// Numerator, in lowest terms.
    #[must_use]
    pub fn numerator(self) -> u32 {
        self.numerator.get()
    }

    /// Denominator, in lowest terms.
    #[must_use]
    pub fn denominator(self) -> u32 {
        self.denominator.get()
    }

    /// Time from frame 0 to frame `frame`, rounded down to a nanosecond.
    #[must_use]
    pub fn offset(self, frame: u64) -> Duration {
        let ns = u128::from(frame) * 1_000_000_000 * u128::from(self.denominator())
            / u128::from(self.numerator());
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

fn gcd(a: NonZeroU32, b: NonZeroU32) -> u32 {
    let (mut a, mut b) = (a.get(), b.get());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.numerator, self.denominator)
    }
}

impl std::str::FromStr for FrameRate {
    type Err = RateError;
    fn from_str(text: &str) -> Result<Self, RateError> {
        let wrong = || RateError(text.chars().take(40).collect());
        let term = |t: &str| {
            if t.is_empty()
                || t.len() > 6
                || t.starts_with('0')
                || !t.bytes().all(|b| b.is_ascii_digit())
            {
                return Err(wrong());
            }
            t.parse::<u32>().map_err(|_| wrong())
        };
        let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
        Self::new(term(numerator)?, term(denominator)?).map_err(|_| wrong())
    }
}

/// For `#[serde(deserialize_with)]` of a frame rate, which is text: of a number the error says how to
/// write it.
pub(super) fn frame_rate_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<String, D::Error> {
    deserializer.deserialize_any(RateText)
}

struct RateText;

impl Visitor<'_> for RateText {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text such as \"60\" or \"60000/1001\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
        Err(E::custom(format_args!(
            "a frame rate is text: write \"{number}\""
        )))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
        Err(E::custom(format_args!(
            "a frame rate is text: write \"{number}\""
        )))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<String, E> {
        // The rates of NTSC, as they are usually rounded or cut: n × 1000/1001.
        let exact = [24_u32, 30, 48, 60, 120].into_iter().find(|&n| {
            let rate = f64::from(n) * 1000.0 / 1001.0;
            (number - rate).abs() < 0.006
        });
        let text = exact.map_or_else(|| number.to_string(), |n| format!("{n}000/1001"));
        Err(E::custom(format_args!(
            "a frame rate is text and exact: write \"{text}\""
        )))
    }
}

/// A text that is not a frame rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a frame rate: give 1 to 120 frames a second as 60/1, 60 or 30000/1001 \
     (59.94 is 60000/1001)"
)]
pub struct RateError(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_rate_parse_then_lowest_terms() {
        for (text, shown) in [
            ("60", "60/1"),
            ("60/1", "60/1"),
            ("120/2", "60/1"),
            ("30000/1001", "30000/1001"),
        ] {
            assert_eq!(text.parse::<FrameRate>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "0",
            "0/0",
            "60/0",
            "59.94",
            "-1",
            "+60",
            "241",
            "1/2",
            "60/1/1",
            "6000000/100000",
            "60 ",
        ] {
            assert!(text.parse::<FrameRate>().is_err(), "{text}");
        }
    }

    #[test]
    fn frame_rate_of_a_number_then_says_how_to_write_it() {
        for (number, text) in [
            (23.976, "24000/1001"),
            (23.98, "24000/1001"),
            (29.97, "30000/1001"),
            (47.952, "48000/1001"),
            (59.94, "60000/1001"),
            (119.88, "120000/1001"),
            (25.0, "25"),
        ] {
            let error = frame_rate_text(serde_json::json!(number)).unwrap_err();
            let expected = format!("write \"{text}\"");
            assert!(error.to_string().contains(&expected), "{error}");
        }
        let error = frame_rate_text(serde_json::json!(60)).unwrap_err();
        assert!(error.to_string().contains("write \"60\""), "{error}");
        assert_eq!(frame_rate_text(serde_json::json!("60/1")).unwrap(), "60/1");
    }

    #[test]
    fn frame_rate_offset_then_does_not_drift() {
        let rate: FrameRate = "60000/1001".parse().unwrap();
        assert_eq!(rate.offset(60_000), Duration::from_secs(1001));
        assert_eq!(rate.offset(1), Duration::from_nanos(16_683_333));
    }

    #[test]
    fn video_format_frame_bytes_then_as_rfc_4175() {
        let mut format = VideoFormat {
            width: 1280,
            height: 720,
            frame_rate: FrameRate::new(60, 1).unwrap(),
            sampling: Sampling::YCbCr422,
            depth: Depth::Eight,
            scan: Scan::Progressive,
            packing: Packing::General,
            max_udp: STANDARD_MAX_UDP,
            sender_type: None,
            tr_offset_us: None,
            cmax: None,
        };
        assert_eq!(format.frame_bytes(), 1280 * 720 * 2);
        format.depth = Depth::Ten;
        assert_eq!(format.frame_bytes(), 1280 * 720 * 5 / 2);
        assert_eq!(format.to_string(), "1280x720 60/1 fps 10 bit");
        (format.sampling, format.depth) = (Sampling::YCbCr420, Depth::Ten);
        assert_eq!(format.frame_bytes(), 1280 * 720 * 15 / 8);
        (format.sampling, format.scan, format.height) = (Sampling::Rgb, Scan::Interlaced, 487);
        format.width = 722;
        assert_eq!(
            (format.line_bytes(), format.frame_bytes()),
            (181 * 15, 181 * 15 * 244)
        );
        assert_eq!(format.buffer_rate(), (120, 1));
        let shown = "722x487 interlaced 60/1 fps RGB 10 bit";
        assert_eq!(format.to_string(), shown);
    }
}
