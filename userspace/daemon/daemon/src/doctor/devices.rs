//! The devices of the ports.

use std::process::{Command, Stdio};

use onair_dpdk::{Link, PciDevice, PortConfig};
use onair_settings::config::{Config, Port};

use super::finding::Finding;
use super::host::Host;

/// The smallest MTU for standard ST 2110 datagrams (ST 2110-10, 6.3: 1,460 bytes of UDP).
const MTU: u64 = 1500;

pub(super) fn check(host: &Host, config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for port in &config.port {
        let Ok(claim) = port.claim() else { continue };
        if let Some(device) = PciDevice::of(&claim.name) {
            findings.extend(pci(host, port, &device));
        } else if let Some(interface) = &claim.interface {
            findings.extend(interface_of(host, config, port, interface));
        }
    }
    findings
}

fn pci(host: &Host, port: &Port, device: &PciDevice) -> Vec<Finding> {
    let check = format!("device: {}", port.name);
    let usable = match device.check() {
        Ok(()) => Finding::ok(check, format!("{}, ready for DPDK", device.address())),
        Err(error) => Finding::fail(check, error.to_string()).because(
            "DPDK opens a device only if the kernel and other processes leave it",
            format!("free the device, or correct port.{}.device", port.name),
        ),
    };
    let check = format!("iommu: {}", port.name);
    let groups = host.names("sys/kernel/iommu_groups").len();
    let iommu = if groups > 0 {
        Finding::ok(check, format!("{groups} groups"))
    } else {
        Finding::fail(check, "no groups").because(
            "vfio-pci gives a device to a program only behind an IOMMU",
            "switch it on in the firmware, and boot with intel_iommu=on or amd_iommu=on",
        )
    };
    let check = format!("vfio: {}", port.name);
    let vfio = if host.has("sys/bus/pci/drivers/vfio-pci") {
        Finding::ok(check, "vfio-pci is loaded")
    } else {
        Finding::fail(check, "vfio-pci is not loaded").because(
            "DPDK reaches the device through this driver",
            "modprobe vfio-pci, and write it to /etc/modules-load.d/vfio.conf",
        )
    };
    vec![usable, iommu, vfio]
}

fn interface_of(host: &Host, config: &Config, port: &Port, interface: &str) -> Vec<Finding> {
    let check = format!("interface: {}", port.name);
    if let Some(netns) = &port.netns {
        // Its files in /sys show the interfaces of the reader's namespace only.
        let link = Link::of(&port.device, Some(netns)).ok().flatten();
        let exists = link.is_some_and(|link| matches!(link.state(), Ok(Some(_))));
        return vec![if exists {
            Finding::ok(
                check,
                format!("{interface} in {netns}; its link was not checked"),
            )
        } else {
            missing(check, interface, &format!("ip -n {netns} link"))
        }];
    }
    let folder = format!("sys/class/net/{interface}");
    if !host.has(&folder) {
        return vec![missing(check, interface, "ip link")];
    }
    let driver = host.target(&format!("{folder}/device/driver"));
    let driver = driver.unwrap_or_else(|| "virtual".to_owned());
    let mut findings = vec![
        link(host, port, interface, &driver),
        firmware(port, interface),
        queues(host, port, interface),
        mtu(host, port, interface),
        clock(host, port, interface),
        node(host, config, port, interface),
    ];
    if port.vlan.is_some() && is_on_xdp(port) {
        findings.push(tags(port, &TagKeeper::of(host, interface)));
    }
    findings
}

fn is_on_xdp(port: &Port) -> bool {
    port.device.trim_start().starts_with("net_af_xdp")
}

fn missing(check: String, interface: &str, list: &str) -> Finding {
    Finding::fail(check, format!("there is no {interface}")).because(
        "the port is opened on this interface",
        format!("`{list}` shows those that exist: correct the device of the port"),
    )
}

