//! `[[port]]`: DPDK ports.

use std::slice;

use onair_api::did_you_mean;
use onair_dpdk::{
    DeviceClaim, LEAST_MTU, LEAST_RX_RING, MOST_MTU, MOST_RX_RING, PciDevice, PortConfig, XdpChoice,
};
use onair_net::vlan::{LEAST_ID, MOST_ID, MOST_PRIORITY, Vlan};
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;

/// DPDK's drivers without a device on a bus, by the beginning of their devices' names.
const VIRTUAL: [&str; 11] = [
    "net_af_xdp",
    "net_af_packet",
    "net_ring",
    "net_memif",
    "net_null",
    "net_pcap",
    "net_tap",
    "net_vhost",
    "net_virtio_user",
    "net_bonding",
    "net_failsafe",
];
/// Other notations of DPDK for a device on a bus.
const BUSES: [&str; 3] = ["pci:", "auxiliary:", "vmbus:"];

/// `[[port]]`: a DPDK port (repeatable)
///
/// Device strings; the part before the comma must be unique:
///
/// - `net_af_xdp0,iface=eth1`: an interface of the kernel, over AF_XDP. `start_queue=N` for a queue
///   other than 0; `force_copy=1` where a driver's zero-copy fails; `busy_budget=N` for preferred
///   busy polling.
/// - `net_af_packet0,iface=eth1`: the same over AF_PACKET; slower.
/// - `0000:3b:00.0`: a PCI device, with `dpdk.pci = true`: [nic.md](nic.md).
/// - `ring:NAME:a` and `ring:NAME:b`: two ends of a wire inside the daemon.
///
/// A new session goes to the poller that carries the least. AF_XDP uses the queues from
/// `start_queue` on: `ethtool --set-channels eth1 combined 2`.
///
/// AF_XDP and VLAN tags, several pollers: [nic.md](nic.md#af_xdp).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Sessions use this name; unique.
    pub name: String,
    /// A device string, see below.
    pub device: String,
    /// Network namespace of the device's interface (a name under `/run/netns`).
    #[serde(default)]
    pub netns: Option<String>,
    /// Where the XDP program of a port on AF_XDP runs.
    #[serde(default)]
    pub xdp: XdpChoice,
    /// IPv4 address and prefix length, such as `10.77.0.1/24`; this, or `ipv6`, or both.
    #[serde(default)]
    pub address: String,
    /// IPv6 address and prefix length, such as `fd77::1/64`.
    #[serde(default)]
    pub ipv6: Option<String>,
    /// Largest IP packet, bytes; with AF_XDP 3438 at most. Without it: what the interface has, else
    /// 1500. An interface of the kernel must have it, too; a PCI device gets it. `max_udp` 8960
    /// needs 8980.
    #[serde(default)]
    pub mtu: Option<u16>,
    /// Packets that the receive ring of each queue holds, 64 to 32768, rounded to what the device
    /// has. Without it: AF_PACKET 16384 (64 MiB of the kernel for each poller); PCI 4096; with
    /// jumbo frames 2048. AF_XDP has 2048 and refuses it, as `ring` does.
    #[serde(default)]
    pub rx_ring: Option<u16>,
    /// Id of the VLAN that the port sends and receives in. Without it: no tag.
    #[serde(default)]
    pub vlan: Option<u16>,
    /// Priority of the tags. Without it: the highest three bits of each packet's DSCP.
    #[serde(default)]
    pub vlan_priority: Option<u8>,
    /// Router for unicast to other networks. Without it a send session to one is refused.
    #[serde(default)]
    pub gateway: Option<String>,
    /// As `gateway`, of IPv6.
    #[serde(default)]
    pub ipv6_gateway: Option<String>,
    /// Stopped receive sessions stay in their multicast groups: a start needs no join, and their streams go on to fill
    /// the link.
    #[serde(default)]
    pub stopped_stay_joined: bool,
    /// Name of the `[[poller]]` that serves it; or give `pollers`.
    #[serde(default)]
    pub poller: String,
    /// Names of the `[[poller]]`s that serve it together, such as `["p0", "p1"]`.
    #[serde(default)]
    pub pollers: Vec<String>,
}

impl Port {
    /// Names that its device string claims.
    pub fn claim(&self) -> Result<DeviceClaim, ConfigError> {
        let claim = self.device.parse();
        claim.map_err(|error: onair_dpdk::Error| {
            self.wrong("device", &self.device, error.to_string())
        })
    }

