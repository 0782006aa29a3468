//! DPDK's side of a port: attach, set up, start, and the reverse.
//!
//! All of it runs in a thread in the port's network namespace, for one port at a time.

use std::{
    ffi::{CStr, c_int},
    io, mem,
    os::fd::BorrowedFd,
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

use dpdk_sys::rte_device;

use crate::device::{Device, RingEnd, ring};
use crate::eal::interrupts::without_interrupts;
use crate::error::{ATTACH_GENERIC, RX_SETUP};
use crate::kernel::descriptor::Descriptor;
use crate::kernel::flags;
use crate::kernel::netlink::{Mode, Route};
use crate::kernel::packet_socket::PacketSockets;
use crate::kernel::xsk::{Forgotten, Xsk};
use crate::port::AF_PACKET;
use crate::port::hardware::{Hardware, LinkStatus, MulticastFilter, Wake};
use crate::port::interrupt::Interrupt;
use crate::{Error, LogTail, Pool, log};

const AF_XDP: &str = "net_af_xdp";

/// A DPDK port that this process owns. Dropping it shuts it.
#[derive(Debug)]
pub(crate) struct Ethdev {
    pub(crate) id: u16,
    subject: String,
    driver: String,
    device: *mut rte_device,
    interface_index: u32,
    ring: Option<RingEnd>,
    /// Of each pair of queues on AF_XDP, what the driver opened for it.
    xsk: Vec<Xsk>,
    /// On AF_PACKET.
    packet_sockets: PacketSockets,
    /// They are known by receive queue.
    has_socket_a_queue: bool,
    /// Of each receive queue, if all have one.
    interrupts: Vec<Interrupt>,
    /// This port attached its XDP program, in generic mode.
    is_generic: bool,
    multicast: MulticastFilter,
    /// The flags of the interface are another process's. Nothing is published with it.
    leaves_flags: AtomicBool,
    /// Places of each receive ring, as far as the driver tells.
    rx_places: u16,
    state: DeviceState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeviceState {
    Attached,
    Started,
    Shut,
}

// SAFETY: a device is not bound to a thread; only the owner of the Ethdev uses the pointer, one at
// a time.
unsafe impl Send for Ethdev {}
// SAFETY: shared references only read plain fields.
unsafe impl Sync for Ethdev {}

impl Ethdev {
    /// Lets DPDK create or find the port. `is_ours`: whether a port has an owner in this process.
    pub(crate) fn attach(
        device: &Device,
        subject: &str,
        is_ours: impl Fn(u16) -> bool,
    ) -> Result<Self, Error> {
        // Its driver opens them here, those of AF_XDP when a queue is set up.
        let before = device.packet_interface().map(|_| Descriptor::all());
        let (id, ring) = match device {
            Device::Ring(end) => (ring::attach(end, subject)?, Some(end.clone())),
            Device::Dpdk {
                arguments, name, ..
            } => (probe(arguments, name, subject, is_ours)?, None),
        };
        let mut ethdev = Self {
            id,
            subject: subject.to_owned(),
            driver: String::new(),
            device: ptr::null_mut(),
            interface_index: 0,
            ring,
            xsk: Vec::new(),
            packet_sockets: before.map_or_else(PacketSockets::default, |before| {
                PacketSockets::opened_since(&before)
            }),
            has_socket_a_queue: false,
            interrupts: Vec::new(),
            is_generic: false,
            multicast: MulticastFilter::Promiscuous,
            leaves_flags: AtomicBool::new(false),
            rx_places: 0,
            state: DeviceState::Attached,
        };
        let info = ethdev.info()?;
        ethdev.device = info.device;
        ethdev.interface_index = info.interface_index;
        ethdev.has_socket_a_queue = ethdev.packet_sockets.are_of(info.most_rx_queues);
        if !info.driver_name.is_null() {
            // SAFETY: a driver's name is a static C string.
            let name = unsafe { CStr::from_ptr(info.driver_name) };
            ethdev.driver = name.to_string_lossy().into_owned();
        }
        Ok(ethdev)
    }

    /// The driver's name, for example `net_af_xdp`.
    pub(crate) fn driver(&self) -> &str {
        &self.driver
    }

    pub(crate) fn is_af_xdp(&self) -> bool {
        self.driver == AF_XDP
    }

    pub(crate) fn is_ring(&self) -> bool {
        self.ring.is_some()
    }

    /// Before [`Ethdev::start`] or [`Ethdev::shut`], in a thread made for it: the driver does not write the
    /// flags of the kernel's interface, which other programs write, too.
    pub(crate) fn keep_flags(&self) {
        if self.is_on_interface()
            && let Err(error) = flags::ignore_writes()
        {
            tracing::debug!(target: "dpdk", device = self.subject, %error, "the driver writes the interface's flags");
        }
    }

    /// Whether the driver opens a kernel's interface and leaves it to the kernel.
    fn is_on_interface(&self) -> bool {
        [AF_XDP, AF_PACKET].contains(&&*self.driver)
    }

    /// Before [`Ethdev::start`]: another process has the interface, too, and its flags, until [`Ethdev::take`].
    pub(crate) fn leave_flags(&mut self) {
        *self.leaves_flags.get_mut() = true;
    }

    /// That process has left the interface: counts from now on, and has its flags.
    pub(crate) fn take(&self) -> io::Result<()> {
        // SAFETY: the number of an open port. What the driver does not count stays.
        unsafe { dpdk_sys::rte_eth_stats_reset(self.id) };
        // SAFETY: while `self` is borrowed, no code shuts it.
        unsafe { self.packet_sockets.forget_drops() };
        self.leaves_flags.store(false, Ordering::Relaxed);
        self.set_promiscuous(true)
    }

    /// Switches promiscuous mode of the kernel's interface, if there is one.
    fn set_promiscuous(&self, on: bool) -> io::Result<()> {
        if !self.is_on_interface() || self.leaves_flags.load(Ordering::Relaxed) {
            return Ok(());
        }
        Route::open()?.set_promiscuous(self.interface_index, on)
    }

    /// The kernel's index of the interface under the port, 0 if there is none.
    pub(crate) fn interface_index(&self) -> u32 {
        self.interface_index
    }

    /// The AF_XDP socket of a pair of queues, for sleeping and statistics.
    pub(crate) fn xsk(&self, queue: u16) -> Option<BorrowedFd<'_>> {
        let xsk = self.xsk.get(usize::from(queue));
        // SAFETY: while `self` is borrowed, no code shuts it.
        xsk.and_then(|xsk| unsafe { xsk.socket() })
    }

    /// Packets that the kernel dropped because a ring of AF_PACKET was full.
    pub(crate) fn ring_drops(&self) -> u64 {
        // SAFETY: while `self` is borrowed, no code shuts it.
        unsafe { self.packet_sockets.dropped() }
    }

    /// The descriptor that becomes readable when packets arrive at a receive queue.
    pub(crate) fn wait_fd(&self, queue: u16) -> Option<BorrowedFd<'_>> {
        // SAFETY: while `self` is borrowed, no code stops the port.
        let interrupt = self.interrupt(queue).map(|it| unsafe { it.fd() });
        self.xsk(queue)
            .or(interrupt)
            .or_else(|| self.packet_socket(queue))
    }

    /// The AF_PACKET socket of a receive queue.
    pub(crate) fn packet_socket(&self, queue: u16) -> Option<BorrowedFd<'_>> {
        if !self.has_socket_a_queue {
            return None;
        }
        // SAFETY: while `self` is borrowed, no code shuts it.
        unsafe { self.packet_sockets.of_queue(queue) }
    }

    /// The interrupt of a receive queue.
    pub(crate) fn interrupt(&self, queue: u16) -> Option<&Interrupt> {
        self.interrupts.get(usize::from(queue))
    }

    /// The port's NUMA node, -1 if it has none.
    pub(crate) fn node(&self) -> c_int {
        // SAFETY: a number of a port that exists.
        unsafe { dpdk_sys::rte_eth_dev_socket_id(self.id) }
    }

    fn info(&self) -> Result<dpdk_sys::onair_port_info, Error> {
        let mut info = dpdk_sys::onair_port_info::default();
        // SAFETY: writes the structure.
        let call = || unsafe { dpdk_sys::onair_port_info(self.id, &raw mut info) };
        self.check("describe", log::captured(call))?;
        Ok(info)
    }

    /// Attaches an XDP program in generic mode, which the driver then uses. Before
    /// [`Ethdev::start`].
    pub(crate) fn attach_generic(&mut self) -> Result<(), Error> {
        let index = i32::try_from(self.interface_index).unwrap_or(0);
        // SAFETY: libxdp comes with the driver, which has created the port.
        let call = || unsafe { dpdk_sys::onair_xdp_attach(index, 0) };
        self.check(ATTACH_GENERIC, log::captured(call))?;
        self.is_generic = true;
        Ok(())
    }

    /// Most pairs of queues.
    pub(crate) fn most_queues(&self) -> Result<u16, Error> {
        let info = self.info()?;
        Ok(info.most_rx_queues.min(info.most_tx_queues))
    }

    /// Places of each receive ring, after [`Ethdev::start`].
    pub(crate) const fn rx_places(&self) -> u16 {
        self.rx_places
    }

    /// The most places of a receive ring.
    pub(crate) fn most_rx_places(&self) -> Option<u16> {
        Some(self.info().ok()?.most_rx_places)
    }

    /// Sets up a pair of queues on each of `pools`, for IP packets of `mtu` bytes if that is given,
    /// then starts. After an error the port can only be
    /// dropped: drivers do not support a second set-up.
    pub(crate) fn start(
        &mut self,
        pools: &[Pool],
        (mut rx, mut tx): (u16, u16),
        with_interrupt: bool,
        mtu: Option<u16>,
    ) -> Result<(), Error> {
        let id = self.id;
        let queues = u16::try_from(pools.len()).expect("as many as a driver has");
        let mtu = u32::from(mtu.unwrap_or(0));
        // Each flow comes to one queue, so that its packets stay in order.
        // SAFETY: numbers.
        let call =
            || unsafe { dpdk_sys::onair_port_configure(id, queues, mtu, with_interrupt.into()) };
        self.check("configure", log::captured(call))?;
        let (wanted_rx, wanted_tx) = (rx, tx);
        // SAFETY: changes the two numbers.
        let call =
            || unsafe { dpdk_sys::rte_eth_dev_adjust_nb_rx_tx_desc(id, &raw mut rx, &raw mut tx) };
        self.check("fit the descriptors of", log::captured(call))?;
        if (rx, tx) != (wanted_rx, wanted_tx) {
            tracing::info!(target: "dpdk", device = self.subject, rx, tx, "driver wants other rings");
        }
        self.rx_places = rx;
        // Any node: the pool decides.
        let node = self.node().cast_unsigned();
        for (pool, queue) in pools.iter().zip(0..) {
            let before = Descriptor::all();
            // SAFETY: the pool outlives the port (`Port` sees to it).
            let call =
                || unsafe { dpdk_sys::onair_rx_queue_setup(id, queue, rx, node, pool.raw()) };
            let result = log::captured(call);
            if self.is_af_xdp() {
                self.xsk.push(Xsk::opened_since(&before));
            }
            self.check(RX_SETUP, result)?;
            // SAFETY: the port is configured with as many transmit queues.
            let call = || unsafe { dpdk_sys::onair_tx_queue_setup(id, queue, tx, node) };
            self.check("set up the transmit queue of", log::captured(call))?;
        }
        // SAFETY: its queues are set up.
        let call = || unsafe { dpdk_sys::rte_eth_dev_start(id) };
        self.check("start", log::captured(call))?;
        self.state = DeviceState::Started;
        if with_interrupt {
            let interrupts = (0..queues).map(|queue| Interrupt::of(id, queue));
            self.interrupts = interrupts.collect::<Option<_>>().unwrap_or_default();
        }
        // Without it only a veth receives multicast. Drivers that do not support it (null, ring) do
        // not need it.
        // SAFETY: a started port.
        let (code, _) = log::captured(|| unsafe { dpdk_sys::rte_eth_promiscuous_enable(id) });
        let refused = match code {
            0 => self.set_promiscuous(true).err(),
            code => Some(io::Error::from_raw_os_error(-code)),
        };
        if let Some(refused) = refused {
            tracing::debug!(target: "dpdk", device = self.subject, %refused, "not promiscuous");
            // SAFETY: a started port.
            let call = || unsafe { dpdk_sys::rte_eth_allmulticast_enable(id) };
            let (code, _) = log::captured(call);
            self.multicast = match code {
                0 => MulticastFilter::AllMulticast,
                _ => MulticastFilter::Groups,
            };
        }
        Ok(())
    }

    /// Lets packets to these groups through, and to no other. For a started port.
    pub(crate) fn set_groups(&self, groups: &[[u8; 6]]) -> Result<(), Error> {
        let count = u32::try_from(groups.len()).unwrap_or(u32::MAX);
        // SAFETY: the driver reads `count` addresses, and keeps none of the memory.
        let call =
            || unsafe { dpdk_sys::onair_port_set_groups(self.id, groups.as_ptr().cast(), count) };
        self.check("set the multicast addresses of", log::captured(call))
    }

    pub(crate) fn link(&self) -> LinkStatus {
        let mut mbps = 0;
        // SAFETY: an open port; writes the number.
        let is_up = unsafe { dpdk_sys::onair_link(self.id, &raw mut mbps) } == 1;
        LinkStatus {
            is_up,
            mbps: (is_up && mbps != 0).then_some(mbps),
        }
    }

    pub(crate) fn hardware(&self) -> Result<Hardware, Error> {
        let info = self.info()?;
        // SAFETY: both return static strings for any single bit.
        let rx = |bit| unsafe { CStr::from_ptr(dpdk_sys::rte_eth_dev_rx_offload_name(bit)) };
        // SAFETY: as above.
        let tx = |bit| unsafe { CStr::from_ptr(dpdk_sys::rte_eth_dev_tx_offload_name(bit)) };
        let rx = bits(info.rx_offloads).map(|bit| format!("rx {}", rx(bit).to_string_lossy()));
        let tx = bits(info.tx_offloads).map(|bit| format!("tx {}", tx(bit).to_string_lossy()));
        Ok(Hardware {
            wake: if self.has_socket_a_queue || !self.xsk.is_empty() {
                Wake::Socket
            } else if self.interrupts.is_empty() {
                Wake::Timer
            } else {
                Wake::Interrupt
            },
            xdp: None,
            rx_ring: None,
            memory_bytes: 0,
            multicast: self.multicast,
            numa_node: u32::try_from(self.node()).ok(),
            max_rx_queues: info.most_rx_queues,
            max_tx_queues: info.most_tx_queues,
            offloads: rx.chain(tx).collect(),
        })
    }

    /// The port's address, `None` if the driver has none.
    pub(crate) fn mac(&self) -> Option<[u8; 6]> {
        let mut mac = [0; 6];
        // SAFETY: writes the six bytes.
        let code = unsafe { dpdk_sys::onair_port_mac(self.id, mac.as_mut_ptr()) };
        (code == 0 && mac != [0; 6]).then_some(mac)
    }

    /// The MTU: the largest IP packet, in bytes.
    pub(crate) fn mtu(&self) -> Result<u16, Error> {
        let mut mtu = 0;
        // SAFETY: writes the number.
        let call = || unsafe { dpdk_sys::rte_eth_dev_get_mtu(self.id, &raw mut mtu) };
        self.check("read the MTU of", log::captured(call))?;
        Ok(mtu)
    }

    /// Whether it has sockets of AF_XDP.
    pub(crate) fn has_xsk(&self) -> bool {
        !self.xsk.is_empty()
    }

    /// Gives its queues of AF_XDP back, and leaves all else. Never drop it after that.
    pub(crate) fn leave(&mut self) {
        for xsk in mem::take(&mut self.xsk) {
            // SAFETY: no thread has a queue (`Port` ensures that), and nothing shuts the port.
            unsafe { xsk.release() };
        }
    }

    /// The XDP program of its interface is in generic mode, which the driver does not take off again.
    pub(crate) fn note_generic(&mut self) {
        self.is_generic = true;
    }

    /// Stops, closes and removes the port. Continues after a failed step, and returns the first
    /// failure. What the driver has left open must be dropped before the pools are.
    pub(crate) fn shut(&mut self) -> (Forgotten, Result<(), Error>) {
        match self.driver.as_str() {
            "net_virtio_user" => without_interrupts(|| self.shut_now()),
            _ => self.shut_now(),
        }
    }

    fn shut_now(&mut self) -> (Forgotten, Result<(), Error>) {
        let id = self.id;
        let mut forgotten = Forgotten::default();
        let mut result = Ok(());
        let before = mem::replace(&mut self.state, DeviceState::Shut);
        if before == DeviceState::Shut {
            return (forgotten, result);
        }
        self.interrupts.clear();
        self.packet_sockets = PacketSockets::default();
        if before == DeviceState::Started {
            // Closing does not clear it: it would stay on the interface.
            // SAFETY: a started port.
            log::captured(|| unsafe { dpdk_sys::rte_eth_promiscuous_disable(id) });
            // It fails if the interface is gone.
            let _ = self.set_promiscuous(false);
            // SAFETY: a started port, whose queues no thread uses (`Port` ensures that).
            let call = || unsafe { dpdk_sys::rte_eth_dev_stop(id) };
            result = result.and(self.check("stop", log::captured(call)));
        }
        let before_close = (!self.xsk.is_empty()).then(Descriptor::all);
        // SAFETY: a stopped port.
        let call = || unsafe { dpdk_sys::rte_eth_dev_close(id) };
        result = result.and(self.check("close", log::captured(call)));
        if let Some(before_close) = before_close {
            forgotten = Xsk::forgotten(mem::take(&mut self.xsk), &before_close);
        }
        if self.is_generic
            && let Err(error) =
                Route::open().and_then(|it| it.detach(self.interface_index, Mode::Generic))
        {
            // It is gone with its interface.
            tracing::debug!(target: "dpdk", device = self.subject, %error, "XDP program");
        }
        if !self.device.is_null() {
            // SAFETY: the device stays until it is removed, here.
            let call = || unsafe { dpdk_sys::rte_dev_remove(self.device) };
            result = result.and(self.check("remove", log::captured(call)));
        }
        if let Some(end) = self.ring.take() {
            ring::detach(&end);
        }
        (forgotten, result)
    }

    fn check(&self, operation: &'static str, result: (c_int, LogTail)) -> Result<(), Error> {
        match result {
            (0, _) => Ok(()),
            (code, log) => Err(Error::dpdk(operation, &self.subject, code, log)),
        }
    }
}

