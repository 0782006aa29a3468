//! Addresses and payload type of a session's packets.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use onair_net::igmp::is_joinable;

use onair_essence::legs::Class;
use onair_essence::rtp::PayloadTypes;

use super::invalid::{Invalid, shown};

/// Addresses and payload type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Destination of the packets: a unicast address or a multicast group, a UDP port other than 0.
    pub destination: SocketAddr,
    /// Source of the packets. Send: the local address and UDP port, `None` for the port's address
    /// and the destination's UDP port. Receive: a filter, `None` for any source.
    pub source: Option<FlowSource>,
    /// Receive, instead of `source`: up to [`MAX_SOURCES`] of which packets are accepted.
    pub sources: Vec<FlowSource>,
    /// RTP payload type: 96 to 127. A second leg may have its own.
    pub payload_type: u8,
    /// Time to live of the packets, at least 1. Receive: what the sender says.
    pub ttl: u8,
    /// Send: differentiated services code point of the packets, at most [`MAX_DSCP`].
    pub dscp: u8,
    /// Offset that the sender adds to its RTP timestamps, in ticks (`mediaclk:direct` in SDP); `None`: none is
    /// declared.
    pub media_clock_offset: Option<u32>,
    /// Receive: the clock behind the sender's timestamps, as it is described.
    pub reference_clock: Option<String>,
    /// The second leg (ST 2022-7), if it has two.
    pub second: Option<SecondLeg>,
}

impl Flow {
    /// Of a session without packets.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            destination: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
            source: None,
            sources: Vec::new(),
            payload_type: super::DEFAULT_PAYLOAD_TYPE,
            ttl: DEFAULT_TTL,
            dscp: DEFAULT_DSCP,
            media_clock_offset: None,
            reference_clock: None,
            second: None,
        }
    }

    /// The sources that a receive session accepts packets from; if there are none, every one.
    pub fn accepted(&self) -> impl Iterator<Item = FlowSource> {
        self.source.into_iter().chain(self.sources.iter().copied())
    }

    /// The destination of each leg.
    pub fn destinations(&self) -> impl Iterator<Item = SocketAddr> {
        let second = self.second.iter().map(|it| it.destination);
        std::iter::once(self.destination).chain(second)
    }

    /// RTP payload type of each leg.
    #[must_use]
    pub fn payload_types(&self) -> PayloadTypes {
        let second = self.second.as_ref().and_then(|it| it.payload_type);
        PayloadTypes {
            first: self.payload_type,
            second: second.unwrap_or(self.payload_type),
        }
    }

    /// The multicast group that the packets go to.
    #[must_use]
    pub fn group(&self) -> Option<IpAddr> {
        let address = self.destination.ip();
        address.is_multicast().then_some(address)
    }
}

/// The second leg of a session, checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecondLeg {
    /// Name of its port.
    pub port: String,
    /// As [`Flow::destination`].
    pub destination: SocketAddr,
    /// As [`Flow::source`].
    pub source: Option<FlowSource>,
    /// As [`Flow::sources`].
    pub sources: Vec<FlowSource>,
    /// Its RTP payload type, 96 to 127; `None`: the first leg's.
    pub payload_type: Option<u8>,
    /// Receive: how far the legs may be apart.
    pub class: Class,
}

impl SecondLeg {
    /// The sources that a receive session accepts packets from on this leg; if there are none, every one.
    pub fn accepted(&self) -> impl Iterator<Item = FlowSource> {
        self.source.into_iter().chain(self.sources.iter().copied())
    }

    /// The multicast group that the packets go to.
    #[must_use]
    pub fn group(&self) -> Option<IpAddr> {
        let address = self.destination.ip();
        address.is_multicast().then_some(address)
    }
}

/// Most sources of a receive session.
pub const MAX_SOURCES: usize = 16;
/// Time to live of sent packets when absent: what descriptions of ST 2110 senders have in practice.
pub const DEFAULT_TTL: u8 = 64;
/// Code point of sent packets when absent: AF41, AES67's for media.
pub const DEFAULT_DSCP: u8 = 34;
/// Highest code point (RFC 2474 §3).
pub const MAX_DSCP: u8 = 63;

/// An address with or without a UDP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowSource {
    /// Unicast address.
    pub address: IpAddr,
    /// UDP port, never 0; `None`: any (receive), the destination's (send).
    pub port: Option<u16>,
}

