//! Uncompressed video on the command line: its flags, and the fields of documents that they stand for.

mod picture;

use std::fmt;

use clap::{Args, ValueEnum};
use onair_essence::survey::{Reads, UserFacts};
use onair_essence::video::{
    Packing, Picture, Sampling, Scan, SenderType, VideoDocument, VideoPatch,
};
use serde::Serialize;

use super::essence::{instead_of, of_others};
use super::parse::word;
pub(super) use picture::picture_flags;

/// The flag that says that a session carries this essence.
pub(super) const FIRST: &str = "size";

picture_flags! {
    "video" [
        ("video.width", "--size"),
        ("video.height", "--size"),
        ("video.frame_rate", "--rate"),
        ("video.depth", "--depth"),
        ("video.float", "--depth"),
        ("video.sampling", "--sampling"),
        ("video.scan", "--scan"),
        ("video.packing", "--packing"),
        ("video.max_udp", "--max-udp"),
        ("video.sender_type", "--sender-type"),
        ("video.tr_offset_us", "--tr-offset"),
        ("video.cmax", "--cmax"),
    ] [
        "packing",
        "max_udp",
    ]
    colorimetry "--colorimetry"
        "Colour primaries and matrix, as ST 2110-20 names them: BT601, BT709, BT2020, BT2100, … or ALPHA",
    tcs "--tcs"
        "Transfer characteristic system, as ST 2110-20 names it: SDR, PQ, HLG, LINEAR, …",
    range "--range"
        "Range of the code values: NARROW, FULLPROTECT or FULL",
    pixel_aspect "--pixel-aspect"
        "Width of a pixel to its height, such as 12:11",
}

/// Flags of the format: a description has it, and packets show it.
pub(super) const OF_FORMAT: &[&str] = &["size", "rate", "depth", "sampling", "scan"];
/// Flags of the packets' timing.
pub(super) const OF_TIMING: &[&str] = &["sender_type", "tr_offset", "cmax"];

/// Examples of `session create` by flags.
pub(super) const EXAMPLES: &str =
    "  onairctl session create cam1 --direction receive --port b --size 1280x720 --rate 60 \\
      --depth 10 --destination 10.77.0.2:5004
  onairctl session create test --direction send --port a --size 1920x1080 --rate 60000/1001 \\
      --destination 10.77.0.2:5004 --pattern";
/// Examples of converted sessions.
pub(super) const CONVERTED_EXAMPLES: &str =
    "  onairctl session create cam1-v210 --from cam1 --layout v210";
/// The part in a file.
pub(crate) const IN_A_FILE: &str =
    r#""video": {"width": 1280, "height": 720, "frame_rate": "60/1", "depth": 10}"#;

/// Flags of `session create`.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// Picture size: width by height in pixels, up to 32767x32767 and 256 MiB a frame; interlaced: the
    /// height of both fields together
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = size, allow_hyphen_values = true,
        required_unless_present_any = instead_of("video"), conflicts_with_all = of_others("video"))]
    size: Option<(u32, u32)>,

    /// Frames a second: 60, or exactly 60000/1001; interlaced: half of the fields a second
    #[arg(long, allow_negative_numbers = true, required_unless_present_any = instead_of("video"))]
    rate: Option<String>,

    /// Bits a sample: 8, 10, 12, 16, or 16f for floating point
    #[arg(long, value_name = "BITS", default_value = "10", value_parser = depth)]
    depth: (u32, bool),

    /// Colour components as ST 2110-20 names them: YCbCr-4:2:2, YCbCr-4:4:4, YCbCr-4:2:0, CLYCbCr-…,
    /// ICtCp-…, RGB, XYZ or KEY [default: YCbCr-4:2:2]
    #[arg(long, value_name = "NAME", hide_possible_values = true, value_parser = word(Sampling::ALL, Sampling::as_str))]
    sampling: Option<Sampling>,

    /// Order of the lines: progressive, interlaced (each buffer is a field) or psf (segmented frames)
    /// [default: progressive]
    #[arg(long, value_name = "NAME", hide_possible_values = true, value_parser = word(Scan::ALL, Scan::as_str))]
    scan: Option<Scan>,

    /// Send: how lines are cut into packets: general, or block (multiples of 180 bytes) [default: general]
    #[arg(long, value_name = "NAME", hide_possible_values = true, value_parser = word(Packing::ALL, Packing::as_str))]
    packing: Option<Packing>,

    /// Send: largest UDP datagram with its header, 576 to 8960; the port's MTU must allow it
    /// [default: 1460]
    #[arg(long, value_name = "BYTES", allow_negative_numbers = true)]
    max_udp: Option<u32>,

    /// Send: how packets are spread, by ST 2110-21: narrow, narrow_linear or wide [default: wide];
    /// receive: the type that the sender says it is, by which its timing is judged
    #[arg(long, value_name = "TYPE", hide_possible_values = true, value_parser = word(SenderType::ALL, SenderType::as_str))]
    sender_type: Option<SenderType>,

    /// TROFFSET of ST 2110-21 in microseconds, less than a frame: send: frames start by it; receive: what
    /// the sender says (TROFF) [default: that of the picture's height]
    #[arg(long, value_name = "MICROSECONDS", allow_negative_numbers = true)]
    tr_offset: Option<u32>,

    /// Most packets that the network model of ST 2110-21 may hold: send: the sender keeps to it; receive:
    /// what the sender says (CMAX) [default: that of the sender type]
    #[arg(long, value_name = "PACKETS", allow_negative_numbers = true)]
    cmax: Option<u32>,

    #[command(flatten)]
    said: PictureFlags,
}

