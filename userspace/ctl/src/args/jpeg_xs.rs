//! JPEG XS on the command line: its flags, and the fields of documents that they stand for.

use clap::Args;
use onair_essence::jpeg_xs::{JpegXsDocument, JpegXsPatch, JpegXsStream, SeenJpegXs};
use onair_essence::video::FrameRate;
use serde::Serialize;
use serde_json::{Value, json};

use super::essence::of_others;

/// The flag that says that a session carries this essence.
pub(super) const FIRST: &str = "jpeg_xs";

/// Fields of a session, each with its flag.
pub(super) const FLAGS: &[(&str, &str)] = &[
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
    ("jpeg_xs.colorimetry", "--codestream-colorimetry"),
    ("jpeg_xs.transfer", "--codestream-tcs"),
    ("jpeg_xs.range", "--codestream-range"),
    ("jpeg_xs.pixel_aspect", "--codestream-pixel-aspect"),
];

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
/// Flags of how packets are made, and of what is said of the pictures.
pub(super) const OF_PACKETS: &[&str] = &[
    "codestream_max_udp",
    "codestream_colorimetry",
    "codestream_tcs",
    "codestream_range",
    "codestream_pixel_aspect",
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
    samples: Option<(String, u32)>,

    /// JPEG XS: progressive, or interlaced (each buffer is a field) [default: progressive]
    #[arg(long, value_name = "NAME", requires = "jpeg_xs")]
    codestream_scan: Option<String>,

    /// JPEG XS: what a run of packets carries, codestream or slice [default: codestream]
    #[arg(long, value_name = "MODE", requires = "jpeg_xs")]
    packet_mode: Option<String>,

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
    #[arg(long, value_name = "TYPE")]
    codestream_sender_type: Option<String>,

    /// JPEG XS: most packets that the network model may hold [default: that of the sender type]
    #[arg(long, value_name = "PACKETS", allow_negative_numbers = true)]
    codestream_cmax: Option<u32>,

    /// JPEG XS: colour primaries and matrix, as --colorimetry
    #[arg(long, value_name = "NAME")]
    codestream_colorimetry: Option<String>,

    /// JPEG XS: transfer characteristic system, as --tcs
    #[arg(long, value_name = "NAME")]
    codestream_tcs: Option<String>,

    /// JPEG XS: range of the code values, as --range
    #[arg(long, value_name = "NAME")]
    codestream_range: Option<String>,

    /// JPEG XS: width of a pixel to its height, as --pixel-aspect
    #[arg(long, value_name = "WIDTH:HEIGHT")]
    codestream_pixel_aspect: Option<String>,
}

impl Flags {
    /// Whether a session carries JPEG XS by the flags.
    pub(super) const fn is_given(&self) -> bool {
        self.jpeg_xs.is_some()
    }

    /// The format by the flags.
    pub(super) fn format(&self) -> Value {
        let (width, height, rate) = self.jpeg_xs.clone().unwrap_or_default();
        let mut format = json!({
            "width": width, "height": height, "frame_rate": rate, "depth": 10, "bytes": self.codestream_bytes,
        });
        if let Some((sampling, bits)) = &self.samples {
            put(&mut format, "sampling", Some(sampling));
            put(&mut format, "depth", Some(bits));
        }
        put(&mut format, "scan", self.codestream_scan.as_ref());
        put(&mut format, "packet_mode", self.packet_mode.as_ref());
        put(
            &mut format,
            "out_of_order",
            self.out_of_order.then_some(true),
        );
        put(&mut format, "profile", self.profile.as_ref());
        put(&mut format, "level", self.level.as_ref());
        put(&mut format, "sublevel", self.sublevel.as_ref());
        format
    }

    /// Puts what the flags say of the packets over `format`.
    pub(super) fn put_packets(&self, format: &mut Value) {
        put(format, "max_udp", self.codestream_max_udp);
        put(format, "sender_type", self.codestream_sender_type.as_ref());
        put(format, "cmax", self.codestream_cmax);
        let said = [
            ("colorimetry", &self.codestream_colorimetry),
            ("transfer", &self.codestream_tcs),
            ("range", &self.codestream_range),
            ("pixel_aspect", &self.codestream_pixel_aspect),
        ];
        for (key, given) in said {
            put(format, key, given.as_ref());
        }
    }
}

