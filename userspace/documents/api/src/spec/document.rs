//! Addresses of a session as JSON. Only their shape is checked.

use serde::{Deserialize, Serialize};

use super::LegDocument;

onair_essence::document! {
    /// Addresses and payload type.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
    #[serde(deny_unknown_fields)]
    #[cfg_attr(feature = "openapi", schema(as = Flow))]
    pub struct FlowDocument {
        /// Destination of the packets, `IPv4:port` or `[IPv6]:port`. Receive: the port's own address, or a
        /// multicast group, which the daemon joins. No group of 224.0.0.0/24 or of IPv6's scopes 0 to 2; one of
        /// 232.0.0.0/8 or ff3x::/32 needs a source.
        #[cfg_attr(feature = "openapi", schema(examples("10.77.0.2:5004"),
            pattern = "^((2[0-3][0-9]|1[3-9][0-9]|12[0-689]|1[01][0-9]|[1-9][0-9]?)([.](25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}|\\[[0-9A-Fa-f:.]{2,45}\\]):(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})$"))]
        pub destination: String,
        /// `IP`, `IPv4:port` or `[IPv6]:port`. Send: the local address and UDP port (absent: the port's address, and
        /// the destination's UDP port). Receive: accept packets from this source only (absent: from any
        /// source; of a group, only this source is asked for).
        #[cfg_attr(feature = "openapi", schema(examples("10.77.0.1:5004"),
            pattern = "^([0-9A-Fa-f:]{2,39}|((22[0-3]|2[01][0-9]|1[3-9][0-9]|12[0-689]|1[01][0-9]|[1-9][0-9]?)([.](25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}|\\[[0-9A-Fa-f:.]{2,45}\\])(:(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}))?)$"))]
        pub source: Option<String>,
        /// Receive, instead of `source`: accept packets from these sources only, written as
        /// `source`, 16 at most. Of a multicast group only these sources are asked for (IGMPv3, MLDv2).
        #[cfg_attr(feature = "openapi", schema(max_items = 16, examples(json!(["10.77.0.1"]))))]
        pub sources: Option<Vec<String>>,
        /// Time to live of the packets, 1 to 255, 64 when absent. Receive: what the sender says, for `session sdp`.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 255))]
        pub ttl: Option<u32>,
        /// Send: differentiated services code point of the packets (RFC 2474): 0 to 63, 34 (AF41) when
        /// absent.
        #[cfg_attr(feature = "openapi", schema(maximum = 63))]
        pub dscp: Option<u32>,
        /// RTP payload type: 96 to 127, 96 when absent. Receive: any but 72 to 76, which are RTCP's (RFC 3551 §6).
        #[cfg_attr(feature = "openapi", schema(maximum = 127))]
        pub payload_type: Option<u32>,
        /// Ticks that the sender adds to its RTP timestamps (`mediaclk:direct=OFFSET` in SDP), such as one of Dante in
        /// AES67 mode; 0 when absent, as ST 2110 wants it. Receive: 0 is what the sender says.
        #[cfg_attr(feature = "openapi", schema(maximum = 4_294_967_295_u32, examples(2_911_906_980_u32)))]
        pub media_clock_offset: Option<u32>,
        /// Receive: the clock behind the sender's timestamps, as it is described (`ts-refclk` in SDP).
        #[cfg_attr(feature = "openapi", schema(pattern = "^[!-~ ]{1,80}$", examples("ptp=IEEE1588-2008:02-00-5E-FF-FE-00-00-01:127")))]
        pub reference_clock: Option<String>,
        /// The second leg of the packets; with none the session has one leg.
        pub second_leg: Option<LegDocument>,
    }
}

impl FlowDocument {
    /// Whether it is that of a session without packets.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}
