//! Configuration of the dataplane, and why it is rejected.

use std::sync::Arc;
use std::time::Duration;

use onair_dpdk::{ETHERNET_MTU, XdpChoice};
use onair_net::vlan::Vlan;

use crate::addresses::PortAddresses;

/// Configuration of the dataplane. It does not change after the start.
#[derive(Debug, Clone)]
pub struct DataplaneConfig {
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
    /// The port is open: what the kernel got for it (an XDP program, a socket) can be noted now.
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
    /// Its addresses, and the routers for other networks.
    pub addresses: PortAddresses,
    /// Its VLAN; `None` for frames without a tag.
    pub vlan: Option<Vlan>,
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
    /// Its behaviour when idle.
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

/// Behaviour of an idle poller.
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
    /// Its addresses, and the routers for other networks.
    pub addresses: PortAddresses,
    /// Its VLAN; `None` for frames without a tag.
    pub vlan: Option<Vlan>,
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
    /// A port without a device, whose one pair of queues is the first poller's.
    #[must_use]
    pub fn without_device(name: &str, mac: [u8; 6], addresses: PortAddresses) -> Self {
        Self {
            name: name.to_owned(),
            device: String::new(),
            netns: None,
            driver: String::new(),
            mac,
            addresses,
            vlan: None,
            pollers: vec![0],
            queues: 1,
            steers: false,
            mtu: ETHERNET_MTU,
        }
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
    #[error(
        "port {port:?} has the prefix length {prefix}: give one from 0 to 32, or to 128 for IPv6"
    )]
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
    /// Pollers did not end.
    #[error(
        "threads {} do not end, and are left behind with their sessions and ports {}",
        pollers.join(", "), ports.join(", ")
    )]
    Hung {
        /// Names of their threads.
        pollers: Vec<String>,
        /// The ports that they serve.
        ports: Vec<String>,
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
