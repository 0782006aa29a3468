//! Receiving: arrival of packets, and the flows that a receive session takes.

pub(crate) mod arrival;
pub(crate) mod demux;
pub(crate) mod map;
pub(crate) mod target;

use std::net::SocketAddr;

use onair_api::FlowSource;

/// A destination, and the sources that count there; none of them means any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceivedFlow<'a> {
    /// The port's address or a multicast group, and the UDP port.
    pub destination: SocketAddr,
    /// Accepted sources.
    pub sources: &'a [FlowSource],
}

/// Whether sources `own` accept `source`.
#[inline]
pub(crate) fn admit(own: &[FlowSource], source: SocketAddr) -> bool {
    own.is_empty() || own.iter().any(|it| it.admits(source))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn source(last: u8, port: Option<u16>) -> FlowSource {
        FlowSource {
            address: [10, 0, 0, last].into(),
            port,
        }
    }
}
