//! JPEG XS on the command line: its flags, and the fields of documents that they stand for.

use clap::Args;
use onair_essence::jpeg_xs::{JpegXsDocument, JpegXsPatch, PacketMode, SeenJpegXs};
use onair_essence::video::{Sampling, Scan, SenderType};

use super::essence::of_others;
use super::parse::word;
use super::video::picture_flags;

/// The flag that says that a session carries this essence.
pub(super) const FIRST: &str = "jpeg_xs";

picture_flags! {
    "jpeg_xs" [
        ("jpeg_xs.width", "--jpeg-xs"),
        ("jpeg_xs.height", "--jpeg-xs"),
        ("jpeg_xs.frame_rate", "--jpeg-xs"),
        ("jpeg_xs.sampling", "--samples"),
        ("jpeg_xs.depth", "--samples"),
        ("jpeg_xs.bytes", "--codestream-bytes"),
        ("jpeg_xs.scan", "--codestream-scan"),
        ("jpeg_xs.packet_mode", "--packet-mode"),
        ("jpeg_xs.out_of_order", "--out-of-order"),
        ("jpeg_xs.profile", "--profile"),
        ("jpeg_xs.level", "--level"),
        ("jpeg_xs.sublevel", "--sublevel"),
        ("jpeg_xs.max_udp", "--codestream-max-udp"),
        ("jpeg_xs.sender_type", "--codestream-sender-type"),
        ("jpeg_xs.cmax", "--codestream-cmax"),
    ] [
        "codestream_max_udp",
    ]
    codestream_colorimetry "--codestream-colorimetry"
        "JPEG XS: colour primaries and matrix, as --colorimetry",
    codestream_tcs "--codestream-tcs"
        "JPEG XS: transfer characteristic system, as --tcs",
    codestream_range "--codestream-range"
        "JPEG XS: range of the code values, as --range",
    codestream_pixel_aspect "--codestream-pixel-aspect"
        "JPEG XS: width of a pixel to its height, as --pixel-aspect",
}

/// Flags of the format: a description has it, and packets show it.
pub(super) const OF_FORMAT: &[&str] = &[
    "jpeg_xs",
    "codestream_bytes",
    "samples",
    "codestream_scan",
    "packet_mode",
    "out_of_order",
    "profile",
    "level",
    "sublevel",
];
/// Flags of the packets' timing.
pub(super) const OF_TIMING: &[&str] = &["codestream_sender_type", "codestream_cmax"];

/// Examples of `session create` by flags.
pub(super) const EXAMPLES: &str = "  onairctl session create xs1 --direction receive --port b --jpeg-xs 1920x1080@50 \\
      --codestream-bytes 312500 --destination 10.77.0.2:5008";
/// Examples of converted sessions: there are none.
pub(super) const CONVERTED_EXAMPLES: &str = "";

/// Flags of `session create`.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// JPEG XS (ST 2110-22) instead of uncompressed video: picture size and frames a second, 50 or exactly 60000/1001
    #[arg(long, value_name = "WIDTHxHEIGHT@RATE", value_parser = picture, allow_hyphen_values = true,
        requires = "codestream_bytes", conflicts_with_all = of_others("jpeg_xs"))]
    jpeg_xs: Option<(u32, u32, String)>,

    /// JPEG XS: most bytes of a frame or field, boxes and codestream; a sender's have so many
    #[arg(
        long,
        value_name = "BYTES",
        allow_negative_numbers = true,
        requires = "jpeg_xs"
    )]
    codestream_bytes: Option<u32>,

    /// JPEG XS: colour components and bits of a sample [default: YCbCr-4:2:2/10]
    #[arg(long, value_name = "SAMPLING/BITS", value_parser = samples, requires = "jpeg_xs")]
    samples: Option<(Sampling, u32)>,

    /// JPEG XS: progressive, or interlaced (each buffer is a field) [default: progressive]
    #[arg(long, value_name = "NAME", requires = "jpeg_xs", hide_possible_values = true, value_parser = word(Scan::ALL, Scan::as_str))]
    codestream_scan: Option<Scan>,

    /// JPEG XS: what a run of packets carries, codestream or slice [default: codestream]
    #[arg(long, value_name = "MODE", requires = "jpeg_xs", hide_possible_values = true, value_parser = word(PacketMode::ALL, PacketMode::as_str))]
    packet_mode: Option<PacketMode>,

    /// JPEG XS, receive: slices come in any order (transmode=0)
    #[arg(long, requires = "jpeg_xs")]
    out_of_order: bool,

    /// JPEG XS: profile, as in SDP: Main422.10
    #[arg(long, value_name = "NAME", requires = "jpeg_xs")]
    profile: Option<String>,

    /// JPEG XS: level, as in SDP: 2k-1
    #[arg(long, value_name = "NAME", requires = "jpeg_xs")]
    level: Option<String>,

    /// JPEG XS: sublevel, as in SDP: Sublev3bpp
    #[arg(long, value_name = "NAME", requires = "jpeg_xs")]
    sublevel: Option<String>,

    /// JPEG XS, send: largest UDP datagram with its header, 576 to 8960 [default: 1460]
    #[arg(long, value_name = "BYTES", allow_negative_numbers = true)]
    codestream_max_udp: Option<u32>,

    /// JPEG XS: sender type of ST 2110-21: narrow, narrow_linear or wide [default: wide]
    #[arg(long, value_name = "TYPE", hide_possible_values = true, value_parser = word(SenderType::ALL, SenderType::as_str))]
    codestream_sender_type: Option<SenderType>,

    /// JPEG XS: most packets that the network model may hold [default: that of the sender type]
    #[arg(long, value_name = "PACKETS", allow_negative_numbers = true)]
    codestream_cmax: Option<u32>,

    #[command(flatten)]
    said: PictureFlags,
}

