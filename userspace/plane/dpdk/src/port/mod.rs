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
    mem::{self, ManuallyDrop},
    net::SocketAddrV4,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use self::hardware::{Hardware, LinkStatus};
pub use self::opening::config::PortConfig;
use self::opening::prepared::Prepared;
use self::queue::{OpenPort, QueuePair};
use crate::device::Device;
use crate::eal::removal;
use crate::filter::PortFilter;
use crate::kernel::interface::Interface;
use crate::kernel::namespace::{self, Namespace};
use crate::{
    CloseError, DeviceClaim, Eal, Error, FlowRule, GroupJoiner, Pool, PortStats, RxQueue, TxQueue,
    XdpStats,
};

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

/// A port that [`Port::prepare`] has made.
///
/// A dropped port stays as it is until the process ends: its driver would take the other process's XDP program off
/// the interface.
#[derive(Debug)]
pub struct PreparedPort(ManuallyDrop<Prepared>);

impl PreparedPort {
    /// Whether [`Self::open`] waits until the kernel has freed its queues, for as long as [`PortConfig::busy`]. One that
    /// does not tries, which costs more than the wait.
    #[must_use]
    pub fn looks(&self) -> bool {
        self.0.look.is_some()
    }

    /// Opens it: the other process has left its queues.
    ///
    /// # Errors
    /// As [`Port::open`].
    pub fn open(self, eal: &Eal, config: &PortConfig) -> Result<Port, Error> {
        Port::open_with(eal, config, Some(ManuallyDrop::into_inner(self.0)))
    }
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
        Self::open_with(eal, config, None)
    }

    /// Prepares an AF_XDP port whose queues another process still has: DPDK knows the device, and the memory for its
    /// packets is there, which takes most of the time. Changes nothing that the other process notices. `None`: the
    /// device is not on AF_XDP.
    ///
    /// # Errors
    /// As [`Port::open`].
    pub fn prepare(eal: &Eal, config: &PortConfig) -> Result<Option<PreparedPort>, Error> {
        let device: Device = config.device.parse()?;
        let namespace = config.netns.as_deref().map(Namespace::open).transpose()?;
        let mut open = operations();
        let prepared = namespace::run(namespace.as_ref(), || {
            opening::prepare_here(eal, config, &device, &open)
        })??;
        open.extend(prepared.as_ref().map(Prepared::id));
        Ok(prepared.map(|it| PreparedPort(ManuallyDrop::new(it))))
    }

    fn open_with(
        eal: &Eal,
        config: &PortConfig,
        prepared: Option<Prepared>,
    ) -> Result<Self, Error> {
        let device: Device = config.device.parse()?;
        let namespace = config.netns.as_deref().map(Namespace::open).transpose()?;
        let DeviceClaim { name: known_as, .. } = config.device.parse()?;
        removal::forget(&known_as);
        let mut open = operations();
        if let Some(prepared) = &prepared {
            open.remove(&prepared.id());
        }
        let opened = namespace::run(namespace.as_ref(), || {
            opening::open_here(eal, config, (&device, prepared), &open)
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

    /// Joins groups of IPv4 or IPv6 through the kernel, if queries reach its stack: on AF_PACKET without a VLAN, and
    /// with a [filter](Self::filter) where the kernel has an interface. `None` for other ports.
    #[must_use]
    pub fn group_joiner(&self, is_ipv6: bool) -> Option<GroupJoiner> {
        let interface = match self.filter() {
            Some(filter) => filter.joins(is_ipv6)?,
            None => self
                .interface_index()
                .filter(|_| self.driver() == AF_PACKET)?,
        };
        let namespace = self.namespace.as_ref().map(Namespace::try_clone);
        Some(GroupJoiner {
            namespace: namespace.transpose().ok()?,
            interface,
        })
    }

    /// The filter that gives the port its packets, if it does not get all of its interface.
    #[must_use]
    pub fn filter(&self) -> Option<&Arc<PortFilter>> {
        self.shared().filter.as_ref()
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

    /// Leaves the device to a process that has the same port, [prepared](Port::prepare) or [open](PortConfig::opens_beside).
    /// A device that both can have at once stays open until this process ends: to close a socket of AF_PACKET takes the
    /// kernel a tenth of a second. A port on AF_XDP gives its queues up, and leaves its XDP program, which the other one
    /// then uses. Any other port is closed. Drop its queues first.
    ///
    /// # Errors
    /// As [`Port::close`].
    pub fn leave(mut self) -> Result<(), CloseError> {
        if PortConfig::new(&self.name, &self.device).opens_beside() {
            mem::forget(self);
            return Ok(());
        }
        let Some(shared) = self.shared.take_if(|it| it.ethdev.has_xsk()) else {
            return self.close();
        };
        match Arc::try_unwrap(shared) {
            Ok(shared) => {
                shared.leave();
                Ok(())
            }
            Err(shared) => {
                self.shared = Some(shared);
                Err(CloseError::QueuesInUse(Box::new(self)))
            }
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
