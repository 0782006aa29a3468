//! The complete session specification as JSON. Only its shape is checked.

use std::fmt;

use onair_essence::Format;
use onair_essence::video::{Packing, STANDARD_MAX_UDP, Sampling, Scan, SenderType, VideoStream};
use serde::{Deserialize, Serialize};

use super::{Convert, Direction, SessionSpec, Source};

/// The specification of a session as documents of the daemon have it: all that
/// [`NewSessionDocument`](super::NewSessionDocument) has, and of a converted session also what it has from its
/// source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecDocument {
    /// Unique among the live sessions.
    pub name: String,
    /// Direction of the packets.
    pub direction: Direction,
    /// Name of a port in the daemon's configuration.
    pub port: String,
    /// Picture size, rate, samples, and order of the lines.
    pub video: VideoDocument,
    /// Addresses and payload type.
    pub flow: FlowDocument,
    /// The session whose frames are converted, and to what; absent for a session of packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convert: Option<Convert>,
    /// Send only: source of the frames; `client` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Frames that one attachment may hold on loan at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::optional")]
    pub quota: Option<u32>,
    /// Attachments at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::optional")]
    pub max_attachments: Option<u32>,
    /// Shutdown priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::optional")]
    pub priority: Option<u32>,
    /// Receive only: close a frame as incomplete after this many milliseconds without a packet of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::optional")]
    pub frame_timeout_ms: Option<u32>,
    /// The daemon stops the session this many milliseconds after its creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::optional")]
    pub duration_ms: Option<u64>,
    /// Restore the session when the daemon restarts, unless a user destroyed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent: Option<bool>,
}

/// Picture size, rate, samples, order of the lines, and how they are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", schema(as = VideoFormat))]
pub struct VideoDocument {
    /// Pixels in a line: 16 to 32767, even with 4:2:2 and 4:2:0.
    #[serde(deserialize_with = "crate::whole::number")]
    #[cfg_attr(
        feature = "openapi",
        schema(minimum = 16, maximum = 32767, examples(1280))
    )]
    pub width: u32,
    /// Lines in a frame, of both fields together if interlaced: 2 to 32767, even with 4:2:0. A frame
    /// has at most 268435456 bytes.
    #[serde(deserialize_with = "crate::whole::number")]
    #[cfg_attr(
        feature = "openapi",
        schema(minimum = 2, maximum = 32767, examples(720))
    )]
    pub height: u32,
    /// Frames a second as the exact ratio of ST 2110-20 §7.2: `60/1`, `60`, `30000/1001`.
    /// 1 to 120.
    #[serde(deserialize_with = "super::rate_text::frame_rate_text")]
    #[cfg_attr(
        feature = "openapi",
        schema(value_type = String, pattern = "^[1-9][0-9]{0,5}(/[1-9][0-9]{0,5})?$", examples("60/1"))
    )]
    pub frame_rate: String,
    /// Bits a sample: 8, 10, 12 or 16; 4:2:0 has no 16.
    #[serde(deserialize_with = "crate::whole::number")]
    #[cfg_attr(
        feature = "openapi",
        schema(minimum = 8, maximum = 16, multiple_of = 2, examples(10))
    )]
    pub depth: u32,
    /// With 16 bits: the samples are floating point numbers (`16f` of ST 2110-20); `false` when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub float: Option<bool>,
    /// Colour components; `YCbCr-4:2:2` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// Order of the lines; `progressive` when absent. With `interlaced` each buffer is a field, with
    /// `psf` a frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<Scan>,
    /// How a sender cuts lines into packets; `general` when absent. A receiver accepts both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packing: Option<Packing>,
    /// Largest UDP datagram that a sender makes in bytes, UDP header included: 576 to 8960, 1460
    /// when absent (ST 2110-10 §6.3). The port's MTU must allow it. A receiver accepts any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(minimum = 576, maximum = 8960))]
    pub max_udp: Option<u32>,
    /// Send: how the packets are spread, by the sender types of ST 2110-21 §7; `wide` when absent.
    /// Receive: the type that the sender says it is, by which its timing is judged; when absent, the
    /// packets show whether it is gapped or linear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_type: Option<SenderType>,
    /// TROFFSET of ST 2110-21 in microseconds, less than a frame: how long after a frame's time a receiver reads
    /// its first packet (`TROFF` in SDP); the default of the raster when absent. Send: frames start by
    /// it. Receive: what the sender says, by which its timing is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(maximum = 999_999, examples(638)))]
    pub tr_offset_us: Option<u32>,
    /// Most packets that the network model of ST 2110-21 may hold (`CMAX` in SDP); the limit of the sender
    /// type when absent. Send: the sender keeps to it; at most the limit of its type. Receive: what the
    /// sender says, by which its timing is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, examples(4)))]
    pub cmax: Option<u32>,
}

