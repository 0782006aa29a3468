//! The complete session specification as JSON. Only its shape is checked.

use onair_essence::FormatDocument;
use serde::{Deserialize, Serialize};

use super::{Convert, DescriptionNote, Direction, LegDocument, SessionSpec, Source};

/// The specification of a session as documents of the daemon have it: all that
/// [`NewSessionDocument`](super::NewSessionDocument) has, and of a converted session also what it has from its
/// source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecDocument {
    /// Unique among the live sessions.
    pub name: String,
    /// Direction of the packets, or that there are none.
    pub direction: Direction,
    /// Name of a port in the daemon's configuration; absent for a local session.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub port: String,
    /// Format of its units.
    #[serde(flatten)]
    pub format: FormatDocument,
    /// Addresses and payload type; absent for a local session.
    #[serde(default, skip_serializing_if = "FlowDocument::is_none")]
    pub flow: FlowDocument,
    /// The session whose frames are converted, and to what; absent for a session of packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convert: Option<Convert>,
    /// Send only: source of the frames; `client` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Frames that one attachment may hold on loan at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "onair_essence::whole::optional")]
    pub quota: Option<u32>,
    /// Attachments at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "onair_essence::whole::optional")]
    pub max_attachments: Option<u32>,
    /// Shutdown priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "onair_essence::whole::optional")]
    pub priority: Option<u32>,
    /// Receive only: close a frame as incomplete after this many milliseconds without a packet of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "onair_essence::whole::optional")]
    pub frame_timeout_ms: Option<u32>,
    /// The daemon stops the session this many milliseconds after its creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "onair_essence::whole::optional")]
    pub duration_ms: Option<u64>,
    /// Restore the session when the daemon restarts, unless a user destroyed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent: Option<bool>,
    /// Parts of its description that the session does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<DescriptionNote>,
    /// Place it also on a poller that has no room for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overcommit: Option<bool>,
    /// Destroy the session when the client that created it has gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_with_creator: Option<bool>,
    /// A controller's connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<String>,
}

/// Addresses and payload type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", schema(as = Flow))]
pub struct FlowDocument {
    /// Destination of the packets, `IPv4:port` or `[IPv6]:port`. Receive: the port's own address, or a
    /// multicast group, which the daemon joins. No group of 224.0.0.0/24 or of IPv6's scopes 0 to 2; one of
    /// 232.0.0.0/8 or ff3x::/32 needs a source.
    #[cfg_attr(
        feature = "openapi",
        schema(
            pattern = "^((2[0-3][0-9]|1[3-9][0-9]|12[0-689]|1[01][0-9]|[1-9][0-9]?)([.](25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}|\\[[0-9A-Fa-f:.]{2,45}\\]):(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})$",
            examples("10.77.0.2:5004")
        )
    )]
    pub destination: String,
    /// `IP`, `IPv4:port` or `[IPv6]:port`. Send: the local address and UDP port (absent: the port's address, and
    /// the destination's UDP port). Receive: accept packets from this source only (absent: from any
    /// source; of a group, only this source is asked for).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(
            pattern = "^([0-9A-Fa-f:]{2,39}|((22[0-3]|2[01][0-9]|1[3-9][0-9]|12[0-689]|1[01][0-9]|[1-9][0-9]?)([.](25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}|\\[[0-9A-Fa-f:.]{2,45}\\])(:(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}))?)$",
            examples("10.77.0.1:5004")
        )
    )]
    pub source: Option<String>,
    /// Receive, instead of `source`: accept packets from these sources only, written as
    /// `source`, 16 at most. Of a multicast group only these sources are asked for (IGMPv3, MLDv2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_items = 16, examples(json!(["10.77.0.1"]))))]
    pub sources: Option<Vec<String>>,
    /// Time to live of the packets, 1 to 255, 64 when absent. Receive: what the sender says, for `session sdp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "onair_essence::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 255))]
    pub ttl: Option<u32>,
    /// Send: differentiated services code point of the packets (RFC 2474): 0 to 63, 34 (AF41) when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "onair_essence::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(maximum = 63))]
    pub dscp: Option<u32>,
    /// RTP payload type: 96 to 127, 96 when absent. Receive: any but 72 to 76, which are RTCP's (RFC 3551 §6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "onair_essence::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(maximum = 127))]
    pub payload_type: Option<u32>,
    /// Ticks that the sender adds to its RTP timestamps (`mediaclk:direct=OFFSET` in SDP), such as one of Dante in
    /// AES67 mode; 0 when absent, as ST 2110 wants it. Receive: 0 is what the sender says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "onair_essence::whole::optional")]
    #[cfg_attr(
        feature = "openapi",
        schema(maximum = 4_294_967_295_u32, examples(2_911_906_980_u32))
    )]
    pub media_clock_offset: Option<u32>,
    /// Receive: the clock behind the sender's timestamps, as it is described (`ts-refclk` in SDP).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(
            pattern = "^[!-~ ]{1,80}$",
            examples("ptp=IEEE1588-2008:02-00-5E-FF-FE-00-00-01:127")
        )
    )]
    pub reference_clock: Option<String>,
    /// The second leg of the packets; with none the session has one leg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_leg: Option<LegDocument>,
}

impl FlowDocument {
    /// Whether it is that of a session without packets.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl From<SessionSpec> for SpecDocument {
    fn from(spec: SessionSpec) -> Self {
        let is_local = spec.is_local();
        let sends = spec.direction == Direction::Send;
        let sources = spec.flow.sources.iter().map(ToString::to_string);
        let sources: Vec<_> = sources.collect();
        // A sender always says 0.
        let offset = spec.flow.media_clock_offset.filter(|it| *it > 0 || !sends);
        let second = spec.flow.second;
        Self {
            name: spec.name.into(),
            direction: spec.direction,
            port: spec.port,
            format: spec.format.into(),
            flow: if is_local {
                FlowDocument::default()
            } else {
                FlowDocument {
                    destination: spec.flow.destination.to_string(),
                    source: spec.flow.source.map(|s| s.to_string()),
                    sources: (!sources.is_empty()).then_some(sources),
                    ttl: (sends || spec.flow.ttl != super::DEFAULT_TTL)
                        .then_some(spec.flow.ttl.into()),
                    dscp: sends.then_some(u32::from(spec.flow.dscp)),
                    payload_type: Some(u32::from(spec.flow.payload_type)),
                    media_clock_offset: offset,
                    reference_clock: spec.flow.reference_clock,
                    second_leg: second.map(|leg| LegDocument::of(leg, spec.direction)),
                }
            },
            convert: spec.convert,
            source: spec.source,
            quota: Some(spec.quota),
            max_attachments: Some(spec.max_attachments),
            priority: Some(u32::from(spec.priority)),
            frame_timeout_ms: spec.frame_timeout_ms,
            duration_ms: spec.duration_ms,
            persistent: spec.persistent.then_some(true),
            notes: spec.notes,
            overcommit: spec.overcommit.then_some(true),
            ends_with_creator: spec.ends_with_creator.then_some(true),
            connected: spec.connected,
        }
    }
}
