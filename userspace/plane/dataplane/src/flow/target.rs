//! The addresses and the timing of a session's packets, as far as they change while the session exists.

use std::net::SocketAddr;

use onair_api::FlowSource;
use onair_essence::Format;
use onair_essence::rtp::PayloadTypes;
use onair_net::{ipv4, ipv6};

use crate::flow::ReceivedFlow;

/// Where a session's packets come from and go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowTarget {
    /// Receive: the port's address or a multicast group. Send: a host or a multicast group. With
    /// the UDP port.
    pub destination: SocketAddr,
    /// RTP payload type, 0 to 127.
    pub payload_type: u8,
    /// Offset that the sender adds to its RTP timestamps, in ticks.
    pub media_clock_offset: u32,
    /// Receive: accepted sources; if there are none, every one.
    pub sources: Vec<FlowSource>,
    /// Send: source UDP port.
    pub source_port: u16,
    /// Send: time to live of its packets.
    pub ttl: u8,
    /// Send: DSCP of its packets, 0 to 63.
    pub dscp: u8,
    /// Format of the session; only the way its packets are sent may differ.
    pub format: Format,
    /// The second leg, of a session that has two.
    pub second: Option<LegTarget>,
}

/// When a session gets a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwitchTime {
    /// Not before this time: CLOCK_MONOTONIC, ns.
    pub from_ns: u64,
    /// Receive: a unit of the new flow with a media time before this one (ns of TAI) was in transit then, and its rest is
    /// left out. Senders that follow another clock have no media time.
    pub unit_tai_ns: Option<u64>,
}

/// Where the packets of a second leg (ST 2022-7) come from and go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegTarget {
    /// As [`FlowTarget::destination`], at the leg's port.
    pub destination: SocketAddr,
    /// Receive: accepted sources; if there are none, every one.
    pub sources: Vec<FlowSource>,
    /// Send: source UDP port.
    pub source_port: u16,
    /// RTP payload type, 0 to 127.
    pub payload_type: u8,
}

/// Bytes of the largest IP header of packets to these destinations.
pub(crate) fn ip_bytes(destinations: impl IntoIterator<Item = SocketAddr>) -> u16 {
    let is_ipv6 = destinations.into_iter().any(|it| it.is_ipv6());
    let bytes = if is_ipv6 {
        ipv6::HEADER_BYTES
    } else {
        ipv4::HEADER_BYTES
    };
    u16::try_from(bytes).expect("a few dozen")
}

/// RTP payload type of the packets of each leg.
pub(crate) fn payload_types(first: u8, second: Option<&LegTarget>) -> PayloadTypes {
    PayloadTypes {
        first,
        second: second.map_or(first, |it| it.payload_type),
    }
}

impl LegTarget {
    /// The flow that a receive session with this target takes at the leg's port.
    #[must_use]
    pub fn received(&self) -> ReceivedFlow<'_> {
        ReceivedFlow {
            destination: self.destination,
            sources: &self.sources,
        }
    }
}

impl FlowTarget {
    /// RTP payload type of the packets of each leg.
    pub(crate) fn payload_types(&self) -> PayloadTypes {
        payload_types(self.payload_type, self.second.as_ref())
    }

    /// The flow of each leg of a receive session with this target.
    #[must_use]
    pub fn legs(&self) -> [Option<ReceivedFlow<'_>>; 2] {
        let first = ReceivedFlow {
            destination: self.destination,
            sources: &self.sources,
        };
        [Some(first), self.second.as_ref().map(LegTarget::received)]
    }
}
