//! A port: one device with its queues.

pub(crate) mod claim;
pub(crate) mod close_error;
pub(crate) mod ethdev;
pub(crate) mod hardware;
pub(crate) mod interrupt;
pub(crate) mod link;
pub(crate) mod opening;
pub(crate) mod queue;
pub(crate) mod rx_ring;
pub(crate) mod stats;
pub(crate) mod steering;

use std::{
    collections::BTreeSet,
    mem,
    net::SocketAddrV4,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use self::hardware::{Hardware, LinkStatus, XdpChoice};
use self::queue::{OpenPort, QueuePair};
use crate::device::Device;
use crate::eal::removal;
use crate::kernel::interface::Interface;
use crate::kernel::namespace::{self, Namespace};
use crate::packets::room::{self, Driver, Room};
use crate::{
    CloseError, DeviceClaim, Eal, Error, FlowRule, GroupJoiner, Pool, PortStats, RxQueue, TxQueue,
    XdpStats,
};

/// Configuration of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortConfig {
    /// The port's name in OnAir's log and errors.
    pub name: String,
    /// `ring:NAME:a` and `ring:NAME:b` are the two ends of a wire in this process; anything else is
    /// passed to DPDK unchanged, for example `net_af_xdp0,iface=va`, `net_af_packet0,iface=va`,
    /// `0000:3b:00.0`.
    pub device: String,
    /// The network namespace (under `/run/netns`) of the device's interface. Only the thread that
    /// opens or closes the port enters it.
    pub netns: Option<String>,
    /// Packets that the receive ring of each queue holds, from [`LEAST_RX_RING`](crate::LEAST_RX_RING) to
    /// [`MOST_RX_RING`](crate::MOST_RX_RING), rounded up to a power of two and down to what the device has. On
    /// AF_XDP without effect. `None`: 20 ms of two sessions of 1080p60, as far as the driver and `mbufs` have room.
    pub rx_ring: Option<u16>,
    /// Places in the transmit ring.
    pub tx_descriptors: u16,
    /// Pairs of a receive and a transmit queue, at least 1. A device that has fewer gets as many as
    /// it has.
    pub queues: u16,
    /// Mbufs in the pool of each pair, for both directions, at most. AF_XDP keeps 2048 of them for receiving,
    /// and as many again can be in transmission; AF_PACKET copies each packet and keeps none. With one pair these two
    /// have no more than they can use. A larger `rx_ring` adds its own.
    pub mbufs: u32,
    /// How long its AF_XDP queue may stay busy: the kernel frees it some time after its socket is
    /// closed, by this process or by the end of a killed daemon.
    pub busy: Duration,
    /// Where the XDP program of an AF_XDP port runs. No other port has one.
    pub xdp: XdpChoice,
    /// The largest IP packet in bytes, from [`LEAST_MTU`](crate::LEAST_MTU) to
    /// [`MOST_MTU`](crate::MOST_MTU): a kernel's interface must have it, any other device gets it.
    /// `None`: what the interface has, else [`ETHERNET_MTU`](crate::ETHERNET_MTU).
    pub mtu: Option<u16>,
    /// Whether the interrupt of a PCI device or of virtio-user is set up, for pollers that sleep. Without effect if
    /// its driver has none.
    pub interrupt: bool,
    /// Another process has the device, too, and leaves it later: the flags of its interface are that one's until
    /// [`Port::take`]. Only for what [`PortConfig::opens_beside`] allows.
    pub beside: bool,
}

impl PortConfig {
    /// The largest MTU of an interface under AF_XDP, in bytes: a page, less what DPDK and the kernel
    /// have in it, an Ethernet header and a VLAN tag.
    pub const XDP_MTU: u32 = room::XDP_MTU;

    /// Mbufs and places of a ring for jumbo frames, which are six times as large as others.
    const JUMBO_MBUFS: u32 = 4096;
    const JUMBO_DESCRIPTORS: u16 = 1024;
    /// Mbufs that bursts and the pool's cache hold, if one thread has all queues of the port.
    const BURST_MBUFS: u32 = 1024;

