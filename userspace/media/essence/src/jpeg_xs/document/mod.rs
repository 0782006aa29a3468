//! A format of JPEG XS as JSON. Only its shape is checked; [`JpegXsStream`] exists only if every field is valid.

mod check;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{CompressedStandard, JpegXsStream, PacketMode};
use crate::STANDARD_MAX_UDP;
use crate::essence::{Document, Listed, Seen};
use crate::rows::Row;
use crate::video::{Sampling, Scan, SenderType, picture_document};

picture_document! {
    /// Picture size, rate and samples, bytes of a codestream, and how they are sent.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
    #[serde(deny_unknown_fields)]
    #[cfg_attr(feature = "openapi", schema(as = JpegXsFormat))]
    pub struct JpegXsDocument {
        {
            /// Pixels in a line: 16 to 32767, even with 4:2:2 and 4:2:0.
            #[cfg_attr(feature = "openapi", schema(minimum = 16, maximum = 32767, examples(1920)))]
            pub width: u32,
            /// Lines in a frame, of both fields together if interlaced: 2 to 32767, even with 4:2:0.
            #[cfg_attr(feature = "openapi", schema(minimum = 2, maximum = 32767, examples(1080)))]
            pub height: u32,
            /// Frames a second as an exact ratio: `60/1`, `60`, `30000/1001`. 1 to 120.
            #[cfg_attr(feature = "openapi", schema(pattern = "^[1-9][0-9]{0,5}(/[1-9][0-9]{0,5})?$", examples("50/1")))]
            pub frame_rate: String,
            /// Bits a sample: 8, 10, 12 or 16.
            #[cfg_attr(feature = "openapi", schema(minimum = 8, maximum = 16, multiple_of = 2, examples(10)))]
            pub depth: u32,
            /// Most bytes of a frame or field: its boxes and its codestream. A sender's have so many.
            #[cfg_attr(feature = "openapi", schema(minimum = 512, maximum = 268_435_456, examples(312_500)))]
            pub bytes: u32,
            /// Colour components; `YCbCr-4:2:2` when absent.
            pub sampling: Option<Sampling>,
            /// Order of the lines: `progressive`, which it is when absent, or `interlaced`: each buffer is a field.
            pub scan: Option<Scan>,
            /// Content of a run of packets (`packetmode` in SDP); `codestream` when absent.
            pub packet_mode: Option<PacketMode>,
            /// Receive: slices come in any order (`transmode=0`); `false` when absent.
            pub out_of_order: Option<bool>,
            /// Name of the profile (ISO/IEC 21122-2), as in SDP: `Main422.10`.
            #[cfg_attr(feature = "openapi", schema(max_length = 40))]
            pub profile: Option<String>,
            /// Name of the level: `2k-1`.
            #[cfg_attr(feature = "openapi", schema(max_length = 40))]
            pub level: Option<String>,
            /// Name of the sublevel: `Sublev3bpp`.
            #[cfg_attr(feature = "openapi", schema(max_length = 40))]
            pub sublevel: Option<String>,
            /// Largest UDP datagram that a sender makes in bytes, UDP header included: 576 to 8960, 1460 when absent.
            #[cfg_attr(feature = "openapi", schema(minimum = 576, maximum = 8960))]
            pub max_udp: Option<u32>,
            /// Send: how the packets are spread, by the sender types of ST 2110-21; `wide` when absent. Receive: the type that the
            /// sender says it is (`TP` in SDP).
            pub sender_type: Option<SenderType>,
            /// Most packets that the network model may hold (`CMAX` in SDP); the limit of the sender type when absent.
            #[cfg_attr(feature = "openapi", schema(minimum = 1, examples(4)))]
            pub cmax: Option<u32>,
        }
        {
            /// Year of the version of ST 2110-22 (`SSN` in SDP).
            pub standard: Option<CompressedStandard>,
        }
    }

    /// The changed spread of the packets (ST 2110-21), and what is said of the pictures; each field as in the session's specification, and `null` for none.
    JpegXsPatch {
        {
            /// How the packets are spread, or what the sender says of that.
            sender_type: SenderType ["crate::whole::present" value_type = Option<SenderType>],
            /// Most packets that the network model may hold.
            cmax: u32 ["crate::whole::present_number" value_type = Option<u32>, minimum = 1],
        }
        {
            /// Year of the version of the standard.
            standard: CompressedStandard ["crate::whole::present" value_type = Option<CompressedStandard>],
        }
    }
}

