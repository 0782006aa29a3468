//! How a port is opened: attempts, from the best set-up to the one that works.

use std::{
    cell::OnceCell,
    collections::BTreeSet,
    os::fd::BorrowedFd,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::net::{sockopt, xdp::XdpOptionsFlags};

use crate::device::Device;
use crate::device::pci::PciDevice;
use crate::kernel::channels;
use crate::kernel::netlink::{Mode, Route};
use crate::packets::room::{Driver, Room};
use crate::port::claim::{Claim, Taken};
use crate::port::ethdev::Ethdev;
use crate::port::hardware::{XdpChoice, XdpMode};
use crate::port::queue::OpenPort;
use crate::port::rx_ring::{MOST_RX_RING, RxRing};
use crate::{ETHERNET_MTU, Eal, Error, MOST_MTU, Memory, Pool, PortConfig, log};

/// Pause between two attempts at a busy queue.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// How a port is set up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Setup {
    Plain,
    /// With the device's interrupt.
    Interrupt,
    /// On AF_XDP, with an XDP program in generic mode.
    Generic,
}

/// A port that was just opened.
pub(crate) struct Opened {
    pub(crate) shared: OpenPort,
    pub(crate) xdp: Option<XdpMode>,
    pub(crate) mac: [u8; 6],
    pub(crate) mtu: u16,
    pub(crate) rx_ring: Option<RxRing>,
    pub(crate) memory_bytes: u64,
}

/// A device that was just started.
struct Started {
    ethdev: Ethdev,
    pools: Vec<Pool>,
    mtu: u16,
    rx_ring: Option<RxRing>,
    memory_bytes: u64,
}

/// Opens the port, in its namespace.
pub(crate) fn open_here(
    eal: &Eal,
    config: &PortConfig,
    device: &Device,
    open: &BTreeSet<u16>,
) -> Result<Opened, Error> {
    let mtu = mtu_of(config, device)?;
    let Some(queue) = device.xdp() else {
        return open_plain(eal, config, (device, mtu), open);
    };
    let first: u16 = queue.start.parse().unwrap_or(0);
    let room = channels::count(&queue.interface).saturating_sub(first);
    let queues = config.queues.min(room).max(1);
    // With another first queue, rules of the operator's own say what comes to the port.
    if first == 0 && room > queues {
        let interface = &queue.interface;
        tracing::warn!(
            target: "dpdk",
            port = config.name,
            "{interface} has {room} queues, of which this port reads {queues}; packets that the NIC puts into \
             another do not reach it: `ethtool --set-channels {interface} combined {queues}`, or a rule for each flow"
        );
    }
    let claims = queue
        .and_next(queues)
        .map(|queue| Claim::on(&queue, &config.device, config.busy))
        .collect::<Result<_, _>>()?;
    let device = &device.with_queues(queues);
    let attempt = |setup| start(eal, config, (device, mtu), open, setup);
    let native = || {
        let takes_it = OnceCell::new();
        let takes_it = || *takes_it.get_or_init(|| takes_native(&queue.interface));
        let is_busy = |error: &Error| error.is_busy() && takes_it();
        patiently(config, || attempt(Setup::Plain), is_busy)
    };
    let generic = || patiently(config, || attempt(Setup::Generic), Error::is_busy);
    let started = match config.xdp {
        XdpChoice::Generic => generic(),
        XdpChoice::Native => native(),
        XdpChoice::Auto => native().or_else(|refused| {
            if !refused.is_busy() {
                return Err(refused);
            }
            tracing::info!(target: "dpdk", port = config.name, "generic mode, because: {refused}");
            generic().map_err(|error| Error::NeitherMode {
                interface: queue.interface.clone(),
                native: Box::new(refused),
                generic: Box::new(error),
            })
        }),
    };
    let opened = opened(config, device, started?, Taken::Queues(claims));
    if config.xdp == XdpChoice::Native && opened.xdp.is_some_and(|mode| !mode.native) {
        return Err(Error::NotNative {
            interface: queue.interface.clone(),
        });
    }
    Ok(opened)
}