impl Flags {
    /// The frame rate by the flags.
    pub(super) fn rate(&self) -> Option<&str> {
        self.jpeg_xs.as_ref().map(|it| it.2.as_str())
    }

    /// Whether the flags say how large packets are.
    pub(super) const fn says_packets(&self) -> bool {
        self.codestream_max_udp.is_some()
    }

    /// The format by the flags, if they say one.
    pub(super) fn format(&self) -> Option<JpegXsDocument> {
        let (width, height, frame_rate) = self.jpeg_xs.clone()?;
        Some(JpegXsDocument {
            width,
            height,
            frame_rate,
            depth: self.samples.map_or(10, |it| it.1),
            bytes: self.codestream_bytes.unwrap_or_default(),
            sampling: self.samples.map(|it| it.0),
            scan: self.codestream_scan,
            packet_mode: self.packet_mode,
            out_of_order: self.out_of_order.then_some(true),
            profile: self.profile.clone(),
            level: self.level.clone(),
            sublevel: self.sublevel.clone(),
            ..JpegXsDocument::default()
        })
    }

    /// Puts what the flags say of the packets over `format`.
    pub(super) fn put_packets(&self, format: &mut JpegXsDocument) {
        format.max_udp = self.codestream_max_udp.or(format.max_udp);
        format.sender_type = self.codestream_sender_type.or(format.sender_type);
        format.cmax = self.codestream_cmax.or(format.cmax);
        *format = format.clone().looking(self.said.over(format.appearance()));
    }
}

/// Flags of `session retarget`.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct TimingFlags {
    /// JPEG XS: sender type of ST 2110-21: narrow, narrow_linear or wide
    #[arg(long, value_name = "TYPE", hide_possible_values = true, value_parser = word(SenderType::ALL, SenderType::as_str))]
    codestream_sender_type: Option<SenderType>,

    /// JPEG XS: most packets that the network model may hold
    #[arg(long, value_name = "PACKETS", allow_negative_numbers = true)]
    codestream_cmax: Option<u32>,
}

impl TimingFlags {
    /// Puts the timing by the flags over `format`.
    pub(super) fn put(&self, format: &mut JpegXsPatch) {
        format.sender_type = self.codestream_sender_type.map(Some).or(format.sender_type);
        format.cmax = self.codestream_cmax.map(Some).or(format.cmax);
    }
}

/// The largest datagram.
pub(super) const fn max_udp(format: &mut JpegXsDocument) -> Option<&mut Option<u32>> {
    Some(&mut format.max_udp)
}

/// Whether each unit is a field.
pub(super) fn has_fields(format: &JpegXsDocument) -> bool {
    format.scan == Some(Scan::Interlaced)
}

/// The format of what arrives.
///
/// # Errors
/// The facts that the packets do not show, for people.
pub(super) fn arriving(it: &SeenJpegXs) -> Result<JpegXsDocument, String> {
    Ok(JpegXsDocument {
        width: it.jpeg_xs_width,
        height: it.height,
        frame_rate: it.frame_rate.clone(),
        depth: it.depth,
        bytes: it.bytes,
        sampling: Some(it.sampling),
        scan: Some(it.scan),
        packet_mode: Some(it.packet_mode),
        out_of_order: Some(it.out_of_order),
        ..JpegXsDocument::default()
    })
}

/// Why a flag is invalid.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidFlag {
    #[error("{0:?} is no picture with a rate: write it as 1920x1080@50")]
    Picture(String),
    #[error("{0:?} are no samples: write them as YCbCr-4:2:2/10")]
    Samples(String),
}

fn picture(text: &str) -> Result<(u32, u32, String), InvalidFlag> {
    let wrong = || InvalidFlag::Picture(text.to_owned());
    let (size, rate) = text.split_once('@').ok_or_else(wrong)?;
    let (width, height) = size.split_once(['x', 'X']).ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
    Ok((number(width)?, number(height)?, rate.to_owned()))
}

fn samples(text: &str) -> Result<(Sampling, u32), InvalidFlag> {
    let wrong = || InvalidFlag::Samples(text.to_owned());
    let (sampling, bits) = text.rsplit_once('/').ok_or_else(wrong)?;
    let sampling = Sampling::of_word(sampling).ok_or_else(wrong)?;
    Ok((sampling, bits.parse().map_err(|_| wrong())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picture_and_samples_forms_then_only_whole_ones() {
        let expected = (1920, 1080, "60000/1001".to_owned());
        assert_eq!(picture("1920x1080@60000/1001").unwrap(), expected);
        assert_eq!(samples("RGB/12").unwrap(), (Sampling::Rgb, 12));
        for text in ["", "1920x1080", "1920@50", "x@50", "-1x2@50"] {
            assert!(picture(text).is_err(), "{text}");
        }
        for text in ["", "RGB", "RGB/", "RGB/x", "RBG/8"] {
            assert!(samples(text).is_err(), "{text}");
        }
    }
}
