//! Device strings.

pub(crate) mod pci;
pub(crate) mod ring;

use std::{ffi::CString, str::FromStr};

use crate::{Error, PciDevice};

/// A parsed `device` of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Device {
    /// `ring:NAME:a` or `ring:NAME:b`: one end of an in-process wire.
    Ring(RingEnd),
    /// Anything else, passed to DPDK unchanged, for example `net_af_xdp0,iface=va` or
    /// `0000:3b:00.0`.
    Dpdk {
        /// The whole string.
        arguments: CString,
        /// The part up to the first comma: DPDK's name of the port.
        name: CString,
        /// The kernel queue that the port takes for itself.
        xdp: Option<XdpQueue>,
    },
}

impl Device {
    /// The queue of an AF_XDP port.
    pub(crate) fn xdp(&self) -> Option<&XdpQueue> {
        match self {
            Self::Dpdk { xdp, .. } => xdp.as_ref(),
            Self::Ring(_) => None,
        }
    }

    /// The same with `queues` pairs of queues, for drivers to which the device string tells their
    /// number; a number that is in the string stays.
    pub(crate) fn with_queues(&self, queues: u16) -> Self {
        let mut device = self.clone();
        if let Self::Dpdk {
            arguments, name, ..
        } = &mut device
            && queues > 1
            && let Some(key) = queues_key(&name.to_string_lossy())
            && let Ok(text) = arguments.to_str()
            && value(text, key).is_none()
            && let Ok(more) = CString::new(format!("{text},{key}={queues}"))
        {
            *arguments = more;
        }
        device
    }

    /// The interface of an AF_PACKET device.
    pub(crate) fn packet_interface(&self) -> Option<String> {
        match self {
            Self::Dpdk { arguments, .. } => packet_interface(&arguments.to_string_lossy()),
            Self::Ring(_) => None,
        }
    }

    /// An AF_PACKET device with so many slots in each ring of its sockets, of so many bytes each if that is
    /// given; what is in the string stays.
    pub(crate) fn with_ring(&self, slots: u32, bytes: Option<u32>) -> Self {
        let mut device = self.clone();
        let is_packet = self.packet_interface().is_some();
        if let Self::Dpdk { arguments, .. } = &mut device
            && is_packet
            && let Ok(text) = arguments.to_str()
        {
            let is_free = |key| value(text, key).is_none();
            let mut more = text.to_owned();
            if let Some(bytes) = bytes.filter(|_| is_free("framesz")) {
                more += &format!(",blocksz={bytes},framesz={bytes}");
            }
            if is_free("framecnt") {
                more += &format!(",framecnt={slots}");
            }
            *arguments = CString::new(more).expect("neither part has a NUL byte");
        }
        device
    }

    /// Slots of each ring of an AF_PACKET device, if they are in the string.
    pub(crate) fn ring_slots(&self) -> Option<u32> {
        match self {
            Self::Dpdk { arguments, .. } => value(&arguments.to_string_lossy(), "framecnt")?
                .parse()
                .ok(),
            Self::Ring(_) => None,
        }
    }

    /// Whether its driver's interrupts keep their descriptors while the port is started. Those of vhost and memif are
    /// their peers', and go with a connection.
    pub(crate) fn keeps_interrupts(&self) -> bool {
        match self {
            Self::Ring(_) => false,
            Self::Dpdk { name, .. } => {
                self.pci().is_some() || name.to_bytes().starts_with(b"net_virtio_user")
            }
        }
    }

    pub(crate) fn pci(&self) -> Option<PciDevice> {
        match self {
            Self::Ring(_) => None,
            Self::Dpdk { name, .. } => PciDevice::of(&name.to_string_lossy()),
        }
    }
}

/// The queue that an AF_XDP port takes for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct XdpQueue {
    /// The interface's name.
    pub(crate) interface: String,
    /// The first queue, as text.
    pub(crate) start: String,
}

impl XdpQueue {
    /// The queues of a port, from this one on.
    pub(crate) fn and_next(&self, count: u16) -> impl Iterator<Item = Self> {
        let first: u16 = self.start.parse().unwrap_or(0);
        (0..count).map(move |offset| Self {
            interface: self.interface.clone(),
            start: match offset {
                0 => self.start.clone(),
                _ => first.saturating_add(offset).to_string(),
            },
        })
    }

    fn of(name: &str, arguments: &str) -> Option<Self> {
        name.starts_with("net_af_xdp").then(|| {
            Some(Self {
                interface: value(arguments, "iface")?,
                start: value(arguments, "start_queue").unwrap_or_else(|| "0".into()),
            })
        })?
    }
}

/// Names that a device string claims; no other port can have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceClaim {
    /// DPDK's name of the device, for example `net_af_xdp0` or `0000:3b:00.0`; of a ring its whole
    /// string.
    pub name: String,
    /// The kernel's interface under an AF_XDP or AF_PACKET device.
    pub interface: Option<String>,
}

impl FromStr for DeviceClaim {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(match text.parse()? {
            Device::Ring(_) => Self {
                name: text.to_owned(),
                interface: None,
            },
            Device::Dpdk { name, xdp, .. } => Self {
                interface: xdp
                    .map(|queue| queue.interface)
                    .or_else(|| packet_interface(text)),
                name: name.to_string_lossy().into_owned(),
            },
        })
    }
}