/// Opens a port that is not on AF_XDP.
fn open_plain(
    eal: &Eal,
    config: &PortConfig,
    (device, mtu): (&Device, Mtu),
    open: &BTreeSet<u16>,
) -> Result<Opened, Error> {
    let device = device.with_queues(config.queues);
    let pci = device.pci();
    let lock = pci.as_ref().map(PciDevice::claim).transpose()?.flatten();
    let taken = lock.map_or(Taken::Nothing, Taken::Device);
    if config.interrupt && device.keeps_interrupts() {
        match log::trial(|| start(eal, config, (&device, mtu), open, Setup::Interrupt)) {
            Ok(started) => return Ok(opened(config, &device, started, taken)),
            Err(error) => {
                tracing::debug!(target: "dpdk", port = config.name, "without interrupt: {error}");
            }
        }
    }
    let started = start(eal, config, (&device, mtu), open, Setup::Plain)?;
    Ok(opened(config, &device, started, taken))
}

/// Whether the driver of `interface` takes an XDP program: one that does not (its peer's MTU is too large, it has no
/// XDP) never will, and fails in the same step as a busy queue does. True if that cannot be tried.
fn takes_native(interface: &str) -> bool {
    let found = Route::open().and_then(|route| Ok((route.find(interface)?, route)));
    let Ok((Some(found), route)) = found else {
        return true;
    };
    if !found.programs.is_empty() {
        return true;
    }
    let index = i32::try_from(found.index).unwrap_or(0);
    // SAFETY: libxdp came with the driver, which has just opened a port.
    let (code, _) = log::captured(|| unsafe { dpdk_sys::onair_xdp_attach(index, 1) });
    if code == 0
        && let Err(error) = route.detach(found.index, Mode::Driver)
    {
        tracing::debug!(target: "dpdk", interface, %error, "XDP program");
    }
    [0, -libc::EBUSY, -libc::EEXIST].contains(&code)
}

/// Repeats an attempt at an AF_XDP queue that is busy, for a time.
fn patiently<T>(
    config: &PortConfig,
    attempt: impl Fn() -> Result<T, Error>,
    is_busy: impl Fn(&Error) -> bool,
) -> Result<T, Error> {
    let began = Instant::now();
    loop {
        if began.elapsed() >= config.busy {
            return attempt();
        }
        match log::trial(&attempt) {
            Err(error) if is_busy(&error) => {
                tracing::debug!(target: "dpdk", port = config.name, "again: {error}");
                thread::sleep(BUSY_PAUSE);
            }
            done => return done,
        }
    }
}

fn opened(config: &PortConfig, device: &Device, started: Started, taken: Taken) -> Opened {
    let Started {
        ethdev,
        pools,
        mtu,
        rx_ring,
        memory_bytes,
    } = started;
    Opened {
        xdp: ethdev.xsk(0).and_then(|socket| xdp_mode(device, socket)),
        mac: ethdev.mac().unwrap_or_else(|| made_up_mac(&config.device)),
        mtu,
        rx_ring,
        memory_bytes,
        shared: OpenPort::new(ethdev, pools, taken),
    }
}

/// The MTU that a port is to have.
#[derive(Debug, Clone, Copy)]
enum Mtu {
    /// The kernel's interface has it, which the administrator configures.
    OfInterface(u16),
    /// The device gets it.
    ToSet(u16),
    /// The wire inside the process has none.
    OfRing(u16),
}

impl Mtu {
    const fn bytes(self) -> u16 {
        match self {
            Self::OfInterface(bytes) | Self::ToSet(bytes) | Self::OfRing(bytes) => bytes,
        }
    }
}

/// Checks that the interface has the MTU that the port is to have, and that AF_XDP takes it: the kernel
/// drops a packet that does not fit, and counts it only in its own statistics.
fn mtu_of(config: &PortConfig, device: &Device) -> Result<Mtu, Error> {
    let wanted = config.mtu.unwrap_or(ETHERNET_MTU);
    let xdp = device.xdp().map(|queue| queue.interface.clone());
    let is_on_xdp = xdp.is_some();
    let Some(interface) = xdp.or_else(|| device.packet_interface()) else {
        return Ok(match device {
            Device::Ring(_) => Mtu::OfRing(wanted),
            Device::Dpdk { .. } => Mtu::ToSet(wanted),
        });
    };
    // Without an answer opening the port reports the reason.
    let found = Route::open().and_then(|route| route.find(&interface));
    let Some(mtu) = found.ok().flatten().map(|found| found.mtu) else {
        return Ok(Mtu::OfInterface(wanted));
    };
    if is_on_xdp && mtu > PortConfig::XDP_MTU {
        let most = PortConfig::XDP_MTU;
        return Err(Error::Mtu {
            interface,
            mtu,
            most,
        });
    }
    match config.mtu {
        Some(wanted) if mtu != u32::from(wanted) => Err(Error::OtherMtu {
            interface,
            mtu,
            wanted,
        }),
        _ => {
            let bytes = u16::try_from(mtu).unwrap_or(u16::MAX);
            Ok(Mtu::OfInterface(bytes.min(MOST_MTU)))
        }
    }
}

