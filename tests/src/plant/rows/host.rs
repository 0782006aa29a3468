//! What the host does beside the daemon's port.

use std::net::UdpSocket;

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Backend, Deadline, wait_for};

use super::on_air;
use crate::network::trunk::{VLAN, trunk};
use crate::others::linuxptp::Ptp4l;
use crate::plant::peers::group;
use crate::plant::site::{HOST, Plant, STUDIO};

/// Longer than the switch keeps a member that does not answer.
const PAST_MEMBERSHIP_S: u64 = 8;

/// A page of 1 MiB and sshd's key come to the studio.
fn reached(plant: &Plant) -> Result<()> {
    let page = format!("curl -sS -m 10 -o /dev/null -w %{{size_download}} http://{HOST}:8080/page");
    let page = plant.in_studio(&page)?;
    ensure!(page == "1048576", "{page} bytes of the page");
    let key = plant.in_studio(&format!("ssh-keyscan -T 10 -p 2222 {HOST}"))?;
    ensure!(key.contains("ssh-ed25519"), "sshd says: {key:?}");
    Ok(())
}

pub(super) fn services(backend: Backend) -> Result<String> {
    let plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    let mut camera = on_air(&plant, &mut control, ("cam", 1), 5)?;
    let _services = plant.services()?;
    reached(&plant)?;
    camera.until_seen(&mut control, "cam", 25)?;
    let counters = control.show("cam")?.counters;
    ensure!(counters.packets_lost == 0, "{counters:?}");
    Ok("a page of 1 MiB, sshd's key, no packet lost beside them".to_owned())
}

/// A group of the host's own, as a program such as ptp4l or SAP has: its member, and a program of the studio that sends to it.
struct OwnGroup {
    group: String,
    member: UdpSocket,
    sender: UdpSocket,
}

impl OwnGroup {
    fn join(plant: &Plant) -> Result<Self> {
        let group = group(200);
        let member = plant.host().inside(|| {
            let socket = UdpSocket::bind((&*group, 6000))?;
            socket.join_multicast_v4(&group.parse()?, &HOST.parse()?)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })?;
        let sender = plant.studio.inside(|| Ok(UdpSocket::bind((STUDIO, 0))?))?;
        Ok(Self {
            group,
            member,
            sender,
        })
    }

    /// The switch knows it and the camera's group, and a new packet comes.
    fn is_heard(&self, plant: &Plant) -> Result<()> {
        for group in [&self.group, &group(1)] {
            ensure!(
                !plant.known(group)?.is_empty(),
                "the switch has forgotten {group}"
            );
        }
        while self.member.recv(&mut [0; 64]).is_ok() {}
        wait_for("a packet to the host's own group", 5, || {
            self.sender.send_to(b"announcement", (&*self.group, 6000))?;
            Ok(self.member.recv(&mut [0; 64]).is_ok())
        })
    }
}

pub(super) fn membership(backend: Backend) -> Result<String> {
    let plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    let mut camera = on_air(&plant, &mut control, ("cam", 1), 5)?;
    let own = OwnGroup::join(&plant)?;
    wait_for("the switch to know both groups", 10, || {
        Ok(!plant.known(&own.group)?.is_empty() && !plant.known(&group(1))?.is_empty())
    })?;
    let past = Deadline::seconds(PAST_MEMBERSHIP_S);
    while !past.passed() {
        camera.until_seen(&mut control, "cam", 5)?;
        own.is_heard(&plant)?;
    }
    Ok(format!(
        "both groups known for {PAST_MEMBERSHIP_S} s, past the 3 s of the switch"
    ))
}

/// ptp4l of the host follows the studio's, through the switch, for so long; `meanwhile` is called again and again.
fn follows(
    plant: &Plant,
    (transport, seconds): (&str, u64),
    mut meanwhile: impl FnMut() -> Result<()>,
) -> Result<()> {
    let _master = Ptp4l::grandmaster_over(transport, &plant.studio, "vs")?;
    let slave = Ptp4l::slave_over(transport, plant.host(), "vb")?;
    let measured = || {
        slave
            .has_measured()
            .with_context(|| format!("ptp4l {transport}"))
    };
    measured()?;
    let heard = || -> Result<u64> {
        let counts = slave.pmc("GET PORT_STATS_NP")?;
        let mut words = counts.split_whitespace().skip_while(|it| *it != "rx_Sync");
        Ok(words.nth(1).context("rx_Sync")?.parse()?)
    };
    let past = Deadline::seconds(seconds);
    while !past.passed() {
        let before = heard()?;
        wait_for("more messages of the grandmaster", 10, || {
            Ok(heard()? > before + 4)
        })?;
        meanwhile()?;
    }
    measured()
}

/// A quarter of an hour by UDP, then one by Ethernet.
pub(super) fn half_hour(backend: Backend) -> Result<String> {
    let plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    let mut camera = on_air(&plant, &mut control, ("cam", 1), 5)?;
    let (own, _services, mut turns) = (OwnGroup::join(&plant)?, plant.services()?, 0);
    for transport in ["-4", "-2"] {
        follows(&plant, (transport, 15 * 60), || {
            turns += 1;
            camera.until_seen(&mut control, "cam", 5)?;
            own.is_heard(&plant)?;
            reached(&plant)
        })?;
    }
    let counters = control.show("cam")?.counters;
    ensure!(counters.packets_lost == 0, "{counters:?}");
    Ok(format!(
        "ptp4l, ssh, a page and both groups {turns} times in half an hour, {} pictures, no packet lost",
        counters.frames_complete
    ))
}

fn clock(plant: &Plant, transports: &[&str]) -> Result<String> {
    let mut control = plant.control()?;
    let mut camera = on_air(plant, &mut control, ("cam", 1), 5)?;
    for transport in transports {
        follows(plant, (transport, PAST_MEMBERSHIP_S), || Ok(()))?;
    }
    camera.until_seen(&mut control, "cam", 25)?;
    let counters = control.show("cam")?.counters;
    ensure!(counters.packets_lost == 0, "{counters:?}");
    Ok(format!(
        "offset and delay by ptp4l {}, beside a stream",
        transports.join(", ")
    ))
}

pub(super) fn clock_untagged(backend: Backend) -> Result<String> {
    clock(&Plant::open(backend)?, &["-2", "-4"])
}

/// The host's VLAN is made by traffic control, behind XDP: this kernel may have no VLAN interfaces.
pub(super) fn clock_vlan(backend: Backend) -> Result<String> {
    let plant = Plant::with(backend, |_, config| {
        config.ports[0].keys = format!("vlan = {VLAN}\n");
        Ok(())
    })?;
    for (stage, end) in [(&plant.switch, "va"), (plant.host(), "vb")] {
        trunk(stage, end)?;
    }
    clock(&plant, &["-2", "-4"])
}