    /// Checks that DPDK has a driver of this name, and that the string names the interface if that
    /// driver needs one: DPDK would say so only at the start.
    fn check_device(&self) -> Result<(), ConfigError> {
        let claim = self.claim()?;
        if self.device.starts_with("ring:") || self.pci()?.is_some() {
            return Ok(());
        }
        let driver = claim.name.trim_end_matches(|it: char| it.is_ascii_digit());
        let is_virtual = VIRTUAL.iter().any(|known| claim.name.starts_with(known));
        if !is_virtual && !BUSES.iter().any(|bus| claim.name.starts_with(bus)) {
            let problem = format!(
                "no driver has this name{}: give net_af_xdp0,iface=eth1, or net_af_packet0,iface=eth1, or a PCI \
                 address such as 0000:3b:00.0, or ring:NAME:a",
                did_you_mean(driver, VIRTUAL.into_iter())
            );
            return Err(self.wrong("device", &self.device, problem));
        }
        if driver.starts_with("net_af_") && claim.interface.as_deref().unwrap_or("").is_empty() {
            let problem = format!("it names no interface: give {},iface=eth1", claim.name);
            return Err(self.wrong("device", &self.device, problem));
        }
        Ok(())
    }

    /// Its device, if that is a PCI device.
    ///
    /// # Errors
    /// [`ConfigError::Value`]: not a device string.
    pub fn pci(&self) -> Result<Option<PciDevice>, ConfigError> {
        Ok(PciDevice::of(&self.claim()?.name))
    }

    /// Names of its pollers.
    #[must_use]
    pub fn pollers(&self) -> &[String] {
        if self.pollers.is_empty() {
            slice::from_ref(&self.poller)
        } else {
            &self.pollers
        }
    }

    /// The key that names its pollers.
    pub(crate) fn key(&self) -> &'static str {
        if self.pollers.is_empty() {
            "poller"
        } else {
            "pollers"
        }
    }

    /// Its MTU in bytes, as far as the configuration tells.
    ///
    /// # Errors
    /// [`ConfigError::Value`]: out of range, or more than AF_XDP takes.
    pub fn mtu(&self) -> Result<Option<u16>, ConfigError> {
        let Some(mtu) = self.mtu else {
            return Ok(None);
        };
        let is_on_xdp = self.claim()?.name.starts_with("net_af_xdp");
        if !(LEAST_MTU..=MOST_MTU).contains(&mtu) {
            let problem = format!("give {LEAST_MTU} to {MOST_MTU}");
            return Err(self.wrong("mtu", &mtu.to_string(), problem));
        }
        if is_on_xdp && u32::from(mtu) > PortConfig::XDP_MTU {
            let problem = format!(
                "a port on AF_XDP takes {} at most: use the device through vfio-pci or AF_PACKET",
                PortConfig::XDP_MTU
            );
            return Err(self.wrong("mtu", &mtu.to_string(), problem));
        }
        Ok(Some(mtu))
    }

    /// Packets of its receive rings, as far as the configuration tells.
    ///
    /// # Errors
    /// [`ConfigError::Value`]: out of range, or the device has no such ring.
    pub fn rx_ring(&self) -> Result<Option<u16>, ConfigError> {
        let Some(packets) = self.rx_ring else {
            return Ok(None);
        };
        let name = self.claim()?.name;
        let problem = if name.starts_with("net_af_xdp") {
            "DPDK's driver of AF_XDP gives each queue 2048 packets, and cannot give more: leave the key out, and give \
             the port another poller, which has a queue of its own"
        } else if self.device.starts_with("ring:") {
            "a wire in the daemon has no receive ring, its sender waits: leave the key out"
        } else if self.device.contains("framecnt=") {
            "the device string has `framecnt`, too: give one of them"
        } else if !(LEAST_RX_RING..=MOST_RX_RING).contains(&packets) {
            let problem = format!("give {LEAST_RX_RING} to {MOST_RX_RING} packets");
            return Err(self.wrong("rx_ring", &packets.to_string(), problem));
        } else {
            return Ok(Some(packets));
        };
        Err(self.wrong("rx_ring", &packets.to_string(), problem))
    }

    /// Its VLAN.
    ///
    /// # Errors
    /// [`ConfigError::Value`]: out of range, or a priority without a VLAN.
    pub fn vlan(&self) -> Result<Option<Vlan>, ConfigError> {
        let priority = self.vlan_priority;
        if let Some(priority) = priority.filter(|it| *it > MOST_PRIORITY || self.vlan.is_none()) {
            let problem = format!("give 0 to {MOST_PRIORITY}, beside `vlan`");
            return Err(self.wrong("vlan_priority", &priority.to_string(), problem));
        }
        match self.vlan {
            Some(id) if !(LEAST_ID..=MOST_ID).contains(&id) => {
                let problem = format!("give {LEAST_ID} to {MOST_ID}");
                Err(self.wrong("vlan", &id.to_string(), problem))
            }
            id => Ok(id.map(|id| Vlan { id, priority })),
        }
    }

    fn check_pollers(&self) -> Result<(), ConfigError> {
        if self.poller.is_empty() == self.pollers.is_empty() {
            let problem = "give the name of a [[poller]], or several in `pollers`";
            return Err(self.wrong("poller", &self.poller, problem));
        }
        let twice = |at: &usize| self.pollers[..*at].contains(&self.pollers[*at]);
        match (0..self.pollers.len()).find(twice) {
            Some(at) => Err(self.wrong("pollers", &self.pollers[at], "given twice")),
            None => Ok(()),
        }
    }

    pub(crate) fn wrong(&self, key: &str, value: &str, problem: impl Into<String>) -> ConfigError {
        ConfigError::value(format!("port.{}.{key}", self.name), value, problem)
    }
}

