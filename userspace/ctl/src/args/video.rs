//! Uncompressed video on the command line: its flags, and the fields of documents that they stand for.

use std::fmt;

use clap::{Args, ValueEnum};
use onair_essence::survey::{Given, Reads};
use onair_essence::video::{Picture, VideoDocument, VideoPatch, VideoStream};
use serde::Serialize;
use serde_json::{Value, json};

use super::essence::{Fields, instead_of, of_others};

/// The flag that says that a session carries this essence.
pub(super) const FIRST: &str = "size";

/// Fields of a session, each with its flag.
pub(super) const FLAGS: &[(&str, &str)] = &[
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
    ("video.colorimetry", "--colorimetry"),
    ("video.transfer", "--tcs"),
    ("video.range", "--range"),
    ("video.pixel_aspect", "--pixel-aspect"),
];

/// Flags of the format: a description has it, and packets show it.
pub(super) const OF_FORMAT: &[&str] = &["size", "rate", "depth", "sampling", "scan"];
/// Flags of how packets are made, and of what is said of the pictures.
pub(super) const OF_PACKETS: &[&str] = &[
    "packing",
    "max_udp",
    "colorimetry",
    "tcs",
    "range",
    "pixel_aspect",
];
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
    #[arg(long, value_name = "NAME")]
    sampling: Option<String>,

    /// Order of the lines: progressive, interlaced (each buffer is a field) or psf (segmented frames)
    /// [default: progressive]
    #[arg(long, value_name = "NAME")]
    scan: Option<String>,

    /// Send: how lines are cut into packets: general, or block (multiples of 180 bytes) [default: general]
    #[arg(long, value_name = "NAME")]
    packing: Option<String>,

    /// Send: largest UDP datagram with its header, 576 to 8960; the port's MTU must allow it
    /// [default: 1460]
    #[arg(long, value_name = "BYTES", allow_negative_numbers = true)]
    max_udp: Option<u32>,

    /// Send: how packets are spread, by ST 2110-21: narrow, narrow_linear or wide [default: wide];
    /// receive: the type that the sender says it is, by which its timing is judged
    #[arg(long, value_name = "TYPE")]
    sender_type: Option<String>,

    /// TROFFSET of ST 2110-21 in microseconds, less than a frame: send: frames start by it; receive: what
    /// the sender says (TROFF) [default: that of the picture's height]
    #[arg(long, value_name = "MICROSECONDS", allow_negative_numbers = true)]
    tr_offset: Option<u32>,

    /// Most packets that the network model of ST 2110-21 may hold: send: the sender keeps to it; receive:
    /// what the sender says (CMAX) [default: that of the sender type]
    #[arg(long, value_name = "PACKETS", allow_negative_numbers = true)]
    cmax: Option<u32>,

    /// Colour primaries and matrix, as ST 2110-20 names them: BT601, BT709, BT2020, BT2100, … or ALPHA
    #[arg(long, value_name = "NAME")]
    colorimetry: Option<String>,

    /// Transfer characteristic system, as ST 2110-20 names it: SDR, PQ, HLG, LINEAR, …
    #[arg(long, value_name = "NAME")]
    tcs: Option<String>,

    /// Range of the code values: NARROW, FULLPROTECT or FULL
    #[arg(long, value_name = "NAME")]
    range: Option<String>,

    /// Width of a pixel to its height, such as 12:11
    #[arg(long, value_name = "WIDTH:HEIGHT")]
    pixel_aspect: Option<String>,
}

impl Flags {
    /// The format by the flags.
    pub(super) fn format(&self) -> Value {
        let (width, height) = self.size.unwrap_or_default();
        let (bits, is_float) = self.depth;
        let mut video = json!({
            "width": width, "height": height, "frame_rate": self.rate, "depth": bits,
        });
        if is_float {
            video["float"] = json!(true);
        }
        put(&mut video, "sampling", self.sampling.as_ref());
        put(&mut video, "scan", self.scan.as_ref());
        video
    }

