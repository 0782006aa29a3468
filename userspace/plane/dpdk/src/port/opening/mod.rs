//! How a port is opened: attempts, from the best set-up to the one that works.

pub(crate) mod config;
mod mtu;
pub(crate) mod prepared;

use std::{
    cell::{Cell, OnceCell},
    collections::BTreeSet,
    io,
    os::fd::BorrowedFd,
    thread,
    time::{Duration, Instant},
};

use rustix::net::{sockopt, xdp::XdpOptionsFlags};

use self::mtu::{Mtu, mtu_of};
use self::prepared::{Prepared, Setup, Started};
use crate::device::pci::PciDevice;
use crate::device::{Device, XdpQueue};
use crate::filter::{OwnPackets, PortFilter, program};
use crate::kernel::channels;
use crate::kernel::netlink::{Mode, Route};
use crate::kernel::queue_look::QueueLook;
use crate::port::claim::{self, Claim, Taken};
use crate::port::hardware::{XdpChoice, XdpMode};
use crate::port::queue::OpenPort;
use crate::port::rx_ring::RxRing;
use crate::{Eal, Error, PortConfig, log};

/// Pause between two attempts at a busy queue: an attempt takes some 30 ms.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// A port that was just opened.
pub(crate) struct Opened {
    pub(crate) shared: OpenPort,
    pub(crate) xdp: Option<XdpMode>,
    pub(crate) mac: [u8; 6],
    pub(crate) mtu: u16,
    pub(crate) rx_ring: Option<RxRing>,
    pub(crate) memory_bytes: u64,
}

/// Prepares an AF_XDP port, in its namespace; `None`: it is not on AF_XDP.
pub(crate) fn prepare_here(
    eal: &Eal,
    config: &PortConfig,
    device: &Device,
    open: &BTreeSet<u16>,
) -> Result<Option<Prepared>, Error> {
    let Some(queue) = device.xdp() else {
        return Ok(None);
    };
    let mtu = mtu_of(config, device)?;
    let taken = Queues::of(config, queue).taken;
    let device = device.with_queues(taken);
    let is_ours = |id| open.contains(&id);
    let mut prepared = Prepared::new(eal, config, (&device, mtu), is_ours, Vec::new())?;
    prepared.look = QueueLook::at(queue.and_next(taken));
    Ok(Some(prepared))
}

