//! The MTU of a port.

use crate::device::Device;
use crate::kernel::netlink::Route;
use crate::{ETHERNET_MTU, Error, MOST_MTU, PortConfig};

/// The MTU that a port is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mtu {
    /// The kernel's interface has it, which the administrator configures.
    OfInterface(u16),
    /// The device gets it.
    ToSet(u16),
    /// The wire inside the process has none.
    OfRing(u16),
}

impl Mtu {
    pub(crate) const fn bytes(self) -> u16 {
        match self {
            Self::OfInterface(bytes) | Self::ToSet(bytes) | Self::OfRing(bytes) => bytes,
        }
    }
}

/// Checks that the interface has the MTU that the port is to have, and that AF_XDP takes it: the kernel
/// drops a packet that does not fit, and counts it only in its own statistics.
pub(crate) fn mtu_of(config: &PortConfig, device: &Device) -> Result<Mtu, Error> {
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
