//! Why a session cannot be created or started on the dataplane.

use std::net::{Ipv4Addr, SocketAddrV4};

use onair_media::pattern::PatternError;
use onair_media::st2110_20::PacketiseError;

/// Why a runtime cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The memory's frames are smaller than the format needs.
    #[error("the memory has frames of {have} bytes, but the format needs {need}")]
    FrameBytes {
        /// Frame size of the memory in bytes.
        have: usize,
        /// Frame size of the format in bytes.
        need: usize,
    },
    /// The assembler fills two frames at once.
    #[error("the memory has {0} frames: give 2 plus the quota of each attachment")]
    FrameCount(u32),
    /// The format does not fit packets of the port's MTU.
    #[error(transparent)]
    Packets(#[from] PacketiseError),
    /// The port does not take datagrams of the wanted size.
    #[error(
        "datagrams of {max_udp} bytes are IP packets of {}, and port {port} takes {most} at most: lower \
         max_udp, or leave it out",
        u32::from(*max_udp) + 20
    )]
    MaxUdp {
        /// The wanted size, UDP header included.
        max_udp: u16,
        /// Name of the port.
        port: String,
        /// Largest IP packet in bytes: by the MTU, and by the port's packet buffers.
        most: u16,
    },
    /// The pattern does not fit the format.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The kernel returned no random numbers.
    #[error("cannot get random numbers: {0}")]
    Random(std::io::Error),
}

/// Why a session cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartRefusal {
    /// The poller has no port with this name.
    #[error("poller has no port {0:?}")]
    UnknownPort(String),
    /// The poller already runs this session.
    #[error("session {0:016x} is already running")]
    Twice(u64),
    /// Another session receives this flow.
    #[error("another session of the port receives {0}")]
    FlowInUse(SocketAddrV4),
    /// Packets to this destination do not reach the port.
    #[error("{destination} is neither the address of port {port:?} nor a multicast group")]
    NotOurs {
        /// The flow's destination.
        destination: Ipv4Addr,
        /// Name of the port.
        port: String,
    },
    /// ARP on this port cannot resolve the destination.
    #[error(
        "{destination} is neither in the network of port {port:?} nor a multicast group, and the port has no gateway"
    )]
    NotOnLink {
        /// The flow's destination.
        destination: Ipv4Addr,
        /// Name of the port.
        port: String,
    },
}
