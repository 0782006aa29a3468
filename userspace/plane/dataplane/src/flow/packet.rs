//! A received datagram.

use onair_net::datagram::Datagram;

/// Packets taken from a port in one burst.
pub(crate) const RX_BURST: usize = 32;

/// A received datagram, and the Ethernet frame that carried it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet<'a> {
    pub(crate) datagram: Datagram<'a>,
    pub(crate) frame: &'a [u8],
    /// Its place in the burst.
    pub(crate) at: usize,
}
