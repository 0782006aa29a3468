//! A format of video as JSON. Only its shape is checked; [`VideoStream`] exists only if every field is valid.

pub(crate) mod check;
mod rate_text;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::format::picture_document;
use super::{Packing, Sampling, Scan, SenderType, VideoStandard, VideoStream};
use crate::STANDARD_MAX_UDP;
use crate::essence::{Document, Listed};
use crate::rows::Row;

picture_document! {
    /// Picture size, rate, samples, order of the lines, and how they are sent.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
    #[serde(deny_unknown_fields)]
    #[cfg_attr(feature = "openapi", schema(as = VideoFormat))]
    pub struct VideoDocument {
        {
            /// Pixels in a line: 16 to 32767, even with 4:2:2 and 4:2:0.
            #[cfg_attr(feature = "openapi", schema(minimum = 16, maximum = 32767, examples(1280)))]
            pub width: u32,
            /// Lines in a frame, of both fields together if interlaced: 2 to 32767, even with 4:2:0. A frame
            /// has at most 268435456 bytes.
            #[cfg_attr(feature = "openapi", schema(minimum = 2, maximum = 32767, examples(720)))]
            pub height: u32,
            /// Frames a second as the exact ratio of ST 2110-20 §7.2: `60/1`, `60`, `30000/1001`.
            /// 1 to 120.
            #[serde(deserialize_with = "rate_text::frame_rate_text")]
            #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[1-9][0-9]{0,5}(/[1-9][0-9]{0,5})?$", examples("60/1")))]
            pub frame_rate: String,
            /// Bits a sample: 8, 10, 12 or 16; 4:2:0 has no 16.
            #[cfg_attr(feature = "openapi", schema(minimum = 8, maximum = 16, multiple_of = 2, examples(10)))]
            pub depth: u32,
            /// With 16 bits: the samples are floating point numbers (`16f` of ST 2110-20); `false` when
            /// absent.
            pub float: Option<bool>,
            /// Colour components; `YCbCr-4:2:2` when absent.
            pub sampling: Option<Sampling>,
            /// Order of the lines; `progressive` when absent. With `interlaced` each buffer is a field, with
            /// `psf` a frame.
            pub scan: Option<Scan>,
            /// How a sender cuts lines into packets; `general` when absent. A receiver accepts both.
            pub packing: Option<Packing>,
            /// Largest UDP datagram that a sender makes in bytes, UDP header included: 576 to 8960, 1460
            /// when absent (ST 2110-10 §6.3). The port's MTU must allow it. A receiver accepts any.
            #[cfg_attr(feature = "openapi", schema(minimum = 576, maximum = 8960))]
            pub max_udp: Option<u32>,
            /// Send: how the packets are spread, by the sender types of ST 2110-21 §7; `wide` when absent.
            /// Receive: the type that the sender says it is, by which its timing is judged; when absent, the
            /// packets show whether it is gapped or linear.
            pub sender_type: Option<SenderType>,
            /// TROFFSET of ST 2110-21 in microseconds, less than a frame: how long after a frame's time a receiver reads
            /// its first packet (`TROFF` in SDP); the default of the raster when absent. Send: frames start by
            /// it. Receive: what the sender says, by which its timing is judged.
            #[cfg_attr(feature = "openapi", schema(maximum = 999_999, examples(638)))]
            pub tr_offset_us: Option<u32>,
            /// Most packets that the network model of ST 2110-21 may hold (`CMAX` in SDP); the limit of the sender
            /// type when absent. Send: the sender keeps to it; at most the limit of its type. Receive: what the
            /// sender says, by which its timing is judged.
            #[cfg_attr(feature = "openapi", schema(minimum = 1, examples(4)))]
            pub cmax: Option<u32>,
        }
        {
            /// Year of the version of ST 2110-20 (`SSN` in SDP); when absent, a sender names the one that has its colours.
            pub standard: Option<VideoStandard>,
        }
    }

    /// The changed timing of the packets (ST 2110-21), and what is said of the pictures; each field as in the session's specification, and `null` for
    /// none: a sender then has the default.
    VideoPatch {
        {
            /// How the packets are spread, or what the sender says of that.
            sender_type: SenderType ["crate::whole::present" value_type = Option<SenderType>],
            /// TROFFSET in microseconds.
            tr_offset_us: u32 ["crate::whole::present_number" value_type = Option<u32>, maximum = 999_999],
            /// Most packets that the network model may hold.
            cmax: u32 ["crate::whole::present_number" value_type = Option<u32>, minimum = 1],
        }
        {
            /// Year of the version of the standard.
            standard: VideoStandard ["crate::whole::present" value_type = Option<VideoStandard>],
        }
    }
}