/// Flags of `session retarget`.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct TimingFlags {
    /// JPEG XS: sender type of ST 2110-21: narrow, narrow_linear or wide
    #[arg(long, value_name = "TYPE")]
    codestream_sender_type: Option<String>,

    /// JPEG XS: most packets that the network model may hold
    #[arg(long, value_name = "PACKETS", allow_negative_numbers = true)]
    codestream_cmax: Option<u32>,
}

impl TimingFlags {
    /// The timing by the flags.
    pub(super) fn fields(&self) -> Value {
        let mut fields = json!({});
        put(
            &mut fields,
            "sender_type",
            self.codestream_sender_type.as_ref(),
        );
        put(&mut fields, "cmax", self.codestream_cmax);
        fields
    }
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
    let read = |value: &Value| serde_json::from_value::<JpegXsDocument>(value.clone());
    let its = read(described).map_err(|error| format!("{shown}: {error}"))?;
    let own = read(own).map_err(|error| error.to_string())?;
    let stream =
        |it: &JpegXsDocument| JpegXsStream::try_from(it).map_err(|error| error.to_string());
    let (theirs, mine) = (stream(&its)?, stream(&own)?);
    let picture = |it: &JpegXsStream| {
        let samples = (it.width, it.height, it.sampling, it.depth);
        (samples, it.interlaced, it.rate, it.mode, it.in_order)
    };
    if picture(&theirs) != picture(&mine) || theirs.bytes > mine.bytes {
        return Err(format!(
            "{shown} describes {its} of up to {} bytes, but the session has {own} of {}: create another session for it",
            its.bytes, own.bytes
        ));
    }
    Ok(json!(JpegXsPatch {
        sender_type: Some(theirs.sender_type),
        cmax: Some(theirs.cmax),
        colorimetry: Some(theirs.appearance.colorimetry),
        transfer: Some(theirs.appearance.transfer),
        range: Some(theirs.appearance.range),
        pixel_aspect: Some(theirs.appearance.pixel_aspect),
        standard: Some(theirs.standard),
    }))
}

/// Bytes of a codestream in a bandwidth of so many kbit/s, with this frame rate; `None` for other formats.
pub(crate) fn bytes_within(format: &Value, kbps: u64, rate: &str) -> Option<u32> {
    format.get("bytes")?;
    let rate: FrameRate = rate.parse().ok()?;
    let is_interlaced = format["scan"] == "interlaced";
    let units = if is_interlaced { rate.doubled() } else { rate };
    Some(u32::try_from(JpegXsStream::bytes_within(kbps, units)).unwrap_or(u32::MAX))
}

/// The format of what arrives.
///
/// # Errors
/// What the packets do not show.
pub(super) fn arriving(it: &SeenJpegXs) -> Result<Value, String> {
    Ok(json!({
        "width": it.jpeg_xs_width, "height": it.height, "frame_rate": it.frame_rate, "depth": it.depth,
        "bytes": it.bytes, "sampling": it.sampling, "scan": it.scan, "packet_mode": it.packet_mode,
        "out_of_order": it.out_of_order,
    }))
}

fn put(object: &mut Value, key: &str, given: Option<impl Serialize>) {
    if let Some(given) = given {
        object[key] = json!(given);
    }
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

fn samples(text: &str) -> Result<(String, u32), InvalidFlag> {
    let wrong = || InvalidFlag::Samples(text.to_owned());
    let (sampling, bits) = text.rsplit_once('/').ok_or_else(wrong)?;
    Ok((sampling.to_owned(), bits.parse().map_err(|_| wrong())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picture_and_samples_forms_then_only_whole_ones() {
        let expected = (1920, 1080, "60000/1001".to_owned());
        assert_eq!(picture("1920x1080@60000/1001").unwrap(), expected);
        assert_eq!(samples("RGB/12").unwrap(), ("RGB".to_owned(), 12));
        for text in ["", "1920x1080", "1920@50", "x@50", "-1x2@50"] {
            assert!(picture(text).is_err(), "{text}");
        }
        for text in ["", "RGB", "RGB/", "RGB/x"] {
            assert!(samples(text).is_err(), "{text}");
        }
    }
}
