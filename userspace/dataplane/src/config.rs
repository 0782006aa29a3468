//! Configuration of the dataplane, and why it is rejected.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use onair_dpdk::{EalConfig, XdpChoice};
use onair_net::vlan::Vlan;

/// Configuration of the dataplane. It does not change after the start.
#[derive(Debug, Clone)]
pub struct DataplaneConfig {
    /// EAL arguments.
    pub eal: EalConfig,
    /// The ports. All are opened.
    pub ports: Vec<PortSpec>,
    /// The polling threads. All are started.
    pub pollers: Vec<PollerSpec>,
    /// How long to wait for a previous owner to release a port's queue.
    pub port_busy: Duration,
    /// Where it is written what a port puts on an interface when it is opened again.
    pub journal: Arc<dyn PortJournal>,
}

/// Remembers what a port puts on its interface, so that it is undone also after the process died.
pub trait PortJournal: std::fmt::Debug + Send + Sync {
    /// The port is about to be opened, perhaps on another interface of that name than before.
    fn before_open(&self, port: &PortSpec);
    /// It is open.
    fn after_open(&self, port: &PortSpec);
}

/// A port to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSpec {
    /// Name, unique among the ports.
    pub name: String,
    /// Device string, see [`onair_dpdk::PortConfig::device`].
    pub device: String,
    /// Network namespace under `/run/netns` that contains the interface.
    pub netns: Option<String>,
    /// Where the XDP program of a port on AF_XDP runs.
    pub xdp: XdpChoice,
    /// Largest IP packet in bytes, see [`onair_dpdk::PortConfig::mtu`].
    pub mtu: Option<u16>,
    /// Packets of each receive ring, see [`onair_dpdk::PortConfig::rx_ring`].
    pub rx_ring: Option<u16>,
    /// IPv4 address and prefix length of the port, 0 to 32.
    pub address: (Ipv4Addr, u8),
    /// Its VLAN; `None` for frames without a tag.
    pub vlan: Option<Vlan>,
    /// Where packets to other networks go: a router in the port's network.
    pub gateway: Option<Ipv4Addr>,
    /// Indices of its pollers in [`DataplaneConfig::pollers`]: at least one. Each has a receive and a
    /// transmit queue of its own, as far as the device has so many.
    pub pollers: Vec<usize>,
}

/// A polling thread to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollerSpec {
    /// Name. The thread's name has its first nine bytes.
    pub name: String,
    /// CPU that the thread is pinned to.
    pub core: usize,
    /// What it does when idle.
    pub idle: Idle,
    /// How an adaptive poller rests.
    pub rest: Rest,
}

/// How an idle adaptive poller rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// Time to spin after the last work: packets come in trains.
    pub spin: Duration,
    /// Time that a wake-up takes. The poller spins, not sleeps, until a due time that is nearer.
    pub wake: Duration,
    /// Longest sleep if no descriptor reports packets.
    pub nap: Duration,
}

impl Default for Rest {
    fn default() -> Self {
        Self {
            spin: Duration::from_micros(20),
            wake: Duration::from_micros(60),
            nap: Duration::from_millis(1),
        }
    }
}

/// What an idle poller does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Idle {
    /// Spins for some microseconds, then sleeps until a packet, a command or a due time.
    #[default]
    Adaptive,
    /// Always spins: the core is at 100 %.
    Busy,
}

/// An open port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortInfo {
    /// Name in the configuration.
    pub name: String,
    /// Device string in the configuration.
    pub device: String,
    /// Namespace in the configuration.
    pub netns: Option<String>,
    /// DPDK's driver name.
    pub driver: String,
    /// Ethernet address.
    pub mac: [u8; 6],
    /// IPv4 address and prefix length.
    pub address: (Ipv4Addr, u8),
    /// Its VLAN; `None` for frames without a tag.
    pub vlan: Option<Vlan>,
    /// Router for other networks.
    pub gateway: Option<Ipv4Addr>,
    /// Indices of its pollers.
    pub pollers: Vec<usize>,
    /// Its pairs of a receive and a transmit queue: the first so many pollers have one each.
    pub queues: u16,
    /// Whether the device puts a flow into the queue of the poller that runs its session.
    pub steers: bool,
    /// Largest IP packet in bytes.
    pub mtu: u16,
}

impl PortInfo {
    /// The neighbour that gets unicast packets to `address`: itself, or the gateway. `None` if it is in
    /// another network and there is no gateway.
    #[must_use]
    pub fn next_hop(&self, address: Ipv4Addr) -> Option<Ipv4Addr> {
        if address.is_multicast() || self.is_on_link(address) {
            return Some(address);
        }
        self.gateway
    }

    /// Whether `address` is the broadcast address of the port's network, or the limited one.
    #[must_use]
    pub fn is_broadcast(&self, address: Ipv4Addr) -> bool {
        let (_, prefix) = self.address;
        let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
        let has_broadcast = prefix < 31 && self.is_on_link(address);
        address.is_broadcast() || (has_broadcast && address.to_bits() & host == host)
    }