fn link(host: &Host, port: &Port, interface: &str, driver: &str) -> Finding {
    let check = format!("link: {}", port.name);
    let folder = format!("sys/class/net/{interface}");
    let speed = host.text(&format!("{folder}/speed"));
    let speed = speed.filter(|mbps| !mbps.starts_with('-'));
    let speed = speed.map_or(String::new(), |mbps| format!(", {mbps} Mbit/s"));
    // Reading it is an error while the interface is down.
    if host.number(&format!("{folder}/carrier")) == Some(1) {
        return Finding::ok(check, format!("{interface} ({driver}) is up{speed}"));
    }
    Finding::warning(check, format!("{interface} ({driver}) has no link")).because(
        "the port receives and sends nothing",
        format!("ip link set {interface} up, and check the cable and the other end"),
    )
}

fn mtu(host: &Host, port: &Port, interface: &str) -> Finding {
    let check = format!("mtu: {}", port.name);
    let mtu = host.number(&format!("sys/class/net/{interface}/mtu"));
    match mtu {
        Some(mtu) if is_on_xdp(port) && mtu > u64::from(PortConfig::XDP_MTU) => {
            Finding::fail(check, mtu.to_string()).because(
                "on AF_XDP a packet must fit a page (an MTU of 3438)",
                format!("ip link set {interface} mtu {MTU}"),
            )
        }
        Some(mtu) if mtu >= MTU => Finding::ok(check, mtu.to_string()),
        other => Finding::fail(check, other.unwrap_or(0).to_string()).because(
            "a datagram of ST 2110 does not fit",
            format!("ip link set {interface} mtu {MTU}"),
        ),
    }
}

/// The interface that decides whether VLAN tags are in the packets, with what `ethtool -k` prints of it.
#[derive(Debug)]
enum TagKeeper {
    /// The port's own.
    Nic(String, Option<String>),
    /// The other end of a veth. Nothing that the port's own end is set to puts a tag into a packet.
    Peer(String, Option<String>),
    /// It is in another namespace.
    PeerElsewhere(String),
}

impl TagKeeper {
    fn of(host: &Host, interface: &str) -> Self {
        if let Some(peer) = peer(host, interface) {
            let features = ethtool("-k", &peer);
            return Self::Peer(peer, features);
        }
        let driver = ethtool("-i", interface);
        match driver.is_some_and(|told| told.lines().any(|line| line == "driver: veth")) {
            true => Self::PeerElsewhere(interface.to_owned()),
            false => Self::Nic(interface.to_owned(), ethtool("-k", interface)),
        }
    }
}

/// The other end of a veth, in this namespace: each is the other's link.
fn peer(host: &Host, interface: &str) -> Option<String> {
    let number = |name: &str, file| host.number(&format!("sys/class/net/{name}/{file}"));
    let index = number(interface, "ifindex")?;
    let link = number(interface, "iflink")?;
    let is_peer = |name: &String| {
        link != index
            && number(name, "ifindex") == Some(link)
            && number(name, "iflink") == Some(index)
    };
    host.names("sys/class/net").into_iter().find(is_peer)
}

/// Whether VLAN tags are in the packets.
fn tags(port: &Port, keeper: &TagKeeper) -> Finding {
    let check = format!("vlan tags: {}", port.name);
    let why = "XDP sees a tag only in the packet, and the port drops packets without one";
    let state = |features: &Option<String>, of: &str| {
        let mut lines = features.as_deref().unwrap_or_default().lines();
        let state = lines.find_map(|line| line.trim().strip_prefix(of))?;
        Some(state.starts_with("on"))
    };
    match keeper {
        TagKeeper::Nic(name, features) => match state(features, "rx-vlan-offload: ") {
            Some(true) => Finding::warning(check, format!("{name} may take them out"))
                .because(why, format!("ethtool -K {name} rxvlan off")),
            Some(false) => Finding::ok(check, "left in the packets"),
            None => Finding::ok(check, "not known: ethtool does not say"),
        },
        TagKeeper::Peer(name, features) => match state(features, "tx-vlan-offload: ") {
            Some(false) => Finding::ok(check, format!("{name} puts them into the packets")),
            _ => Finding::warning(check, format!("{name} may leave them beside the packets"))
                .because(why, format!("ethtool -K {name} txvlan off")),
        },
        TagKeeper::PeerElsewhere(name) => Finding::warning(
            check,
            format!("not known: the other end of {name} decides, in another namespace"),
        )
        .because(why, "ethtool -K PEER txvlan off, at the other end"),
    }
}

