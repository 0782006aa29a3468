//! Addresses and payload type of a session's packets.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::invalid::{Invalid, shown};

/// Addresses and payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Destination of the packets: a unicast address, a UDP port other than 0.
    pub destination: SocketAddrV4,
    /// Source of the packets. Send: the local address and UDP port, `None` for the port's address
    /// and the destination's UDP port. Receive: a filter, `None` for any source.
    pub source: Option<FlowSource>,
    /// RTP payload type: 96 to 127.
    pub payload_type: u8,
}

/// An address with or without a UDP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowSource {
    /// Unicast address.
    pub address: Ipv4Addr,
    /// UDP port, never 0; `None`: any (receive), the destination's (send).
    pub port: Option<u16>,
}

impl fmt::Display for FlowSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.address),
            None => self.address.fmt(f),
        }
    }
}

/// Parses `IPv4:port`.
pub(super) fn parse_destination(text: &str) -> Result<SocketAddrV4, Invalid> {
    let socket = text.parse();
    let socket = socket.map_err(|_| Invalid::Destination(shown(text)))?;
    checked(text, socket, "")
}

/// Parses `IPv4` or `IPv4:port`.
pub(super) fn parse_source(text: &str) -> Result<FlowSource, Invalid> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
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
        address: *socket.ip(),
        port: Some(socket.port()),
    })
}

fn checked(text: &str, socket: SocketAddrV4, or: &'static str) -> Result<SocketAddrV4, Invalid> {
    unicast(*socket.ip())?;
    if socket.port() == 0 {
        let text = text.to_owned();
        return Err(Invalid::PortZero { text, or });
    }
    Ok(socket)
}

fn unicast(address: Ipv4Addr) -> Result<(), Invalid> {
    let why = if address.is_multicast() {
        "a multicast group, and this version does not join groups"
    } else if address.is_broadcast() {
        "the broadcast address"
    } else if address.octets()[0] == 0 {
        "an address of \"this network\""
    } else if address.octets()[0] >= 240 {
        "a reserved address"
    } else if address.is_loopback() {
        "a loopback address, which never reaches a port"
    } else {
        return Ok(());
    };
    Err(Invalid::NotUnicast { address, why })
}
