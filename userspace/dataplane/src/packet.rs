//! A received datagram.

use onair_net::datagram::Datagram;

/// Packets taken from a port in one burst.
pub(super) const RX_BURST: usize = 32;

/// A received datagram, and the Ethernet frame that carried it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'a> {
    pub(super) datagram: Datagram<'a>,
    pub(super) frame: &'a [u8],
    /// Its place in the burst.
    pub(super) at: usize,
}