/// The answer of ethtool(8) about `interface`; `None` if it is not installed or the driver has no answer.
fn ethtool(option: &str, interface: &str) -> Option<String> {
    let mut command = Command::new("ethtool");
    let output = command
        .args([option, interface])
        .stdin(Stdio::null())
        .output();
    let output = output.ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn firmware(port: &Port, interface: &str) -> Finding {
    let check = format!("firmware: {}", port.name);
    let told = ethtool("-i", interface);
    let field = |name: &str| {
        let mut lines = told.as_deref().unwrap_or_default().lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty() && value != "N/A")
    };
    let version = field("version").unwrap_or_else(|| "unknown".to_owned());
    match field("firmware-version") {
        Some(firmware) => Finding::ok(check, format!("{firmware}, driver version {version}")),
        None => Finding::ok(check, format!("none known, driver version {version}")),
    }
}

/// A port opens as many queues as it has pollers. The NIC spreads flows over all that it has, unless
/// a rule says otherwise.
fn queues(host: &Host, port: &Port, interface: &str) -> Finding {
    let check = format!("queues: {}", port.name);
    let names = host.names(&format!("sys/class/net/{interface}/queues"));
    let count = names.iter().filter(|name| name.starts_with("rx-")).count();
    let rules = ethtool("-n", interface).and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("Total "))?;
        line.split(' ').next()?.parse::<u64>().ok()
    });
    let rules = rules.unwrap_or(0);
    let pollers = port.pollers().len();
    let found = format!("{count} receive queues, {pollers} pollers, {rules} flow rules");
    if count <= pollers || rules > 0 {
        return Finding::ok(check, found);
    }
    Finding::warning(check, found).because(
        "a port takes packets from one queue for each poller, and the NIC puts flows into all of them",
        format!("ethtool -L {interface} combined {pollers}, or a rule for each flow: ethtool -N"),
    )
}

fn clock(host: &Host, port: &Port, interface: &str) -> Finding {
    let check = format!("ptp clock: {}", port.name);
    let clocks = host.names(&format!("sys/class/net/{interface}/device/ptp"));
    match clocks.first() {
        Some(clock) => Finding::ok(check, format!("/dev/{clock}")),
        None => Finding::warning(check, "none").because(
            "without a clock in the device, PTP is less exact",
            "use a NIC with hardware timestamps if the plant is locked to PTP",
        ),
    }
}

