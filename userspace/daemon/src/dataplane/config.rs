//! What the dataplane is made of, and why it cannot be.

use std::net::Ipv4Addr;
use std::time::Duration;

use onair_dpdk::EalConfig;

/// Everything that the dataplane needs to know at its start; it does not change after.
#[derive(Debug, Clone)]
pub struct DataplaneConfig {
    /// DPDK's own configuration.
    pub eal: EalConfig,
    /// The ports, all of which are opened.
    pub ports: Vec<PortSpec>,
    /// The polling threads, all of which are started.
    pub pollers: Vec<PollerSpec>,
    /// How long a port's queue may still be busy with whoever had it before.
    pub port_busy: Duration,
}

/// A port to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSpec {
    /// Name, unique among the ports.
    pub name: String,
    /// Device string, see [`onair_dpdk::PortConfig::device`].
    pub device: String,
    /// Network namespace under `/run/netns` that the interface is in.
    pub netns: Option<String>,
    /// The port's IPv4 address and the length of its network's prefix, 0 to 32.
    pub address: (Ipv4Addr, u8),
    /// Index of its poller in [`DataplaneConfig::pollers`].
    pub poller: usize,
}

/// A polling thread to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollerSpec {
    /// Name, of which the thread shows the first nine bytes.
    pub name: String,
    /// CPU that it is pinned to.
    pub core: usize,
    /// What it does when there is nothing to do.
    pub idle: Idle,
    /// How an adaptive one rests.
    pub rest: Rest,
}

/// How an adaptive poller rests when there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// So long it spins after the last thing it did: packets come in trains.
    pub spin: Duration,
    /// Waking up takes so long; a due time that is nearer is waited for by spinning.
    pub wake: Duration,
    /// Longest sleep where no descriptor tells of packets.
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

/// What a poller does when there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Idle {
    /// Spins for some microseconds, then sleeps until a packet, a command or a due time.
    #[default]
    Adaptive,
    /// Spins always: the core is at 100 %.
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
    /// DPDK's name of the driver.
    pub driver: String,
    /// Ethernet address.
    pub mac: [u8; 6],
    /// IPv4 address and prefix length.
    pub address: (Ipv4Addr, u8),
    /// Index of its poller.
    pub poller: usize,
    /// Largest IP packet in bytes.
    pub mtu: u16,
}

impl PortInfo {
    /// Whether `address` is in the port's own network, so that it can be asked for with ARP.
    #[must_use]
    pub fn is_on_link(&self, address: Ipv4Addr) -> bool {
        let (own, prefix) = self.address;
        let mask = u32::MAX
            .checked_shl(32 - u32::from(prefix.min(32)))
            .unwrap_or(0);
        own.to_bits() & mask == address.to_bits() & mask
    }
}

/// Why the dataplane did not start, or did not end cleanly.
#[derive(Debug, thiserror::Error)]
pub enum DataplaneError {
    /// Two ports of one name.
    #[error("two ports are named {0:?}: give each a name of its own")]
    PortTwice(String),
    /// A port without a poller.
    #[error("port {port:?} names poller {poller}, but there are {pollers}")]
    UnknownPoller {
        /// The port.
        port: String,
        /// The index.
        poller: usize,
        /// How many there are.
        pollers: usize,
    },
    /// A prefix that is none.
    #[error("port {port:?} has the prefix length {prefix}: give one from 0 to 32")]
    Prefix {
        /// The port.
        port: String,
        /// The length.
        prefix: u8,
    },
    /// DPDK did not start, or did not end.
    #[error(transparent)]
    Eal(onair_dpdk::Error),
    /// A port did not open.
    #[error("port {port:?}: {source}")]
    Port {
        /// The port.
        port: String,
        /// Why.
        source: onair_dpdk::Error,
    },
    /// A port did not close.
    #[error("port {port:?} did not close: {source}")]
    Close {
        /// The port.
        port: String,
        /// Why.
        source: onair_dpdk::CloseError,
    },
    /// A poller did not start.
    #[error("poller {poller:?} did not start: {reason}")]
    Poller {
        /// The poller.
        poller: String,
        /// Why.
        reason: String,
    },
    /// The kernel gave no descriptor or thread.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The kernel's answer.
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
            poller: 0,
            mtu: 1500,
        }
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