/// Opens the port, in its namespace, with what was prepared for it.
pub(crate) fn open_here(
    eal: &Eal,
    config: &PortConfig,
    (device, prepared): (&Device, Option<Prepared>),
    open: &BTreeSet<u16>,
) -> Result<Opened, Error> {
    let mtu = mtu_of(config, device)?;
    let Some(queue) = device.xdp() else {
        return open_plain(eal, config, (device, mtu), open);
    };
    let Queues {
        first,
        room,
        taken: queues,
    } = Queues::of(config, queue);
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
        .collect::<Result<Vec<_>, _>>()?;
    let filter = config.own.as_ref();
    let filter = filter.and_then(|own| filter_of(config, (queue, own), &claims));
    let device = &device.with_queues(queues);
    let mut prepared = prepared.filter(|it| it.is_for(device, mtu));
    let look = prepared.as_mut().and_then(|it| it.look.take());
    let look = look.or_else(|| QueueLook::at(queue.and_next(queues)));
    let prepared = Cell::new(prepared);
    // To make them takes most of the time.
    let pools = Cell::new(Vec::new());
    let attempt = |setup| {
        let is_ours = |id| open.contains(&id);
        let anew = || Prepared::new(eal, config, (device, mtu), is_ours, pools.take());
        let started = prepared.take().map_or_else(anew, Ok)?.start(config, setup);
        started.map_err(|(error, left)| {
            pools.set(left);
            error
        })
    };
    let native = || {
        let takes_it = OnceCell::new();
        let takes_it = || *takes_it.get_or_init(|| takes_native(&queue.interface));
        let is_busy = |error: &Error| error.is_busy() && takes_it();
        patiently((config, look.as_ref()), || attempt(Setup::Plain), is_busy)
    };
    let generic = || {
        patiently(
            (config, look.as_ref()),
            || attempt(Setup::Generic),
            Error::is_busy,
        )
    };
    let started = match config.xdp {
        // Its program is there already.
        _ if filter.is_some() => patiently(
            (config, look.as_ref()),
            || attempt(Setup::Plain),
            Error::is_busy,
        ),
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
    let taken = Taken::Queues(claims);
    let opened = opened(config, device, started?, (filter, taken));
    if config.xdp == XdpChoice::Native && opened.xdp.is_some_and(|mode| !mode.native) {
        return Err(Error::NotNative {
            interface: queue.interface.clone(),
        });
    }
    Ok(opened)
}

/// Attaches the program that leaves the kernel its packets. `None`: the interface does not take it, which is logged
/// unless the driver's default fares no better.
fn filter_of(
    config: &PortConfig,
    (queue, own): (&XdpQueue, &OwnPackets),
    claims: &[Claim],
) -> Option<PortFilter> {
    let interface = &queue.interface;
    let deadline = Instant::now() + config.busy;
    let attach = |mode| loop {
        match program::attach(interface, mode, || Ok(!claim::others(interface, claims)?)) {
            Err(error) if is_in_use(&error) && Instant::now() < deadline => {
                thread::sleep(BUSY_PAUSE);
            }
            done => return done,
        }
    };
    let held = match config.xdp {
        XdpChoice::Generic => attach(Mode::Generic),
        XdpChoice::Native => attach(Mode::Driver),
        XdpChoice::Auto => attach(Mode::Driver).or_else(|refused| {
            if is_in_use(&refused) {
                return Err(refused);
            }
            tracing::info!(target: "dpdk", port = config.name, "generic mode, because: {refused}");
            attach(Mode::Generic)
        }),
    };
    let warn = |error: &io::Error| {
        tracing::warn!(
            target: "dpdk",
            port = config.name,
            "the port takes all packets of {interface}, also the host's (PTP, ssh), because its XDP program cannot be \
             attached: {error}"
        );
    };
    let held = held.inspect_err(warn).ok()?;
    Some(PortFilter::new(held, interface, own))
}

fn is_in_use(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ResourceBusy
}

/// The queues of an interface.
struct Queues {
    /// The port's first one.
    first: u16,
    /// How many there are from that one on.
    room: u16,
    /// How many the port takes.
    taken: u16,
}

impl Queues {
    fn of(config: &PortConfig, queue: &XdpQueue) -> Self {
        let first = queue.start.parse().unwrap_or(0);
        let room = channels::count(&queue.interface).saturating_sub(first);
        let taken = config.queues.min(room).max(1);
        Self { first, room, taken }
    }
}

/// Starts a port that is not on AF_XDP.
fn start(
    eal: &Eal,
    config: &PortConfig,
    device: (&Device, Mtu),
    open: &BTreeSet<u16>,
    setup: Setup,
) -> Result<Started, Error> {
    let prepared = Prepared::new(eal, config, device, |id| open.contains(&id), Vec::new())?;
    prepared.start(config, setup).map_err(|(error, _)| error)
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
            Ok(started) => return Ok(opened(config, &device, started, (None, taken))),
            Err(error) => {
                tracing::debug!(target: "dpdk", port = config.name, "without interrupt: {error}");
            }
        }
    }
    let started = start(eal, config, (&device, mtu), open, Setup::Plain)?;
    Ok(opened(config, &device, started, (None, taken)))
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

/// Repeats an attempt at an AF_XDP queue that is busy, for a time, after a look each time if there can be one.
fn patiently<T>(
    (config, look): (&PortConfig, Option<&QueueLook>),
    attempt: impl Fn() -> Result<T, Error>,
    is_busy: impl Fn(&Error) -> bool,
) -> Result<T, Error> {
    let deadline = Instant::now() + config.busy;
    loop {
        if let Some(look) = look {
            look.wait_until_free(deadline);
        }
        if Instant::now() >= deadline {
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

fn opened(
    config: &PortConfig,
    device: &Device,
    started: Started,
    (filter, taken): (Option<PortFilter>, Taken),
) -> Opened {
    let Started {
        mut ethdev,
        pools,
        mtu,
        rx_ring,
        memory_bytes,
    } = started;
    let xdp = ethdev.xsk(0).and_then(|socket| xdp_mode(device, socket));
    if filter.is_none() && xdp.is_some_and(|mode| !mode.native) {
        ethdev.note_generic();
    }
    Opened {
        xdp,
        mac: ethdev.mac().unwrap_or_else(|| made_up_mac(&config.device)),
        mtu,
        rx_ring,
        memory_bytes,
        shared: OpenPort::new(ethdev, pools, filter, taken),
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

/// A locally administered unicast address (IEEE 802, 8.2): 02:6f:61 and the
/// FNV-1a hash of `device`.
fn made_up_mac(device: &str) -> [u8; 6] {
    let hash = device.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let [_, a, b, c] = hash.to_be_bytes();
    [0x02, 0x6f, 0x61, a, b, c]
}