fn node(host: &Host, config: &Config, port: &Port, interface: &str) -> Finding {
    let check = format!("numa: {}", port.name);
    let node = host.number(&format!("sys/class/net/{interface}/device/numa_node"));
    let Some(node) = node else {
        return Finding::ok(check, "the device is on no node");
    };
    let near = host.list(&format!("sys/devices/system/node/node{node}/cpulist"));
    let cores = config.cores().unwrap_or_default();
    let pollers = config.pollers_of(port).flatten();
    let mut placed = pollers.filter_map(|at| {
        let poller = &config.poller[at];
        Some((poller, poller.core.or(cores.get(at).copied())?))
    });
    match placed.find(|(_, core)| !near.contains(core)) {
        None => Finding::ok(check, format!("device and pollers are on node {node}")),
        Some((poller, core)) => Finding::warning(
            check,
            format!("the device is on node {node}, core {core} is not"),
        )
        .because(
            "each packet crosses between the nodes",
            format!("give poller {} a core of node {node}", poller.name),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::finding::Level::{Fail, Ok, Warning};
    use super::*;

    #[test]
    fn interface_is_judged_by_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let config: Config = toml::from_str(
            "[[poller]]\nname=\"p\"\ncore=2\n[[port]]\nname=\"a\"\npoller=\"p\"\n\
             device=\"net_af_xdp0,iface=eth1\"\naddress=\"10.0.0.1/24\"",
        )
        .unwrap();
        let host = Host::at(folder.path());
        let levels = || {
            let findings = check(&host, &config);
            findings.iter().map(|it| it.level).collect::<Vec<_>>()
        };
        assert_eq!(levels(), [Fail]);
        write("sys/class/net/eth1/mtu", "1400");
        write("sys/class/net/eth1/device/numa_node", "1\n");
        write("sys/devices/system/node/node1/cpulist", "4-7\n");
        write("sys/class/net/eth1/queues/rx-0/rps_cpus", "0");
        write("sys/class/net/eth1/queues/rx-1/rps_cpus", "0");
        // Link, firmware, queues, MTU, clock, node.
        assert_eq!(levels(), [Warning, Ok, Warning, Fail, Warning, Warning]);
        write("sys/class/net/eth1/mtu", "9000");
        assert_eq!(levels()[3], Fail);
        fs::remove_dir_all(folder.path().join("sys/class/net/eth1/queues/rx-1")).unwrap();
        write("sys/class/net/eth1/mtu", "1500");
        write("sys/class/net/eth1/carrier", "1");
        write("sys/class/net/eth1/device/ptp/ptp0/dev", "");
        write("sys/devices/system/node/node1/cpulist", "2-3\n");
        assert_eq!(levels(), [Ok; 6]);
    }

    #[test]
    fn nic_that_takes_vlan_tags_out_is_told() {
        let config: Config = toml::from_str(
            "[[poller]]\nname=\"p\"\ncore=2\n[[port]]\nname=\"a\"\npoller=\"p\"\n\
             device=\"net_af_xdp0,iface=eth1\"\naddress=\"10.0.0.1/24\"\nvlan=100",
        )
        .unwrap();
        let level = |keeper: TagKeeper| tags(&config.port[0], &keeper).level;
        let nic = |features: Option<&str>| {
            level(TagKeeper::Nic("eth1".into(), features.map(str::to_owned)))
        };
        let on = nic(Some("Features for eth1:\nrx-vlan-offload: on [fixed]\n"));
        let off = nic(Some("rx-checksumming: on\nrx-vlan-offload: off\n"));
        assert_eq!((on, off, nic(None)), (Warning, Ok, Ok));
        // Of a veth only its peer counts, and its default is on.
        let veth = |features: Option<&str>| {
            level(TagKeeper::Peer("vb".into(), features.map(str::to_owned)))
        };
        let on = veth(Some("rx-vlan-offload: off\ntx-vlan-offload: on\n"));
        let off = veth(Some("rx-vlan-offload: on\ntx-vlan-offload: off\n"));
        assert_eq!((on, off, veth(None)), (Warning, Ok, Warning));
        assert_eq!(level(TagKeeper::PeerElsewhere("va".into())), Warning);
        // Beside the other checks of the interface.
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("sys/class/net/eth1")).unwrap();
        assert_eq!(check(&Host::at(folder.path()), &config).len(), 7);
    }

    #[test]
    fn peer_of_a_veth_is_found_and_no_other_interface() {
        let folder = tempfile::tempdir().unwrap();
        // A pair, a VLAN on one end, and one whose peer's number in another namespace is that of the VLAN.
        for (name, index, link) in [("va", 3, 4), ("vb", 4, 3), ("va.100", 5, 3), ("vc", 6, 5)] {
            let path = folder.path().join("sys/class/net").join(name);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("ifindex"), index.to_string()).unwrap();
            fs::write(path.join("iflink"), link.to_string()).unwrap();
        }
        let host = Host::at(folder.path());
        let peers = ["va", "vb", "va.100", "vc", "no"].map(|name| peer(&host, name));
        assert_eq!(
            peers,
            [Some("vb".into()), Some("va".into()), None, None, None]
        );
    }
}