impl Document for VideoDocument {
    fn packet_rows(&self, sends: bool) -> Vec<Row> {
        let mut rows = Vec::new();
        if sends {
            let packing = self.packing.unwrap_or_default();
            let max_udp = self.max_udp.unwrap_or(STANDARD_MAX_UDP.into());
            let packets = format!("{packing}, UDP up to {max_udp} bytes");
            rows.push(Row::new("packing", packets));
            let sender_type = self.sender_type.unwrap_or_default();
            rows.push(Row::new("sender type", sender_type.to_string()));
        } else if let Some(declared) = self.sender_type {
            let declared = format!("{declared}, as its sender says");
            rows.push(Row::new("sender type", declared));
        }
        let offset = self.tr_offset_us.map(|us| format!("{us} µs"));
        rows.extend(offset.map(|it| Row::new("TROFFSET", it)));
        let cmax = self.cmax.map(|packets| format!("{packets} packets"));
        rows.extend(cmax.map(|it| Row::new("CMAX", it)));
        rows.extend(self.appearance().rows());
        let standard = self.standard.map(|year| format!("ST 2110-20:{year}"));
        rows.extend(standard.map(|it| Row::new("SSN", it)));
        rows
    }
}

/// For people: `1920x1080 60000/1001 fps 10 bit`, with the scan and the sampling if they are not the default ones.
impl fmt::Display for VideoDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = &self.frame_rate;
        write!(f, "{}x{}", self.width, self.height)?;
        if let Some(scan) = self.scan.filter(|it| *it != Scan::default()) {
            write!(f, " {scan}")?;
        }
        write!(f, " {} fps", rate.strip_suffix("/1").unwrap_or(rate))?;
        if let Some(sampling) = self.sampling.filter(|it| *it != Sampling::default()) {
            write!(f, " {sampling}")?;
        }
        let float = if self.float == Some(true) { "f" } else { "" };
        write!(f, " {}{float} bit", self.depth)
    }
}

/// Default values stay out.
impl From<VideoStream> for VideoDocument {
    fn from(video: VideoStream) -> Self {
        fn other<T: PartialEq>(value: T, default: T) -> Option<T> {
            (value != default).then_some(value)
        }
        let format = video.format;
        Self {
            width: format.width(),
            height: format.height(),
            frame_rate: format.rate().to_string(),
            depth: format.depth().bits().into(),
            float: other(format.depth().is_float(), false),
            sampling: other(format.sampling(), Sampling::default()),
            scan: other(format.scan(), Scan::default()),
            packing: other(video.packing, Packing::default()),
            max_udp: other(video.max_udp, STANDARD_MAX_UDP).map(u32::from),
            sender_type: video.sender_type,
            tr_offset_us: video.tr_offset_us,
            cmax: video.cmax,
            standard: video.standard,
            ..Self::default()
        }
        .looking(video.appearance)
    }
}

/// Picture size, rate, depth and order of the lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListedVideo {
    /// Picture size, rate and depth, for people: `1920x1080 60000/1001 fps 10 bit`.
    pub video: String,
    /// Frames a second as an exact ratio.
    pub frame_rate: String,
    /// Order of the lines; `progressive` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<Scan>,
}

impl From<VideoDocument> for ListedVideo {
    fn from(document: VideoDocument) -> Self {
        Self {
            video: document.to_string(),
            frame_rate: document.frame_rate,
            scan: document.scan,
        }
    }
}

impl Listed for ListedVideo {
    fn format(&self) -> &str {
        &self.video
    }

    fn rate(&self) -> &str {
        &self.frame_rate
    }

    fn units_a_period(&self) -> u64 {
        match self.scan {
            Some(Scan::Interlaced) => 2,
            _ => 1,
        }
    }
}