    /// Puts what the flags say of the packets over `format`.
    pub(super) fn put_packets(&self, video: &mut Value) {
        put(video, "packing", self.packing.as_ref());
        put(video, "max_udp", self.max_udp);
        put(video, "tr_offset_us", self.tr_offset);
        put(video, "cmax", self.cmax);
        put(video, "sender_type", self.sender_type.as_ref());
        put(video, "colorimetry", self.colorimetry.as_ref());
        put(video, "transfer", self.tcs.as_ref());
        put(video, "range", self.range.as_ref());
        put(video, "pixel_aspect", self.pixel_aspect.as_ref());
    }
}

/// The essences with pictures, and nothing said of any.
pub(crate) fn pictures() -> Fields {
    let essences = ["video", "jpeg_xs"].map(|essence| (essence.to_owned(), json!({})));
    essences.into_iter().collect()
}

/// Whether `format` is that of an interlaced picture.
pub(crate) fn has_fields(format: &Value) -> bool {
    format["scan"] == "interlaced"
}

/// Flags of `session retarget`.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct TimingFlags {
    /// Send: how packets are spread, by ST 2110-21: narrow, narrow_linear or wide; receive: the type that the
    /// sender says it is
    #[arg(long, value_name = "TYPE")]
    sender_type: Option<String>,

    /// TROFFSET of ST 2110-21 in microseconds, less than a frame: of a sender's frames, or as the sender says
    #[arg(long, value_name = "MICROSECONDS", allow_negative_numbers = true)]
    tr_offset: Option<u32>,

    /// Most packets that the network model of ST 2110-21 may hold: of a sender, or as the sender says
    #[arg(long, value_name = "PACKETS", allow_negative_numbers = true)]
    cmax: Option<u32>,
}

impl TimingFlags {
    /// The timing by the flags.
    pub(super) fn fields(&self) -> Value {
        let mut video = json!({});
        put(&mut video, "sender_type", self.sender_type.as_ref());
        put(&mut video, "tr_offset_us", self.tr_offset);
        put(&mut video, "cmax", self.cmax);
        video
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
    /// What a survey needs of them.
    pub(crate) fn given(&self) -> Given {
        Given {
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

/// The timing that a description says, for a session that has the same format.
///
/// # Errors
/// What is wrong with the description, named `shown`: another format among it.
pub(super) fn described_timing(
    shown: &str,
    described: &Value,
    own: &Value,
) -> Result<Value, String> {
    let of_file = |error: &dyn fmt::Display| format!("{shown}: {error}");
    let its = serde_json::from_value::<VideoDocument>(described.clone());
    let its = its.map_err(|error| of_file(&error))?;
    let its = VideoStream::try_from(&its).map_err(|error| error.to_string())?;
    let own = serde_json::from_value::<VideoDocument>(own.clone());
    let own = own.map_err(|error| error.to_string())?;
    let own = VideoStream::try_from(&own).map_err(|error| error.to_string())?;
    if its.format != own.format {
        return Err(format!(
            "{shown} describes {}, but the session has {}: create another session for it",
            its.format, own.format
        ));
    }
    Ok(json!(VideoPatch {
        sender_type: Some(its.sender_type),
        tr_offset_us: Some(its.tr_offset_us),
        cmax: Some(its.cmax),
        colorimetry: Some(its.appearance.colorimetry),
        transfer: Some(its.appearance.transfer),
        range: Some(its.appearance.range),
        pixel_aspect: Some(its.appearance.pixel_aspect),
        standard: Some(its.standard),
    }))
}

/// The smallest format.
pub(super) fn smallest() -> Value {
    json!({"width": 16, "height": 2, "frame_rate": "25", "depth": 8})
}

/// The format of what arrives.
///
/// # Errors
/// What the packets do not show.
pub(super) fn arriving(it: &Picture) -> Result<Value, String> {
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
    let mut video = json!({
        "width": width, "height": height, "frame_rate": rate, "depth": samples.depth,
        "sampling": samples.sampling, "scan": it.scan,
    });
    if samples.float {
        video["float"] = json!(true);
    }
    Ok(video)
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

fn put(object: &mut Value, key: &str, given: Option<impl Serialize>) {
    if let Some(given) = given {
        object[key] = json!(given);
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
