//! The namespaces of a plant, and the daemon in one of them.

use std::fs;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use onair_stage::{Backend, Config, Control, Running, Stage, output};

use crate::rig::Rig;

/// Address of the interface `vb`, and of the daemon's port on it.
pub(crate) const HOST: &str = "10.77.0.2";
/// Address of the studio at the switch.
pub(crate) const STUDIO: &str = "10.77.0.9";
/// The UDP port of each flow.
pub(crate) const UDP: u16 = 5004;

/// A host with a daemon, a switch, and a studio. Fields end in their order.
#[derive(Debug)]
pub struct Plant {
    /// The daemon, and the host that it runs on.
    pub rig: Rig,
    /// The bridge `br0` (10.77.0.254) with the ports `va` to the host and `vt` to the studio.
    pub switch: Stage,
    /// The cameras' machine: `vs` at the switch, `vr` at the second network.
    pub studio: Stage,
}

impl Plant {
    /// A plant whose host has the ports `b` and `d` on this driver.
    ///
    /// # Errors
    /// When it cannot be put up, or the daemon is not ready in half a minute.
    pub fn open(backend: Backend) -> Result<Self> {
        Self::with(backend, |_, _| Ok(()))
    }

    /// As [`Self::open`], with changes to the daemon's configuration; the stage is its host.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn with(
        backend: Backend,
        change: impl FnOnce(&Stage, &mut Config) -> Result<()>,
    ) -> Result<Self> {
        let [host, switch, studio] = ["host", "switch", "studio"].map(Stage::open);
        let (host, switch, studio) = (host?, switch?, studio?);
        cable((&switch, "va"), (&host, "vb", "10.77.0.2/24"))?;
        cable((&switch, "vt"), (&studio, "vs", "10.77.0.9/24"))?;
        cable((&studio, "vr"), (&host, "vd", "10.78.0.2/24"))?;
        bridge(&switch)?;
        studio.ip("address add 10.77.0.8/24 dev vs")?;
        studio.ip("address add 10.78.0.9/24 dev vr")?;
        studio.ip("route add 224.0.0.0/4 dev vs")?;
        let mut config = Config::two_networks(backend);
        config.ports.retain(|it| it.name == "b" || it.name == "d");
        change(&host, &mut config)?;
        config.hugepages = host.hugepages(config.memory_mb())?;
        let mut rig = onair_stage::Rig::new(host, config);
        rig.start_daemon()?;
        let rig = rig.into();
        Ok(Self {
            rig,
            switch,
            studio,
        })
    }

    /// A new connection to the control socket.
    ///
    /// # Errors
    /// The daemon does not listen.
    pub fn control(&self) -> Result<Control> {
        self.rig.control()
    }

    /// The namespace of the host.
    #[must_use]
    pub fn host(&self) -> &Stage {
        self.rig.stage()
    }

    /// What a program of the studio prints.
    ///
    /// # Errors
    /// It ends with another status than 0.
    pub fn in_studio(&self, line: &str) -> Result<String> {
        inside(&self.studio, line)
    }

    /// What the switch knows of the group at the host's port, as `bridge mdb` prints it; empty if nothing.
    ///
    /// # Errors
    /// There is no bridge.
    pub fn known(&self, group: &str) -> Result<String> {
        let known = inside(&self.switch, "bridge -d mdb show dev br0")?;
        let of_host =
            |line: &&str| line.contains("port va ") && line.contains(&format!("grp {group} "));
        Ok(known.lines().filter(of_host).collect::<Vec<_>>().join("\n"))
    }
}

/// A program in a namespace, without input; what it says on its errors is the test's.
pub(super) fn started(stage: &Stage, name: &str, line: &str) -> Result<Running> {
    let mut words = line.split_whitespace();
    let program = words.next().context("a program")?;
    let mut command = stage.command_inside(program);
    command
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command.stderr(fs::File::create(
        stage
            .directory()
            .join(format!("{program}.err").replace('/', "-")),
    )?);
    Running::new(
        name,
        command
            .spawn()
            .with_context(|| format!("starting {name}"))?,
    )
}

/// What a program in a namespace prints.
pub(super) fn inside(stage: &Stage, line: &str) -> Result<String> {
    let net = format!("--net=/run/netns/{}", stage.namespace());
    output(
        "nsenter",
        &[&[&*net][..], &line.split_whitespace().collect::<Vec<_>>()].concat(),
    )
}

/// A cable from `near` to an interface with an address of another namespace.
fn cable((near, end): (&Stage, &str), (far, other, address): (&Stage, &str, &str)) -> Result<()> {
    let there = far.namespace();
    near.ip(&format!(
        "link add {end} type veth peer name {other} netns {there}"
    ))?;
    far.ip(&format!("address add {address} dev {other}"))?;
    near.ip(&format!("link set {end} up"))?;
    far.ip(&format!("link set {other} up"))
}

/// A switch that snoops, asks each second, and forgets a member that does not answer for three.
fn bridge(switch: &Stage) -> Result<()> {
    switch.ip("link add br0 type bridge mcast_snooping 1 mcast_igmp_version 3 mcast_query_interval 100 \
         mcast_query_response_interval 50 mcast_startup_query_interval 100 mcast_membership_interval 300 \
         mcast_last_member_interval 20 mcast_query_use_ifaddr 1 mcast_router 2",
    )?;
    switch.ip("link set br0 type bridge mcast_querier 1")?;
    switch.ip("address add 10.77.0.254/24 dev br0")?;
    for port in ["va", "vt"] {
        switch.ip(&format!("link set dev {port} master br0"))?;
        switch.ip(&format!(
            "link set dev {port} type bridge_slave mcast_flood off"
        ))?;
    }
    switch.ip("link set br0 up")?;
    // PTP over Ethernet (IEEE 1588 annex E) is no group of IGMP: switches of a plant are told. The bridge is a member, too:
    // so it forwards copies. The frame itself would report its time once more to the sender, at the next cable, and ptp4l
    // takes the second report for a fault.
    for port in ["va", "vt", "br0"] {
        inside(
            switch,
            &format!("bridge mdb add dev br0 port {port} grp 01:1b:19:00:00:00 permanent"),
        )?;
    }
    Ok(())
}