    /// Memory for one pair of queues of a port with this MTU without hugepages, in MiB, of which a PCI device
    /// may have a receive ring of its own size.
    #[must_use]
    pub fn plain_memory_mb(mtu: u16, pci_ring: Option<u16>) -> u32 {
        // Of all drivers' buffers those of AF_PACKET are the largest.
        let room = Room::new(Driver::AfPacket, mtu);
        let config = Self {
            rx_ring: pci_ring,
            ..Self::new("", "")
        };
        let (config, _) = config.sized(Driver::Other, room);
        // And some for the rings of DPDK.
        room.plain_mb(config.mbufs) + 2
    }

    /// With as many mbufs and places as packets of this size need, and the packets of its receive ring.
    pub(crate) fn sized(&self, driver: Driver, room: Room) -> (Self, u16) {
        let mut config = self.clone();
        if room.is_jumbo() {
            config.mbufs = config.mbufs.min(Self::JUMBO_MBUFS);
            config.tx_descriptors = config.tx_descriptors.min(Self::JUMBO_DESCRIPTORS);
        }
        // With more queues another thread may keep thousands that it has yet to take over.
        if config.queues == 1 {
            let needed = rx_ring::held_by_driver(driver, config.tx_descriptors);
            config.mbufs =
                needed.map_or(config.mbufs, |it| config.mbufs.min(it + Self::BURST_MBUFS));
        }
        let packets = rx_ring::packets(driver, room, config.rx_ring);
        config.mbufs += rx_ring::more_buffers(driver, room, packets);
        (config, packets)
    }

    /// One pair of queues: a ring of 2048 places to send, and a pool of 8192 mbufs.
    #[must_use]
    pub fn new(name: impl Into<String>, device: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            device: device.into(),
            netns: None,
            rx_ring: None,
            tx_descriptors: 2048,
            queues: 1,
            mbufs: 8192,
            busy: Duration::from_secs(2),
            xdp: XdpChoice::Auto,
            mtu: None,
            interrupt: false,
            beside: false,
        }
    }

    /// Whether two processes can have the device at once: sockets of AF_PACKET receive the same packets each, and a
    /// wire inside the process is of that process.
    #[must_use]
    pub fn opens_beside(&self) -> bool {
        let device = self.device.parse::<Device>();
        device.is_ok_and(|it| matches!(it, Device::Ring(_)) || it.packet_interface().is_some())
    }
}

/// An open and started port.
///
/// Dropping it closes it as [`Port::close`] does, with errors in the log only. If a queue is still
/// taken, the port stays open until the process ends.
#[derive(Debug)]
pub struct Port {
    /// `None` only after closing.
    shared: Option<Arc<OpenPort>>,
    name: String,
    device: String,
    /// DPDK's name of the device.
    known_as: String,
    namespace: Option<Namespace>,
    mac: [u8; 6],
    mtu: u16,
    hardware: Hardware,
}

pub(crate) const AF_PACKET: &str = "net_af_packet";

/// The numbers of the ports that have an owner; locked while a driver opens or closes a port: the
/// driver's sockets are found among the new descriptors of the process.
static OPEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

impl Port {
    /// Opens a device and starts it.
    ///
    /// It blocks: some 30 ms for AF_XDP, and for up to [`PortConfig::busy`], twice, if its queue is
    /// still busy from a port or daemon that just ended.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Namespace`], [`Error::DeviceInUse`], [`Error::Claim`],
    /// [`Error::PoolScattered`], and DPDK's errors as [`Error::Dpdk`]. The port then leaves nothing
    /// behind.
    pub fn open(eal: &Eal, config: &PortConfig) -> Result<Self, Error> {
        let device: Device = config.device.parse()?;
        let namespace = config.netns.as_deref().map(Namespace::open).transpose()?;
        let DeviceClaim { name: known_as, .. } = config.device.parse()?;
        removal::forget(&known_as);
        let mut open = operations();
        let opened = namespace::run(namespace.as_ref(), || {
            opening::open_here(eal, config, &device, &open)
        })??;
        open.insert(opened.shared.ethdev.id);
        Ok(Self {
            hardware: Hardware {
                xdp: opened.xdp,
                rx_ring: opened.rx_ring,
                memory_bytes: opened.memory_bytes,
                ..opened.shared.ethdev.hardware()?
            },
            shared: Some(Arc::new(opened.shared)),
            name: config.name.clone(),
            device: config.device.clone(),
            known_as,
            namespace,
            mac: opened.mac,
            mtu: opened.mtu,
        })
    }