impl VideoDocument {
    /// How the packets are made and spread, for people: names and values.
    pub(crate) fn packet_rows(&self, direction: Direction) -> Vec<(&'static str, String)> {
        let mut rows = Vec::new();
        match direction {
            Direction::Send => {
                let packing = self.packing.unwrap_or_default();
                let max_udp = self.max_udp.unwrap_or(STANDARD_MAX_UDP.into());
                rows.push(("packing", format!("{packing}, UDP up to {max_udp} bytes")));
                let sender_type = self.sender_type.unwrap_or_default();
                rows.push(("sender type", sender_type.to_string()));
            }
            Direction::Receive => rows.extend(
                self.sender_type
                    .map(|it| ("sender type", format!("{it}, as its sender says"))),
            ),
        }
        let offset = self.tr_offset_us;
        rows.extend(offset.map(|us| ("TROFFSET", format!("{us} µs"))));
        rows.extend(
            self.cmax
                .map(|packets| ("CMAX", format!("{packets} packets"))),
        );
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

/// Addresses and payload type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", schema(as = Flow))]
pub struct FlowDocument {
    /// Destination of the packets, `IPv4:port`. Receive: the port's own address, or a multicast
    /// group, which the daemon joins. No group of 224.0.0.0/24; one of 232.0.0.0/8 needs a source.
    #[cfg_attr(
        feature = "openapi",
        schema(
            pattern = "^(2[0-3][0-9]|1[3-9][0-9]|12[0-689]|1[01][0-9]|[1-9][0-9]?)([.](25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}:(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})$",
            examples("10.77.0.2:5004")
        )
    )]
    pub destination: String,
    /// `IPv4` or `IPv4:port`. Send: the local address and UDP port (absent: the port's address, and
    /// the destination's UDP port). Receive: accept packets from this source only (absent: from any
    /// source; of a group, only this source is asked for).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(
            pattern = "^(22[0-3]|2[01][0-9]|1[3-9][0-9]|12[0-689]|1[01][0-9]|[1-9][0-9]?)([.](25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}(:(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}))?$",
            examples("10.77.0.1:5004")
        )
    )]
    pub source: Option<String>,
    /// Receive, instead of `source`: accept packets from these sources only, each `IPv4` or
    /// `IPv4:port`, 16 at most. Of a multicast group only these sources are asked for (IGMPv3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_items = 16, examples(json!(["10.77.0.1"]))))]
    pub sources: Option<Vec<String>>,
    /// Send: time to live of the packets, 1 to 255, 64 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 255))]
    pub ttl: Option<u32>,
    /// Send: differentiated services code point of the packets (RFC 2474): 0 to 63, 34 (AF41) when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(maximum = 63))]
    pub dscp: Option<u32>,
    /// RTP payload type, from the dynamic range (RFC 3551 §6): 96 to 127, 96 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(minimum = 96, maximum = 127))]
    pub payload_type: Option<u32>,
}

/// What is the default stays out: documents of older versions read the same.
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
        }
    }
}

impl From<Format> for VideoDocument {
    fn from(format: Format) -> Self {
        let Format::Video(video) = format;
        video.into()
    }
}

impl From<SessionSpec> for SpecDocument {
    fn from(spec: SessionSpec) -> Self {
        let sends = spec.direction == Direction::Send;
        let sources = spec.flow.sources.iter().map(ToString::to_string);
        let sources: Vec<_> = sources.collect();
        Self {
            name: spec.name.into(),
            direction: spec.direction,
            port: spec.port,
            video: spec.format.into(),
            flow: FlowDocument {
                destination: spec.flow.destination.to_string(),
                source: spec.flow.source.map(|s| s.to_string()),
                sources: (!sources.is_empty()).then_some(sources),
                ttl: sends.then_some(u32::from(spec.flow.ttl)),
                dscp: sends.then_some(u32::from(spec.flow.dscp)),
                payload_type: Some(u32::from(spec.flow.payload_type)),
            },
            convert: spec.convert,
            source: spec.source,
            quota: Some(spec.quota),
            max_attachments: Some(spec.max_attachments),
            priority: Some(u32::from(spec.priority)),
            frame_timeout_ms: spec.frame_timeout_ms,
            duration_ms: spec.duration_ms,
            persistent: spec.persistent.then_some(true),
        }
    }
}