impl Flags {
    /// The frame rate by the flags.
    pub(super) fn rate(&self) -> Option<&str> {
        self.rate.as_deref()
    }

    /// Whether the flags say how large packets are.
    pub(super) const fn says_packets(&self) -> bool {
        self.max_udp.is_some()
    }

    /// The format by the flags.
    pub(super) fn format(&self) -> VideoDocument {
        let (width, height) = self.size.unwrap_or_default();
        let (depth, is_float) = self.depth;
        VideoDocument {
            width,
            height,
            frame_rate: self.rate.clone().unwrap_or_default(),
            depth,
            float: is_float.then_some(true),
            sampling: self.sampling,
            scan: self.scan,
            ..VideoDocument::default()
        }
    }

    /// Puts what the flags say of the packets over `video`.
    pub(super) fn put_packets(&self, video: &mut VideoDocument) {
        video.packing = self.packing.or(video.packing);
        video.max_udp = self.max_udp.or(video.max_udp);
        video.tr_offset_us = self.tr_offset.or(video.tr_offset_us);
        video.cmax = self.cmax.or(video.cmax);
        video.sender_type = self.sender_type.or(video.sender_type);
        *video = video.clone().looking(self.said.over(video.appearance()));
    }
}

/// Flags of `session retarget`.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct TimingFlags {
    /// Send: how packets are spread, by ST 2110-21: narrow, narrow_linear or wide; receive: the type that the
    /// sender says it is
    #[arg(long, value_name = "TYPE", hide_possible_values = true, value_parser = word(SenderType::ALL, SenderType::as_str))]
    sender_type: Option<SenderType>,

    /// TROFFSET of ST 2110-21 in microseconds, less than a frame: of a sender's frames, or as the sender says
    #[arg(long, value_name = "MICROSECONDS", allow_negative_numbers = true)]
    tr_offset: Option<u32>,

    /// Most packets that the network model of ST 2110-21 may hold: of a sender, or as the sender says
    #[arg(long, value_name = "PACKETS", allow_negative_numbers = true)]
    cmax: Option<u32>,
}

impl TimingFlags {
    /// Puts the timing by the flags over `video`.
    pub(super) fn put(&self, video: &mut VideoPatch) {
        video.sender_type = self.sender_type.map(Some).or(video.sender_type);
        video.tr_offset_us = self.tr_offset.map(Some).or(video.tr_offset_us);
        video.cmax = self.cmax.map(Some).or(video.cmax);
    }
}

/// An example of `analyze`.
pub(crate) const ANALYZE_EXAMPLE: &str = "  onairctl analyze capture.pcap --flow 239.1.2.3:5004 --height 1080 --interlaced --rate 30000/1001";

/// Flags of `analyze`: what the user knows of the streams.
#[derive(Debug, Args)]
pub(crate) struct AnalyzeFlags {
    /// Lines of the frame, both fields together
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u32).range(1..=32_767))]
    height: Option<u32>,

    /// The video has fields or segments
    #[arg(long)]
    interlaced: bool,

    /// Frames a second: 25, or exactly 30000/1001
    #[arg(long, value_name = "RATE", value_parser = rate)]
    rate: Option<(u32, u32)>,

    /// Packets of a frame, or of a field of interlaced video
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=131_072))]
    packets: Option<u32>,

    /// Packet read schedule of the sender
    #[arg(long)]
    schedule: Option<ReadSchedule>,

    /// Offset of the first packet from the frame's start in microseconds, if not the default of
    /// ST 2110-21 (TROFF)
    #[arg(long, value_name = "MICROSECONDS", value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    tr_offset: Option<u64>,
}

