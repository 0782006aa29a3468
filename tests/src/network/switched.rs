//! A network in a stage's namespace: a switch of another make (the kernel's bridge, with IGMP snooping
//! and a querier), port `b` of the daemon at it, and a host that sends.

use std::net::UdpSocket;

use anyhow::{Context as _, Result};
use onair_stage::{Backend, Config, Veth, output};

use crate::network::igmp_watch::IgmpWatch;
use crate::network::trunk::{VLAN, trunk};
use crate::rig::Rig;

/// A daemon with port `b` (10.77.0.2), the switch (10.77.0.254), and a host that is 10.77.0.9 and
/// 10.77.0.8.
#[derive(Debug)]
pub struct SwitchedNetwork {
    /// The daemon, whose cable ends at the switch's port `va`.
    pub rig: Rig,
    /// What the daemon says in IGMP.
    pub igmp: IgmpWatch,
}

impl SwitchedNetwork {
    /// A network whose querier speaks this version, asks each second and forgets a member that does
    /// not answer for three.
    pub fn open(backend: Backend, version: u8) -> Result<Self> {
        let mut config = Config::pair(backend);
        config.ports.retain(|port| port.name == "b");
        Self::of(config, version)
    }

    /// The same, with a switch whose port `va` is a [`trunk`](crate::network::trunk()) port, and more keys of the
    /// daemon's port.
    pub fn in_a_vlan(backend: Backend, keys: &str) -> Result<Self> {
        let mut config = Config::pair(backend);
        config.ports.retain(|port| port.name == "b");
        config.ports[0].keys = format!("vlan = {VLAN}\n{keys}");
        let network = Self::of(config, 3)?;
        trunk(network.rig.stage(), "va")?;
        Ok(network)
    }

    /// A network with a configuration of one's own.
    pub fn of(config: Config, version: u8) -> Result<Self> {
        let rig = Rig::with(config, |_| {})?;
        let namespace = rig.stage().namespace().to_owned();
        let ip = |arguments: &str| {
            let arguments: Vec<_> = arguments.split_whitespace().collect();
            output("ip", &[&["-n", &namespace][..], &arguments].concat())
        };
        let igmp = IgmpWatch::start(rig.stage(), "va")?;
        ip(&format!(
            "link add br0 type bridge mcast_snooping 1 mcast_igmp_version {version} \
             mcast_query_interval 100 mcast_query_response_interval 50 \
             mcast_startup_query_interval 100 mcast_membership_interval 300 \
             mcast_last_member_interval 20 mcast_query_use_ifaddr 1"
        ))?;
        // Once the intervals are set: the kernel forwards to members a response interval after this, by
        // default ten seconds.
        ip("link set br0 type bridge mcast_querier 1")?;
        ip("address add 10.77.0.254/32 dev br0")?;
        ip("link add vs type veth peer name vt")?;
        ip("address add 10.77.0.9/24 dev vs")?;
        ip("address add 10.77.0.8/24 dev vs")?;
        for port in ["va", "vt"] {
            at_the_switch(&namespace, port, "br0")?;
        }
        // The kernel behind the ports and the hosts is the switch's, too: it takes packets from its own
        // addresses.
        let net = format!("--net=/run/netns/{namespace}");
        let accept = "echo 1 > /proc/sys/net/ipv4/conf/all/accept_local";
        output("nsenter", &[&net, "sh", "-c", accept])?;
        for device in ["br0", "vt", "vs"] {
            ip(&format!("link set {device} up"))?;
        }
        Ok(Self { rig, igmp })
    }

    /// Makes the cable between the daemon and the switch again, of which it was deprived.
    pub fn plug_in(&self) -> Result<()> {
        let stage = self.rig.stage();
        stage.veth(&Veth::bare("va", "vb"))?;
        at_the_switch(stage.namespace(), "va", "br0")
    }

    /// A socket of the host that sends from `address`.
    pub fn sender(&self, address: &str) -> Result<UdpSocket> {
        let bind = || UdpSocket::bind((address, 0)).with_context(|| format!("binding {address}"));
        self.rig.stage().inside(bind)
    }

    /// What the switch knows of `group` at the daemon's port, as `bridge mdb` prints it; empty if
    /// nothing.
    pub fn known(&self, group: &str) -> Result<String> {
        let namespace = self.rig.stage().namespace();
        let known = output("bridge", &["-n", namespace, "-d", "mdb", "show"])?;
        let lines = known.lines().filter(|line| line.contains("port va"));
        let lines = lines.filter(|line| line.contains(&format!("grp {group} ")));
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }
}

/// Makes `port` one of the switch's, to which it forwards no group that was not joined there.
pub(crate) fn at_the_switch(namespace: &str, port: &str, switch: &str) -> Result<()> {
    let ip = ["-n", namespace, "link", "set", "dev", port];
    output("ip", &[&ip[..], &["master", switch]].concat())?;
    let slave = ["type", "bridge_slave", "mcast_flood", "off"];
    output("ip", &[&ip[..], &slave].concat()).map(drop)
}