impl FlowSource {
    /// Whether packets from this sender are of the source.
    #[must_use]
    pub fn admits(&self, sender: SocketAddr) -> bool {
        sender.ip() == self.address && self.port.is_none_or(|port| port == sender.port())
    }

    /// Whether both admit some packet.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        let is_same = |(own, other)| own == other;
        self.address == other.address && self.port.zip(other.port).is_none_or(is_same)
    }
}

impl fmt::Display for FlowSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.address, port).fmt(f),
            None => self.address.fmt(f),
        }
    }
}

/// Parses `IP:port`.
pub(super) fn parse_destination(text: &str) -> Result<SocketAddr, Invalid> {
    let socket = text.parse::<SocketAddr>();
    let socket = socket.map_err(|_| Invalid::Destination(shown(text)))?;
    if is_group(socket.ip())? {
        return with_port(text, socket, "");
    }
    checked(text, socket, "")
}

/// Parses `IP` or `IP:port`.
pub(super) fn parse_source(text: &str) -> Result<FlowSource, Invalid> {
    if let Ok(address) = text.parse::<IpAddr>() {
        unicast(address)?;
        return Ok(FlowSource {
            address,
            port: None,
        });
    }
    let socket = text.parse();
    let socket = socket.map_err(|_| Invalid::FlowSource(shown(text)))?;
    let socket = checked(text, socket, " or leave it out")?;
    Ok(FlowSource {
        address: socket.ip(),
        port: Some(socket.port()),
    })
}

fn checked(text: &str, socket: SocketAddr, or: &'static str) -> Result<SocketAddr, Invalid> {
    unicast(socket.ip())?;
    with_port(text, socket, or)
}

/// Whether it is a group, and one that routers forward.
fn is_group(address: IpAddr) -> Result<bool, Invalid> {
    let is_of_a_link = match address {
        IpAddr::V4(address) => matches!(address.octets(), [224, 0, 0, _]),
        IpAddr::V6(address) => address.is_multicast() && !is_joinable(address.into()),
    };
    if is_of_a_link {
        return Err(Invalid::LinkLocalGroup(address));
    }
    Ok(address.is_multicast())
}

fn with_port(text: &str, socket: SocketAddr, or: &'static str) -> Result<SocketAddr, Invalid> {
    if socket.port() == 0 {
        let text = text.to_owned();
        return Err(Invalid::PortZero { text, or });
    }
    match socket {
        SocketAddr::V6(it) if it.scope_id() != 0 => Err(Invalid::Zone(shown(text))),
        _ => Ok(socket),
    }
}

fn unicast(address: IpAddr) -> Result<(), Invalid> {
    let why = match address {
        IpAddr::V4(address) => why_not_unicast(address),
        IpAddr::V6(address) => why_not_unicast_ipv6(address),
    };
    match why {
        None => Ok(()),
        Some(why) => Err(Invalid::NotUnicast { address, why }),
    }
}

const MULTICAST: &str = "a multicast group";
const LOOPBACK: &str = "a loopback address, which never reaches a port";

fn why_not_unicast(address: Ipv4Addr) -> Option<&'static str> {
    let why = if address.is_multicast() {
        MULTICAST
    } else if address.is_broadcast() {
        "the broadcast address"
    } else if address.octets()[0] == 0 {
        "an address of \"this network\""
    } else if address.octets()[0] >= 240 {
        "a reserved address"
    } else if address.is_loopback() {
        LOOPBACK
    } else {
        return None;
    };
    Some(why)
}

fn why_not_unicast_ipv6(address: Ipv6Addr) -> Option<&'static str> {
    let why = if address.is_multicast() {
        MULTICAST
    } else if address.is_unspecified() {
        "the unspecified address"
    } else if address.is_loopback() {
        LOOPBACK
    } else if address.to_ipv4_mapped().is_some() {
        "an IPv4 address in the form of IPv6, which no packet has"
    } else {
        return None;
    };
    Some(why)
}

/// Whether sources are of the family of their destination.
pub(super) fn check_family<'a>(
    destination: SocketAddr,
    sources: impl IntoIterator<Item = &'a FlowSource>,
) -> Result<(), Invalid> {
    let other = |it: &&FlowSource| it.address.is_ipv6() != destination.is_ipv6();
    match sources.into_iter().find(other) {
        None => Ok(()),
        Some(source) => Err(Invalid::OtherFamily {
            from: source.address,
            to: destination.ip(),
        }),
    }
}