    /// Drops what a port that was opened beside another process ([`PortConfig::beside`]) has received until now. What
    /// comes after that waits in its rings for [`Port::take`], as much as there is room for. Take its queues after that.
    pub fn drain(&mut self) {
        for index in 0..self.queues() {
            let queue = self.rx_queue(index);
            queue.expect("they are taken later").drain();
        }
    }

    /// The other process has left the device of a port that was opened beside it ([`PortConfig::beside`]): counts from
    /// now on, and switches promiscuous mode on.
    ///
    /// # Errors
    /// [`Error::Thread`], [`Error::Namespace`], [`Error::Link`].
    pub fn take(&mut self) -> Result<(), Error> {
        let ethdev = &self.shared().ethdev;
        namespace::run(self.namespace.as_ref(), || ethdev.take())?.map_err(|source| Error::Link {
            interface: self.device.clone(),
            source,
        })
    }

    fn shared(&self) -> &Arc<OpenPort> {
        self.shared.as_ref().expect("only closing takes it")
    }

    /// The name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The device string in the configuration.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// DPDK's name of the driver, for example `net_af_xdp`.
    #[must_use]
    pub fn driver(&self) -> &str {
        self.shared().ethdev.driver()
    }

    /// The port's Ethernet address. If the driver has none (ring), an address made from the device
    /// string.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// The largest IP packet, in bytes, at the time of the open.
    #[must_use]
    pub fn mtu(&self) -> u16 {
        self.mtu
    }