/// How `device` is attached; `None` if the kernel does not tell.
fn xdp_mode(device: &Device, socket: BorrowedFd<'_>) -> Option<XdpMode> {
    let interface = Route::open().ok()?.find(&device.xdp()?.interface).ok()??;
    let options = sockopt::xdp_options(socket).ok()?;
    Some(XdpMode {
        native: interface
            .programs
            .iter()
            .any(|(mode, _)| *mode != Mode::Generic),
        zero_copy: options.contains(XdpOptionsFlags::XDP_OPTIONS_ZEROCOPY),
    })
}

/// One attempt, from the beginning and with new pools: after a failed attempt neither the port nor
/// the pools are usable.
fn start(
    eal: &Eal,
    config: &PortConfig,
    (device, mtu): (&Device, Mtu),
    open: &BTreeSet<u16>,
    setup: Setup,
) -> Result<Started, Error> {
    static SERIAL: AtomicU32 = AtomicU32::new(0);
    let driver = match device {
        _ if device.xdp().is_some() => Driver::AfXdp,
        _ if device.packet_interface().is_some() => Driver::AfPacket,
        _ => Driver::Other,
    };
    let room = match eal.memory() {
        Memory::Plain { .. } if driver == Driver::AfXdp => {
            Room::new(driver, mtu.bytes()).of_a_page()
        }
        _ => Room::new(driver, mtu.bytes()),
    };
    let (config, packets) = &config.sized(driver, room);
    let device = &device.with_ring((*packets).into(), room.ring_frame);
    let mut ethdev = Ethdev::attach(device, &config.device, |id| open.contains(&id))?;
    if config.beside {
        ethdev.leave_flags();
    }
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
    let pools = (0..queues)
        .map(|_| pool())
        .collect::<Result<Vec<_>, Error>>()?;
    let (rx, tx) = (*packets, config.tx_descriptors);
    if setup == Setup::Generic {
        ethdev.attach_generic()?;
    }
    // Without the key the driver chooses.
    let to_set = config.mtu.filter(|_| matches!(mtu, Mtu::ToSet(_)));
    ethdev.keep_flags();
    let started = ethdev.start(&pools, (rx, tx), setup == Setup::Interrupt, to_set);
    let mtu = started.and_then(|()| match mtu {
        Mtu::ToSet(_) => ethdev.mtu(),
        Mtu::OfInterface(bytes) | Mtu::OfRing(bytes) => Ok(bytes),
    });
    let rx_ring = rx_ring(&ethdev, device, driver);
    let plain = matches!(eal.memory(), Memory::Plain { .. });
    let rings = device
        .ring_slots()
        .map_or(0, |slots| 2 * room.ring_bytes(slots));
    let memory_bytes = u64::from(queues) * (room.bytes(config.mbufs, plain) + rings);
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
            drop(pools);
            Err(error)
        }
    }
}

/// The receive ring of a device that was started.
fn rx_ring(ethdev: &Ethdev, device: &Device, driver: Driver) -> Option<RxRing> {
    let (packets, most) = match driver {
        Driver::AfPacket => (device.ring_slots()?, MOST_RX_RING),
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

/// A locally administered unicast address (IEEE 802, 8.2): 02:6f:61 and the
/// FNV-1a hash of `device`.
fn made_up_mac(device: &str) -> [u8; 6] {
    let hash = device.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let [_, a, b, c] = hash.to_be_bytes();
    [0x02, 0x6f, 0x61, a, b, c]
}
