//! Counters of a port.

use std::os::fd::BorrowedFd;

use rustix::net::sockopt;

/// Counters of a port since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PortStats {
    /// Packets that the driver received.
    pub rx_packets: u64,
    /// Their bytes.
    pub rx_bytes: u64,
    /// Packets given to the device. They may still be lost: on a veth pair only the peer's counters
    /// show a loss.
    pub tx_packets: u64,
    /// Their bytes.
    pub tx_bytes: u64,
    /// Received packets that the device dropped for lack of room.
    pub rx_missed: u64,
    /// Received packets with errors.
    pub rx_errors: u64,
    /// Packets that were not sent because of an error.
    pub tx_errors: u64,
    /// How often the driver found the pool exhausted.
    pub rx_no_mbuf: u64,
    /// Of an AF_PACKET port: packets that the kernel dropped because the ring was full.
    pub ring_full: u64,
    /// Of an AF_XDP port: its sockets' own counters.
    pub xdp: Option<XdpStats>,
}

impl PortStats {
    /// Packets that arrived and were dropped before the poller had them, wherever that was counted.
    #[must_use]
    pub fn missed(&self) -> u64 {
        // The driver counts `xdp.rx_dropped` in `rx_missed`.
        let xdp = self.xdp.map_or(0, |xdp| xdp.rx_ring_full);
        self.rx_missed + self.rx_no_mbuf + self.ring_full + xdp
    }
}

/// Counters of an AF_XDP socket (`XDP_STATISTICS`, Linux
/// `Documentation/networking/af_xdp.rst`). Zero where the kernel is too old
/// (before 5.9) to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct XdpStats {
    /// Dropped for a reason not listed below. The driver shows only this one, as `rx_missed`.
    pub rx_dropped: u64,
    /// Descriptors in the fill ring that the kernel refused.
    pub rx_invalid: u64,
    /// Descriptors in the transmit ring that the kernel refused.
    pub tx_invalid: u64,
    /// Dropped because the receive ring was full: the poller was too late.
    pub rx_ring_full: u64,
    /// How often the kernel found no buffer in the fill ring.
    pub fill_ring_empty: u64,
    /// How often the kernel found nothing in the transmit ring.
    pub tx_ring_empty: u64,
}

impl XdpStats {
    /// The counters of all `sockets` together; `None` if there are none.
    pub(crate) fn sum<'a>(sockets: impl Iterator<Item = BorrowedFd<'a>>) -> Option<Self> {
        sockets.filter_map(Self::read).reduce(|a, b| Self {
            rx_dropped: a.rx_dropped + b.rx_dropped,
            rx_invalid: a.rx_invalid + b.rx_invalid,
            tx_invalid: a.tx_invalid + b.tx_invalid,
            rx_ring_full: a.rx_ring_full + b.rx_ring_full,
            fill_ring_empty: a.fill_ring_empty + b.fill_ring_empty,
            tx_ring_empty: a.tx_ring_empty + b.tx_ring_empty,
        })
    }

    /// Reads the socket's counters; `None` if it is not an AF_XDP socket.
    fn read(socket: BorrowedFd<'_>) -> Option<Self> {
        let read = sockopt::xdp_statistics(socket).ok()?;
        Some(Self {
            rx_dropped: read.rx_dropped,
            rx_invalid: read.rx_invalid_descs,
            tx_invalid: read.tx_invalid_descs,
            rx_ring_full: read.rx_ring_full.unwrap_or(0),
            fill_ring_empty: read.rx_fill_ring_empty_descs.unwrap_or(0),
            tx_ring_empty: read.tx_ring_empty_descs.unwrap_or(0),
        })
    }
}

impl From<&dpdk_sys::onair_port_stats> for PortStats {
    fn from(stats: &dpdk_sys::onair_port_stats) -> Self {
        Self {
            rx_packets: stats.rx_packets,
            rx_bytes: stats.rx_bytes,
            tx_packets: stats.tx_packets,
            tx_bytes: stats.tx_bytes,
            rx_missed: stats.rx_missed,
            rx_errors: stats.rx_errors,
            tx_errors: stats.tx_errors,
            rx_no_mbuf: stats.rx_no_mbuf,
            ring_full: 0,
            xdp: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packet_that_af_xdp_dropped_is_missed_once() {
        let xdp = XdpStats {
            rx_dropped: 3,
            rx_ring_full: 4,
            ..XdpStats::default()
        };
        let stats = PortStats {
            // DPDK's driver adds `rx_dropped` of its sockets.
            rx_missed: 3,
            rx_no_mbuf: 1,
            xdp: Some(xdp),
            ..PortStats::default()
        };
        assert_eq!(stats.missed(), 8);
    }
}