    /// The pool of the first queues, for received and sent packets.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.shared().pairs[0].pool
    }

    /// The number of its pairs of queues, at least 1.
    #[must_use]
    pub fn queues(&self) -> u16 {
        u16::try_from(self.shared().pairs.len()).expect("as many as asked for")
    }

    /// Mbufs that the driver has beyond those it keeps for receiving: packets in transmission, and
    /// received packets that were not taken. Exact if no queue is in use; call [`TxQueue::reclaim`]
    /// first.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.shared().pairs.iter().map(QueuePair::in_flight).sum()
    }

    /// Receive queue `index`, from 0, unless it is taken or does not exist.
    #[must_use]
    pub fn rx_queue(&self, index: u16) -> Option<RxQueue> {
        RxQueue::take(self.shared(), index)
    }

    /// Transmit queue `index`, from 0, unless it is taken or does not exist.
    #[must_use]
    pub fn tx_queue(&self, index: u16) -> Option<TxQueue> {
        TxQueue::take(self.shared(), index)
    }

    /// Lets the device put the datagrams to `destination` into receive queue `queue`, until the rule
    /// is dropped. May take milliseconds.
    ///
    /// # Errors
    /// [`Error::Dpdk`]: it cannot, or has no room for another rule.
    pub fn steer(&self, destination: SocketAddrV4, queue: u16) -> Result<FlowRule, Error> {
        FlowRule::make(self.shared(), destination, queue)
    }

    /// Whether the device can steer flows into its queues.
    #[must_use]
    pub fn can_steer(&self) -> bool {
        self.queues() > 1 && FlowRule::is_possible(self.shared())
    }

    /// Lets the device receive packets to these groups (Ethernet addresses), and to no other. Only for
    /// a device with [`MulticastFilter::Groups`](crate::MulticastFilter::Groups). May take
    /// milliseconds.
    ///
    /// # Errors
    /// [`Error::Dpdk`]: it has no room for them.
    pub fn set_groups(&self, groups: &[[u8; 6]]) -> Result<(), Error> {
        self.shared().ethdev.set_groups(groups)
    }

    /// Joins groups through the kernel, if its stack receives what the port receives: only AF_PACKET
    /// leaves packets, and with them queries, to it. `None` for other ports.
    #[must_use]
    pub fn group_joiner(&self) -> Option<GroupJoiner> {
        let interface = self
            .interface_index()
            .filter(|_| self.driver() == AF_PACKET)?;
        let namespace = self.namespace.as_ref().map(Namespace::try_clone);
        Some(GroupJoiner {
            namespace: namespace.transpose().ok()?,
            interface,
        })
    }

    /// The kernel's index of the interface under the port, in its namespace.
    #[must_use]
    pub fn interface_index(&self) -> Option<NonZeroU32> {
        self.shared().interface.as_ref().map(Interface::index)
    }

    /// The MTU that the interface under the port has now; it may have changed since [`Port::mtu`]. Two
    /// system calls.
    #[must_use]
    pub fn interface_mtu(&self) -> Option<u32> {
        self.shared().interface.as_ref()?.mtu()
    }

    /// Whether the device under the port still exists: its interface, if it has one, else the PCI
    /// device, which the kernel may want back. One system call. Without it the port receives and
    /// sends nothing, and the driver does not report that.
    #[must_use]
    pub fn is_present(&self) -> bool {
        let interface = self.shared().interface.as_ref();
        interface.is_none_or(Interface::is_present) && !removal::is_wanted_back(&self.known_as)
    }

    /// The state of the link: of the kernel's interface if there is one, else as the driver reports
    /// it. A few system calls.
    #[must_use]
    pub fn link(&self) -> LinkStatus {
        match &self.shared().interface {
            // The driver's values are constants.
            Some(interface) => LinkStatus {
                is_up: interface.is_running(),
                mbps: None,
            },
            None => self.shared().ethdev.link(),
        }
    }

    /// The device's place in the machine, and what its driver offers.
    #[must_use]
    pub fn hardware(&self) -> &Hardware {
        &self.hardware
    }

    /// The counters. Any thread may call it; a few system calls.
    #[must_use]
    pub fn stats(&self) -> PortStats {
        let ethdev = &self.shared().ethdev;
        let mut stats = dpdk_sys::onair_port_stats::default();
        // SAFETY: writes the structure. A driver without counters leaves it zero.
        unsafe { dpdk_sys::onair_port_stats(ethdev.id, &raw mut stats) };
        PortStats {
            ring_full: ethdev.ring_drops(),
            xdp: XdpStats::sum((0..self.queues()).filter_map(|queue| ethdev.xsk(queue))),
            ..PortStats::from(&stats)
        }
    }

    /// Stops the port and gives the device back. Drop its queues first.
    ///
    /// It blocks for some 10 ms for AF_XDP. The XDP program leaves the interface with the port:
    /// every other port on the same interface then stops receiving.
    ///
    /// # Errors
    /// [`CloseError::QueuesInUse`] returns the port unchanged; [`CloseError::Failed`] if a step
    /// failed: the port is closed as far as possible.
    pub fn close(mut self) -> Result<(), CloseError> {
        match self.close_in_place() {
            None => Err(CloseError::QueuesInUse(Box::new(self))),
            Some(result) => result.map_err(CloseError::Failed),
        }
    }

    /// Closes the port; `None` if a queue is taken.
    fn close_in_place(&mut self) -> Option<Result<(), Error>> {
        let Some(shared) = self.shared.take() else {
            return Some(Ok(()));
        };
        let mut shared = match Arc::try_unwrap(shared) {
            Ok(shared) => shared,
            Err(shared) => {
                self.shared = Some(shared);
                return None;
            }
        };
        let mut open = operations();
        let id = shared.ethdev.id;
        let shut = namespace::run(self.namespace.as_ref(), || {
            shared.ethdev.keep_flags();
            shared.ethdev.shut()
        });
        let (forgotten, result) = shut.unwrap_or_else(|no_namespace| {
            // The driver leaves its changes on the interface.
            (shared.ethdev.shut().0, Err(no_namespace))
        });
        open.remove(&id);
        drop(open);
        // It waits for the kernel: another port may be closed meanwhile.
        drop(forgotten);
        drop(shared);
        Some(result)
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        match self.close_in_place() {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::error!(target: "dpdk", port = self.name, "{error}");
            }
            None => {
                tracing::error!(
                    target: "dpdk",
                    port = self.name,
                    "dropped while a queue is in use: it stays open until the process ends"
                );
                // The queues must not use a freed pool.
                mem::forget(self.shared.take());
            }
        }
    }
}

fn operations() -> MutexGuard<'static, BTreeSet<u16>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}