/// Each bit that is set in `word`.
fn bits(word: u64) -> impl Iterator<Item = u64> {
    (0..u64::BITS)
        .map(|at| 1 << at)
        .filter(move |bit| word & bit != 0)
}

impl Drop for Ethdev {
    fn drop(&mut self) {
        let (_forgotten, result) = self.shut();
        if let Err(error) = result {
            tracing::error!(target: "dpdk", "{error}");
        }
    }
}

fn probe(
    arguments: &CStr,
    name: &CStr,
    subject: &str,
    is_ours: impl Fn(u16) -> bool,
) -> Result<u16, Error> {
    let find = || {
        let mut id = 0;
        // SAFETY: a C string, and writes the number.
        let code = unsafe { dpdk_sys::rte_eth_dev_get_port_by_name(name.as_ptr(), &raw mut id) };
        (code == 0).then_some(id)
    };
    match find() {
        // Probing it again would fail and remove the port from its owner.
        Some(id) if is_ours(id) => {
            return Err(Error::DeviceInUse {
                device: subject.to_owned(),
            });
        }
        // EAL finds PCI devices at its initialisation, before a port needs them.
        Some(id) => return Ok(id),
        None => {}
    }
    // SAFETY: a C string, copied.
    let call = || unsafe { dpdk_sys::rte_dev_probe(arguments.as_ptr()) };
    match log::captured(call) {
        (0, log) => {
            find().ok_or_else(|| Error::dpdk("find the port of", subject, -libc::ENODEV, log))
        }
        (code, log) => Err(Error::dpdk("open", subject, code, log)),
    }
}