/// Checks that no two ports claim the same name, device, interface or address.
pub(crate) fn check(ports: &[Port]) -> Result<(), ConfigError> {
    for (at, port) in ports.iter().enumerate() {
        let addresses = port.addresses()?;
        port.check_device()?;
        port.mtu()?;
        port.rx_ring()?;
        port.vlan()?;
        port.check_pollers()?;
        let claim = port.claim()?;
        for before in &ports[..at] {
            let shared = before.claim()?;
            let taken = |what: &str| format!("port {} has this {what}", before.name);
            if port.name == before.name {
                return Err(ConfigError::value("port.name", &port.name, "given twice"));
            }
            if claim.name == shared.name {
                let problem = format!(
                    "{}: give each device a name of its own, such as {}1",
                    taken("device name"),
                    claim
                        .name
                        .trim_end_matches(|last: char| last.is_ascii_digit()),
                );
                return Err(port.wrong("device", &port.device, problem));
            }
            // In another namespace it is another network.
            if port.netns != before.netns {
                continue;
            }
            if let Some(interface) = &claim.interface
                && claim.interface == shared.interface
            {
                let problem = format!(
                    "port {} uses interface {interface}: give each port an interface of its own",
                    before.name
                );
                return Err(port.wrong("device", &port.device, problem));
            }
            port.check_addresses_beside(&addresses, before)?;
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::config::dataplane) fn port(name: &str, device: &str, address: &str) -> Port {
        Port {
            name: name.into(),
            device: device.into(),
            netns: None,
            xdp: XdpChoice::Auto,
            address: address.into(),
            ipv6: None,
            mtu: None,
            rx_ring: None,
            vlan: None,
            vlan_priority: None,
            gateway: None,
            ipv6_gateway: None,
            poller: "p".into(),
            pollers: Vec::new(),
            stopped_stay_joined: false,
        }
    }

    #[test]
    fn pollers_of_a_port_are_one_or_several_and_none_twice() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let with = |poller: &str, pollers: &[&str]| Port {
            poller: poller.into(),
            pollers: names(pollers),
            ..port("a", "ring:x:a", "10.0.0.1/24")
        };
        assert_eq!(with("p", &[]).pollers(), ["p"]);
        assert_eq!(with("", &["p", "q"]).pollers(), ["p", "q"]);
        check(&[with("", &["p", "q"])]).unwrap();
        for (wrong, problem) in [
            (with("", &[]), "port.a.poller"),
            (with("p", &["q"]), "or several in `pollers`"),
            (
                with("", &["p", "q", "p"]),
                "port.a.pollers = p: given twice",
            ),
        ] {
            let error = check(&[wrong]).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn mtu_is_one_that_the_device_can_have() {
        let with = |device: &str, mtu| Port {
            mtu: Some(mtu),
            ..port("a", device, "10.0.0.1/24")
        };
        for (device, mtu) in [("ring:x:a", 9216), ("net_af_xdp0,iface=eth1", 3438)] {
            assert_eq!(with(device, mtu).mtu().unwrap(), Some(mtu));
        }
        for (device, mtu, problem) in [
            ("ring:x:a", 575, "give 576 to 9216"),
            ("ring:x:a", 9217, "give 576 to 9216"),
            ("net_af_xdp0,iface=eth1", 3439, "AF_XDP takes 3438 at most"),
        ] {
            let error = check(&[with(device, mtu)]).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn receive_ring_is_one_that_the_device_can_have() {
        let with = |device: &str, rx_ring| Port {
            rx_ring: Some(rx_ring),
            ..port("a", device, "10.0.0.1/24")
        };
        for device in ["net_af_packet0,iface=eth1", "0000:3b:00.0"] {
            assert_eq!(with(device, 8192).rx_ring().unwrap(), Some(8192));
        }
        for (device, rx_ring, problem) in [
            ("0000:3b:00.0", 63, "give 64 to 32768 packets"),
            ("0000:3b:00.0", 32_769, "give 64 to 32768 packets"),
            (
                "net_af_xdp0,iface=eth1",
                4096,
                "give the port another poller",
            ),
            ("ring:x:a", 4096, "its sender waits"),
            (
                "net_af_packet0,iface=eth1,framecnt=64",
                4096,
                "give one of them",
            ),
        ] {
            let error = check(&[with(device, rx_ring)]).unwrap_err().to_string();
            assert!(
                error.starts_with("port.a.rx_ring = ") && error.contains(problem),
                "{error}"
            );
        }
    }

    #[test]
    fn device_of_no_driver_or_without_its_interface_then_refused() {
        for (device, problem) in [
            ("net_af_xpd0,iface=eth1", "did you mean \"net_af_xdp\"?"),
            ("eth1", "no driver has this name"),
            ("0000:3b:00", "a PCI address such as 0000:3b:00.0"),
            ("net_af_xdp0", "give net_af_xdp0,iface=eth1"),
            ("net_af_packet0,ifcae=eth1", "it names no interface"),
        ] {
            let error = check(&[port("a", device, "10.0.0.1/24")]);
            let error = error.unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        for device in ["net_memif0,role=server", "0000:3b:00.0", "ring:x:a"] {
            check(&[port("a", device, "10.0.0.1/24")]).unwrap();
        }
    }

    #[test]
    fn vlan_is_one_that_a_tag_can_have() {
        let with = |vlan, vlan_priority| Port {
            vlan,
            vlan_priority,
            ..port("a", "ring:x:a", "10.0.0.1/24")
        };
        for vlan in [1, 4094] {
            let priority = Some(7);
            let found = with(Some(vlan), priority).vlan().unwrap();
            assert_eq!(found, Some(Vlan { id: vlan, priority }));
        }
        for (vlan, priority, problem) in [
            (Some(0), None, "port.a.vlan = 0: give 1 to 4094"),
            (Some(4095), None, "give 1 to 4094"),
            (Some(100), Some(8), "port.a.vlan_priority = 8: give 0 to 7"),
            (None, Some(3), "beside `vlan`"),
        ] {
            let error = check(&[with(vlan, priority)]).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn what_only_one_port_can_have_is_refused_to_the_second() {
        let first = port("a", "net_af_xdp0,iface=eth1", "10.0.0.1/24");
        for (second, problem) in [
            (port("a", "ring:x:a", "10.0.0.2/24"), "given twice"),
            (
                port("b", "net_af_xdp0,iface=eth2", "10.0.0.2/24"),
                "port a has this device name: give each device a name of its own, such as net_af_xdp1",
            ),
            (
                port("b", "net_af_packet1,iface=eth1", "10.0.0.2/24"),
                "port a uses interface eth1",
            ),
            (
                port("b", "ring:x:a", "10.0.0.1/8"),
                "port a has this address",
            ),
        ] {
            let error = check(&[first.clone(), second]).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        let elsewhere = Port {
            netns: Some("studio".into()),
            ..port("b", "net_af_xdp1,iface=eth1", "10.0.0.1/24")
        };
        check(&[first, elsewhere]).unwrap();
    }
}
