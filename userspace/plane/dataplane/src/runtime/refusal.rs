//! Why a session cannot be created or started on the dataplane.

use std::net::IpAddr;

use onair_essence::{NotSendable, STANDARD_MAX_UDP};

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
    /// The format does not fit packets of the port's MTU, or the session's source.
    #[error(transparent)]
    Format(#[from] NotSendable),
    /// The port does not take datagrams of the wanted size.
    #[error(
        "datagrams of {max_udp} bytes are IP packets of {needed}, and port {port} has an MTU of {mtu}: give \
         the port and its network an MTU of at least {needed}, or lower max_udp to {}",
        u32::from(*mtu) + u32::from(*max_udp) - needed
    )]
    MaxUdp {
        /// The wanted size, UDP header included.
        max_udp: u16,
        /// Name of the port.
        port: String,
        /// The port's MTU: its largest IP packet in bytes.
        mtu: u16,
        /// The IP packet of such a datagram in bytes.
        needed: u32,
    },
    /// The kernel returned no random numbers.
    #[error("cannot get random numbers: {0}")]
    Random(std::io::Error),
}

impl RuntimeError {
    /// Checks that datagrams of `max_udp` bytes fit the port's MTU behind IP headers of `ip_bytes`. With the
    /// standard size, packets are as large as the port allows.
    ///
    /// # Errors
    /// [`Self::MaxUdp`].
    pub(crate) fn check_max_udp(
        max_udp: u16,
        ip_bytes: u16,
        port: &str,
        mtu: u16,
    ) -> Result<(), Self> {
        let needed = u32::from(max_udp) + u32::from(ip_bytes);
        if max_udp <= STANDARD_MAX_UDP || needed <= mtu.into() {
            return Ok(());
        }
        Err(Self::MaxUdp {
            max_udp,
            port: port.to_owned(),
            mtu,
            needed,
        })
    }
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
    /// Packets to this destination do not reach the port.
    #[error("{destination} is neither the address of port {port:?} nor a multicast group")]
    NotOurs {
        /// The flow's destination.
        destination: IpAddr,
        /// Name of the port.
        port: String,
    },
    /// ARP on this port cannot resolve the destination.
    #[error(
        "{destination} is neither in the network of port {port:?} nor a multicast group, and the port has no gateway"
    )]
    NotOnLink {
        /// The flow's destination.
        destination: IpAddr,
        /// Name of the port.
        port: String,
    },
}
