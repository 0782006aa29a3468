//! A device with memory for its packets: all of a port that another process does not notice.
//!
//! DPDK knows the device, and its pools are made, which takes most of the time of an AF_XDP port. The device is not set
//! up: another process may still have its queues. [`Prepared::start`] does the rest.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::device::Device;
use crate::kernel::queue_look::QueueLook;
use crate::packets::room::{Driver, Room};
use crate::port::ethdev::Ethdev;
use crate::port::opening::mtu::Mtu;
use crate::port::rx_ring::{MOST_RX_RING, RxRing};
use crate::{Eal, Error, Memory, Pool, PortConfig};

/// How a port is set up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    Plain,
    /// With the device's interrupt.
    Interrupt,
    /// On AF_XDP, with an XDP program in generic mode.
    Generic,
}

/// A device that was just started.
pub(crate) struct Started {
    pub(crate) ethdev: Ethdev,
    pub(crate) pools: Vec<Pool>,
    pub(crate) mtu: u16,
    pub(crate) rx_ring: Option<RxRing>,
    pub(crate) memory_bytes: u64,
}

/// A device that DPDK knows, and its pools.
#[derive(Debug)]
pub(crate) struct Prepared {
    // Dropped first: the driver has mbufs of the pools.
    ethdev: Ethdev,
    pools: Vec<Pool>,
    /// The device that it was prepared for.
    device: Device,
    mtu: Mtu,
    /// At the queues that another process still has, if there can be one.
    pub(crate) look: Option<QueueLook>,
    driver: Driver,
    /// Places of the rings.
    rings: (u16, u16),
    /// Slots of each ring of AF_PACKET.
    ring_slots: Option<u32>,
    memory_bytes: u64,
}

impl Prepared {
    /// Attaches the device and makes its pools, in the port's namespace. `is_ours`: whether a port has an owner in this
    /// process. `pools`: those of an attempt at it that failed, if there was one.
    pub(crate) fn new(
        eal: &Eal,
        config: &PortConfig,
        (device, mtu): (&Device, Mtu),
        is_ours: impl Fn(u16) -> bool,
        mut pools: Vec<Pool>,
    ) -> Result<Self, Error> {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let driver = match device {
            _ if device.xdp().is_some() => Driver::AfXdp,
            _ if device.packet_interface().is_some() => Driver::AfPacket,
            _ => Driver::Other,
        };
        let is_plain = matches!(eal.memory(), Memory::Plain { .. });
        let room = Room::new(driver, mtu.bytes());
        let room = match driver {
            Driver::AfXdp if is_plain => room.of_a_page(),
            _ => room,
        };
        let (config, packets) = config.sized(driver, room);
        let with_ring = device.with_ring(packets.into(), room.ring_frame);
        let ethdev = Ethdev::attach(&with_ring, &config.device, is_ours)?;
        let is_af_xdp = ethdev.is_af_xdp();
        let node = ethdev.node();
        let pool = || {
            let name = format!("onair-port{}", SERIAL.fetch_add(1, Ordering::Relaxed));
            let mut pool = Pool::on_node(eal, &name, (config.mbufs, room), node, is_af_xdp)?;
            if is_af_xdp {
                pool.give_to_af_xdp();
            }
            Ok(pool)
        };
        let queues = config.queues.min(ethdev.most_queues()?).max(1);
        if pools.is_empty() {
            pools = (0..queues).map(|_| pool()).collect::<Result<_, Error>>()?;
        }
        let ring_slots = with_ring.ring_slots();
        let rings = ring_slots.map_or(0, |slots| 2 * room.ring_bytes(slots));
        let memory_bytes = u64::from(queues) * (room.bytes(config.mbufs, is_plain) + rings);
        Ok(Self {
            ethdev,
            pools,
            device: device.clone(),
            mtu,
            look: None,
            driver,
            rings: (packets, config.tx_descriptors),
            ring_slots,
            memory_bytes,
        })
    }

    /// DPDK's number of the port.
    pub(crate) fn id(&self) -> u16 {
        self.ethdev.id
    }

    /// Whether it was prepared for this.
    pub(crate) fn is_for(&self, device: &Device, mtu: Mtu) -> bool {
        (&self.device, self.mtu) == (device, mtu)
    }

    /// Sets the device up and starts it. After a failure the port is gone; the pools of AF_XDP are good for another
    /// attempt.
    pub(crate) fn start(
        self,
        config: &PortConfig,
        setup: Setup,
    ) -> Result<Started, (Error, Vec<Pool>)> {
        let Self {
            mut ethdev,
            mut pools,
            mtu,
            driver,
            rings,
            ring_slots,
            memory_bytes,
            ..
        } = self;
        if config.beside {
            ethdev.leave_flags();
        }
        // Without the key the driver chooses.
        let to_set = config.mtu.filter(|_| matches!(mtu, Mtu::ToSet(_)));
        let attached = match setup {
            Setup::Generic => ethdev.attach_generic(),
            Setup::Plain | Setup::Interrupt => Ok(()),
        };
        let started = attached.and_then(|()| {
            ethdev.keep_flags();
            ethdev.start(&pools, rings, setup == Setup::Interrupt, to_set)
        });
        let mtu = started.and_then(|()| match mtu {
            Mtu::ToSet(_) => ethdev.mtu(),
            Mtu::OfInterface(bytes) | Mtu::OfRing(bytes) => Ok(bytes),
        });
        let rx_ring = rx_ring(&ethdev, ring_slots, driver);
        match mtu {
            Ok(mtu) => Ok(Started {
                ethdev,
                pools,
                mtu,
                rx_ring,
                memory_bytes,
            }),
            Err(error) => {
                // The driver first: it has mbufs of the pools.
                drop(ethdev);
                match driver {
                    Driver::AfXdp => pools.iter_mut().for_each(Pool::take_back),
                    Driver::AfPacket | Driver::Other => pools.clear(),
                }
                Err((error, pools))
            }
        }
    }
}

/// The receive ring of a device that was started.
fn rx_ring(ethdev: &Ethdev, ring_slots: Option<u32>, driver: Driver) -> Option<RxRing> {
    let (packets, most) = match driver {
        Driver::AfPacket => (ring_slots?, MOST_RX_RING),
        Driver::AfXdp => (ethdev.rx_places().into(), ethdev.rx_places()),
        Driver::Other if ethdev.is_ring() => return None,
        Driver::Other => (
            ethdev.rx_places().into(),
            ethdev.most_rx_places()?.min(MOST_RX_RING),
        ),
    };
    let most = u32::from(most).max(packets);
    Some(RxRing { packets, most })
}