impl AnalyzeFlags {
    /// The facts that a survey needs of them.
    pub(crate) fn given(&self) -> UserFacts {
        UserFacts {
            height: self.height,
            interlaced: self.interlaced,
            rate: self.rate,
            packets: self.packets,
            reads: self.schedule.map(|it| match it {
                ReadSchedule::Gapped => Reads::Gapped,
                ReadSchedule::Linear => Reads::Linear,
            }),
            offset_ns: self.tr_offset.map(|us| us * 1000),
        }
    }
}

/// A packet read schedule, as a flag.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ReadSchedule {
    /// Packets in the active part of the picture only
    Gapped,
    /// Packets spread over the whole frame
    Linear,
}

/// The smallest format.
pub(super) fn smallest() -> VideoDocument {
    VideoDocument {
        width: 16,
        height: 2,
        frame_rate: "25".to_owned(),
        depth: 8,
        ..VideoDocument::default()
    }
}

/// The largest datagram.
pub(super) const fn max_udp(format: &mut VideoDocument) -> Option<&mut Option<u32>> {
    Some(&mut format.max_udp)
}

/// Whether each unit is a field.
pub(super) fn has_fields(format: &VideoDocument) -> bool {
    format.scan == Some(Scan::Interlaced)
}

/// The format of what arrives.
///
/// # Errors
/// The facts that the packets do not show, for people.
pub(super) fn arriving(it: &Picture) -> Result<VideoDocument, String> {
    let height = it.height;
    let (Some(width), Some(samples)) = (it.width, it.samples.first()) else {
        return Err(format!(
            "video of {height} lines arrives, and each packet has a whole line, which does not show its width: give --size, \
             --rate and --depth"
        ));
    };
    let Some(rate) = &it.frame_rate else {
        return Err(format!(
            "video of {width}x{height} arrives, whose timestamps show no frame rate: give --size, --rate and --depth"
        ));
    };
    Ok(VideoDocument {
        width,
        height,
        frame_rate: rate.to_string(),
        depth: samples.depth,
        float: samples.float.then_some(true),
        sampling: Some(samples.sampling),
        scan: Some(it.scan),
        ..VideoDocument::default()
    })
}

/// Width and height of a picture in pixels.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct PictureSize {
    width: u32,
    height: u32,
}

impl PictureSize {
    /// That of a PNG: its first chunk begins with it (PNG, clause 11.2.1).
    pub(crate) fn of_png(png: &[u8]) -> Option<Self> {
        const BEGIN: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";
        let rest = png.strip_prefix(BEGIN)?;
        let (width, rest) = rest.split_first_chunk()?;
        let (height, _) = rest.split_first_chunk()?;
        Some(Self {
            width: u32::from_be_bytes(*width),
            height: u32::from_be_bytes(*height),
        })
    }
}

impl fmt::Display for PictureSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// Why a flag is invalid.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidFlag {
    #[error("{0:?} is no raster: write it as 1280x720")]
    Size(String),
    #[error("{0:?} is no number of bits: write it as 8, 10, 12, 16 or 16f")]
    Depth(String),
    #[error("write it as 25 or 30000/1001")]
    Rate,
}

fn size(text: &str) -> Result<(u32, u32), InvalidFlag> {
    let wrong = || InvalidFlag::Size(text.to_owned());
    let (width, height) = text.split_once(['x', 'X']).ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
    Ok((number(width)?, number(height)?))
}

/// Bits, and whether they are floating point numbers.
fn depth(text: &str) -> Result<(u32, bool), InvalidFlag> {
    let bits = text.strip_suffix('f').unwrap_or(text);
    let wrong = |_| InvalidFlag::Depth(text.to_owned());
    Ok((bits.parse().map_err(wrong)?, bits != text))
}

/// A rate above 0 as a fraction or a whole number.
fn rate(text: &str) -> Result<(u32, u32), InvalidFlag> {
    let (num, den) = text.split_once('/').unwrap_or((text, "1"));
    match (num.trim().parse(), den.trim().parse()) {
        (Ok(num @ 1..=1_000_000), Ok(den @ 1..=1_000_000)) => Ok((num, den)),
        _ => Err(InvalidFlag::Rate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_a_number_or_a_fraction() {
        assert_eq!(rate("25").unwrap(), (25, 1));
        assert_eq!(rate("30000/1001").unwrap(), (30_000, 1001));
        for wrong in ["", "0", "1/0", "-1", "29.97", "99999999999/1"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn size_forms_then_only_two_numbers() {
        assert_eq!(size("1280x720").unwrap(), (1280, 720));
        for text in ["1280", "x", "1280x", "axb", "1280x720x1", "-1x2"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_forms_then_bits_and_whether_they_are_float() {
        assert_eq!(depth("12").unwrap(), (12, false));
        assert_eq!(depth("16f").unwrap(), (16, true));
        assert!(depth("f").is_err() && depth("ten").is_err());
    }
}