    /// Whether `address` is in the port's own network, so that ARP can resolve it.
    #[must_use]
    pub fn is_on_link(&self, address: Ipv4Addr) -> bool {
        let (own, prefix) = self.address;
        let mask = u32::MAX
            .checked_shl(32 - u32::from(prefix.min(32)))
            .unwrap_or(0);
        own.to_bits() & mask == address.to_bits() & mask
    }
}

/// Why a poller did not start.
#[derive(Debug, thiserror::Error)]
pub enum PollerNotStarted {
    /// The process may not use the core.
    #[error("cannot pin to core {0}: choose a core that the process may use")]
    Core(usize),
    /// DPDK refuses the thread.
    #[error(transparent)]
    Register(#[from] onair_dpdk::Error),
    /// The thread panicked.
    #[error("its thread ended")]
    Ended,
}

/// Why the dataplane did not start or stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum DataplaneError {
    /// Two ports have the same name.
    #[error("two ports are named {0:?}: give each its own name")]
    PortTwice(String),
    /// A port names no poller, or one twice.
    #[error("port {0:?} needs at least one poller, and each only once")]
    Pollers(String),
    /// A port names a poller that does not exist.
    #[error("port {port:?} names poller {poller}, but there are {pollers}")]
    UnknownPoller {
        /// The port's name.
        port: String,
        /// The poller's index.
        poller: usize,
        /// Number of pollers.
        pollers: usize,
    },
    /// A prefix length is out of range.
    #[error("port {port:?} has the prefix length {prefix}: give one from 0 to 32")]
    Prefix {
        /// The port's name.
        port: String,
        /// The prefix length.
        prefix: u8,
    },
    /// DPDK did not start or stop.
    #[error(transparent)]
    Eal(onair_dpdk::Error),
    /// A port did not open.
    #[error("port {port:?}: {source}")]
    Port {
        /// The port's name.
        port: String,
        /// DPDK's error.
        source: onair_dpdk::Error,
    },
    /// A port did not close.
    #[error("port {port:?} did not close: {source}")]
    Close {
        /// The port's name.
        port: String,
        /// DPDK's error.
        source: onair_dpdk::CloseError,
    },
    /// A poller did not start.
    #[error("poller {poller:?} did not start: {reason}")]
    Poller {
        /// The poller's name.
        poller: String,
        /// The reason.
        reason: PollerNotStarted,
    },
    /// A system call failed.
    #[error("cannot {what}: {source}")]
    System {
        /// The operation.
        what: &'static str,
        /// The kernel's error.
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(prefix: u8) -> PortInfo {
        PortInfo {
            name: "a".into(),
            device: "ring:w:a".into(),
            netns: None,
            driver: "net_ring".into(),
            mac: [2; 6],
            address: (Ipv4Addr::new(10, 1, 2, 3), prefix),
            vlan: None,
            gateway: None,
            pollers: vec![0],
            queues: 1,
            steers: false,
            mtu: 1500,
        }
    }

    #[test]
    fn port_address_of_all_then_broadcast() {
        let address = |last| Ipv4Addr::new(10, 1, 2, last);
        assert!(port(24).is_broadcast(address(255)) && !port(24).is_broadcast(address(3)));
        assert!(!port(31).is_broadcast(address(3)) && !port(32).is_broadcast(address(255)));
        assert!(port(24).is_broadcast(Ipv4Addr::BROADCAST));
        assert!(!port(24).is_broadcast(Ipv4Addr::new(10, 9, 9, 255)));
    }

    #[test]
    fn next_hop_is_the_neighbour_itself_or_the_gateway() {
        let near = Ipv4Addr::new(10, 1, 2, 200);
        let far = Ipv4Addr::new(10, 1, 3, 3);
        let gateway = Ipv4Addr::new(10, 1, 2, 254);
        let routed = PortInfo {
            gateway: Some(gateway),
            ..port(24)
        };
        let group = Ipv4Addr::new(239, 1, 2, 3);
        for port in [&port(24), &routed] {
            assert_eq!(port.next_hop(near), Some(near));
            assert_eq!(port.next_hop(group), Some(group));
        }
        assert_eq!(
            (port(24).next_hop(far), routed.next_hop(far)),
            (None, Some(gateway))
        );
    }

    #[test]
    fn port_address_on_link_then_by_prefix() {
        let near = Ipv4Addr::new(10, 1, 2, 200);
        let far = Ipv4Addr::new(10, 1, 3, 3);
        assert!(port(24).is_on_link(near) && !port(24).is_on_link(far));
        assert!(port(0).is_on_link(Ipv4Addr::new(192, 0, 2, 1)));
        assert!(!port(32).is_on_link(near) && port(32).is_on_link(Ipv4Addr::new(10, 1, 2, 3)));
    }
}