impl Document for JpegXsDocument {
    fn packet_rows(&self, sends: bool) -> Vec<Row> {
        let mode = self.packet_mode.unwrap_or_default();
        let order = match self.out_of_order {
            Some(true) => ", out of order",
            _ => "",
        };
        let bytes = match sends {
            true => format!("{} bytes", self.bytes),
            false => format!("up to {} bytes", self.bytes),
        };
        let names = [&self.profile, &self.level, &self.sublevel];
        let names: Vec<_> = names.into_iter().flatten().map(String::as_str).collect();
        let sender = self.sender_type.or(sends.then(SenderType::default));
        let rows = [
            ("codestream", Some(bytes)),
            ("profile", (!names.is_empty()).then(|| names.join(" "))),
            ("packets", Some(format!("{mode} mode{order}"))),
            ("sender type", sender.map(|it| it.to_string())),
            ("CMAX", self.cmax.map(|it| format!("{it} packets"))),
        ];
        let rows = rows.into_iter();
        let rows = rows.filter_map(|(name, text)| Some(Row::new(name, text?)));
        let standard = self.standard.map(|year| format!("ST 2110-22:{year}"));
        rows.chain(self.appearance().rows())
            .chain(standard.map(|it| Row::new("SSN", it)))
            .collect()
    }
}

/// For people: `JPEG XS 1920x1080 interlaced 30000/1001 fps 10 bit`, with the sampling if it is not the default one.
impl fmt::Display for JpegXsDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = &self.frame_rate;
        write!(f, "JPEG XS {}x{}", self.width, self.height)?;
        if let Some(scan) = self.scan.filter(|it| *it != Scan::default()) {
            write!(f, " {scan}")?;
        }
        write!(f, " {} fps", rate.strip_suffix("/1").unwrap_or(rate))?;
        if let Some(sampling) = self.sampling.filter(|it| *it != Sampling::default()) {
            write!(f, " {sampling}")?;
        }
        write!(f, " {} bit", self.depth)
    }
}

/// Default values stay out.
impl From<JpegXsStream> for JpegXsDocument {
    fn from(it: JpegXsStream) -> Self {
        let appearance = it.appearance;
        Self {
            width: it.width,
            height: it.height,
            frame_rate: it.rate.to_string(),
            depth: it.depth.bits().into(),
            bytes: it.bytes,
            sampling: Some(it.sampling).filter(|it| *it != Sampling::default()),
            scan: it.interlaced.then_some(Scan::Interlaced),
            packet_mode: Some(it.mode).filter(|it| *it != PacketMode::default()),
            out_of_order: (!it.in_order).then_some(true),
            profile: it.profile,
            level: it.level,
            sublevel: it.sublevel,
            max_udp: (it.max_udp != STANDARD_MAX_UDP).then_some(it.max_udp.into()),
            sender_type: it.sender_type,
            cmax: it.cmax,
            standard: it.standard,
            ..Self::default()
        }
        .looking(appearance)
    }
}

/// Picture size, rate, depth and order of the lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListedJpegXs {
    /// For people: `JPEG XS 1920x1080 50 fps 10 bit`.
    pub jpeg_xs: String,
    /// Frames a second as an exact ratio.
    pub frame_rate: String,
    /// Order of the lines; `progressive` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<Scan>,
}

impl From<JpegXsDocument> for ListedJpegXs {
    fn from(document: JpegXsDocument) -> Self {
        Self {
            jpeg_xs: document.to_string(),
            frame_rate: document.frame_rate,
            scan: document.scan,
        }
    }
}

impl Listed for ListedJpegXs {
    fn format(&self) -> &str {
        &self.jpeg_xs
    }

    fn rate(&self) -> &str {
        &self.frame_rate
    }

    fn units_a_period(&self) -> u64 {
        1 + u64::from(self.scan == Some(Scan::Interlaced))
    }
}

/// Facts about a format of JPEG XS that packets show: the header of a codestream, and the timestamps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SeenJpegXs {
    /// Pixels of a line.
    pub jpeg_xs_width: u32,
    /// Lines of a frame, of both fields together.
    pub height: u32,
    /// Frames a second as a ratio.
    pub frame_rate: String,
    /// Order of the lines.
    pub scan: Scan,
    /// Bits a sample.
    pub depth: u32,
    /// Colour components, or others that are sampled alike.
    pub sampling: Sampling,
    /// Bytes of a frame or field.
    pub bytes: u32,
    /// Content of a run of packets.
    pub packet_mode: PacketMode,
    /// Slices come in any order.
    pub out_of_order: bool,
}

/// In the words in which formats are shown, for people.
impl fmt::Display for SeenJpegXs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JPEG XS {}x{}", self.jpeg_xs_width, self.height)?;
        if self.scan != Scan::Progressive {
            write!(f, " {}", self.scan)?;
        }
        let rate = &self.frame_rate;
        let rate = rate.strip_suffix("/1").unwrap_or(rate);
        write!(f, " {rate} fps {} {} bit", self.sampling, self.depth)
    }
}

impl Seen for SeenJpegXs {
    fn flags(&self) -> String {
        let (width, height, rate) = (self.jpeg_xs_width, self.height, &self.frame_rate);
        let mut flags = format!(
            " --jpeg-xs {width}x{height}@{rate} --codestream-bytes {}",
            self.bytes
        );
        if self.scan != Scan::Progressive {
            flags += &format!(" --codestream-scan {}", self.scan);
        }
        flags += &format!(" --samples {}/{}", self.sampling, self.depth);
        if self.packet_mode != PacketMode::default() {
            flags += &format!(" --packet-mode {}", self.packet_mode);
        }
        if self.out_of_order {
            flags += " --out-of-order";
        }
        flags
    }
}