/// The argument with which a driver is told how many queues it has.
fn queues_key(name: &str) -> Option<&'static str> {
    match name {
        _ if name.starts_with("net_af_xdp") => Some("queue_count"),
        _ if name.starts_with("net_af_packet") => Some("qpairs"),
        _ => None,
    }
}

/// The interface of an AF_PACKET device, which becomes promiscuous.
fn packet_interface(text: &str) -> Option<String> {
    let is_packet = text.trim_start().starts_with("net_af_packet");
    is_packet.then(|| value(text, "iface"))?
}

/// The value of `key` among `name,key=value,…`.
fn value(arguments: &str, key: &str) -> Option<String> {
    let mut pairs = arguments.split(',').filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(found, _)| found.trim() == key);
    found.map(|(_, value)| value.trim().to_owned())
}

/// One end of a named pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RingEnd {
    pub(crate) pair: String,
    pub(crate) end: End,
}

/// The end. `B` receives what `A` sends, and the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    A,
    B,
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = |expected| Error::Invalid {
            what: "device",
            value: text.to_owned(),
            expected,
        };
        if let Some(rest) = text.strip_prefix("ring:") {
            let expected = "ring:NAME:a or ring:NAME:b";
            let (pair, end) = rest.rsplit_once(':').ok_or_else(|| invalid(expected))?;
            let end = match end {
                "a" => End::A,
                "b" => End::B,
                _ => return Err(invalid(expected)),
            };
            if pair.is_empty() {
                return Err(invalid(expected));
            }
            let pair = pair.to_owned();
            return Ok(Self::Ring(RingEnd { pair, end }));
        }
        let name = text.split(',').next().unwrap_or_default().trim();
        if name.is_empty() {
            return Err(invalid(
                "ring:NAME:a, ring:NAME:b or a DPDK device such as net_af_xdp0,iface=eth1",
            ));
        }
        let without_nul =
            |text: &str| CString::new(text).map_err(|_| invalid("text without a NUL byte"));
        Ok(Self::Dpdk {
            arguments: without_nul(text)?,
            name: without_nul(name)?,
            xdp: XdpQueue::of(name, text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_with_queues_tells_the_drivers_that_ask_for_them() {
        for (text, expected) in [
            ("net_af_xdp0,iface=va", "net_af_xdp0,iface=va,queue_count=2"),
            (
                "net_af_xdp0,iface=va,queue_count=4",
                "net_af_xdp0,iface=va,queue_count=4",
            ),
            (
                "net_af_packet0,iface=va",
                "net_af_packet0,iface=va,qpairs=2",
            ),
            ("0000:3b:00.0", "0000:3b:00.0"),
        ] {
            let device: Device = text.parse().unwrap();
            assert_eq!(device.with_queues(1), device);
            let Device::Dpdk { arguments, .. } = device.with_queues(2) else {
                panic!("no ring");
            };
            assert_eq!(arguments.to_str().unwrap(), expected);
        }
    }

    #[test]
    fn device_with_a_ring_tells_the_driver_unless_the_string_does() {
        let with_ring = |text: &str, bytes| {
            let device: Device = text.parse().unwrap();
            match device.with_ring(8192, bytes) {
                Device::Dpdk { arguments, .. } => arguments.into_string().unwrap(),
                Device::Ring(_) => panic!("no ring"),
            }
        };
        let plain = "net_af_packet0,iface=va";
        assert_eq!(with_ring(plain, None), format!("{plain},framecnt=8192"));
        assert_eq!(
            with_ring(plain, Some(12_288)),
            format!("{plain},blocksz=12288,framesz=12288,framecnt=8192")
        );
        let device: Device = plain.parse().unwrap();
        assert_eq!(device.with_ring(64, None).ring_slots(), Some(64));
        let told = "net_af_packet0,iface=va,framesz=4096,framecnt=64";
        assert_eq!(with_ring(told, Some(12_288)), told);
        assert_eq!(
            with_ring("net_af_xdp0,iface=va", None),
            "net_af_xdp0,iface=va"
        );
    }

    #[test]
    fn device_from_text() {
        assert_eq!(
            "ring:x:y:b".parse::<Device>().unwrap(),
            Device::Ring(RingEnd {
                pair: "x:y".into(),
                end: End::B
            })
        );
        assert_eq!(
            "net_af_xdp0,iface=va".parse::<Device>().unwrap(),
            Device::Dpdk {
                arguments: c"net_af_xdp0,iface=va".into(),
                name: c"net_af_xdp0".into(),
                xdp: Some(XdpQueue {
                    interface: "va".into(),
                    start: "0".into()
                }),
            }
        );
        let third = "net_af_xdp1,start_queue=3,iface=va".parse::<Device>();
        assert!(matches!(third, Ok(Device::Dpdk { xdp: Some(x), .. }) if x.start == "3"));
        let other = "net_af_packet0,iface=va".parse::<Device>();
        assert!(matches!(other, Ok(Device::Dpdk { xdp: None, .. })));
        assert!(other.unwrap().pci().is_none());
        let pci = "0000:3b:00.0,rx-burst=4".parse::<Device>().unwrap();
        assert!(pci.pci().is_some());
        for bad in [
            "",
            ",iface=va",
            "ring:",
            "ring:x",
            "ring:x:c",
            "ring::a",
            "a\0b",
        ] {
            assert!(
                matches!(bad.parse::<Device>(), Err(Error::Invalid { .. })),
                "{bad:?}"
            );
        }
    }
}
