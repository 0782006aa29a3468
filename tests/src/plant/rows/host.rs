//! What the host does beside the daemon's port.

use std::net::UdpSocket;

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Backend, Deadline, wait_for};

use super::monitor;
use crate::network::trunk::{VLAN, trunk};
use crate::others::linuxptp::Ptp4l;
use crate::plant::peers::{Camera, group};
use crate::plant::site::{HOST, Plant, STUDIO};

/// Longer than the switch keeps a member that does not answer.
const PAST_MEMBERSHIP_S: u64 = 8;

pub(super) fn services(backend: Backend) -> Result<String> {
    let plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    control.create(&monitor("cam", 1))?;
    let mut camera = Camera::gstreamer(&plant, 1)?;
    camera.until_seen(&mut control, "cam", 5)?;
    let _services = plant.services()?;
    let page = format!("curl -sS -m 10 -o /dev/null -w %{{size_download}} http://{HOST}:8080/page");
    let page = plant.in_studio(&page)?;
    ensure!(page == "1048576", "{page} bytes of the page");
    let key = plant.in_studio(&format!("ssh-keyscan -T 10 -p 2222 {HOST}"))?;
    ensure!(key.contains("ssh-ed25519"), "sshd says: {key:?}");
    camera.until_seen(&mut control, "cam", 25)?;
    let counters = control.show("cam")?.counters;
    ensure!(counters.packets_lost == 0, "{counters:?}");
    Ok("a page of 1 MiB, sshd's key, no packet lost beside them".to_owned())
}

pub(super) fn membership(backend: Backend) -> Result<String> {
    let plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    control.create(&monitor("cam", 1))?;
    let mut camera = Camera::gstreamer(&plant, 1)?;
    camera.until_seen(&mut control, "cam", 5)?;
    // A program of the host, such as ptp4l or SAP.
    let own = group(200);
    let member = plant.host().inside(|| {
        let socket = UdpSocket::bind((&*own, 6000))?;
        socket.join_multicast_v4(&own.parse()?, &HOST.parse()?)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    })?;
    let sender = plant.studio.inside(|| Ok(UdpSocket::bind((STUDIO, 0))?))?;
    let camera_group = group(1);
    wait_for("the switch to know both groups", 10, || {
        Ok(!plant.known(&own)?.is_empty() && !plant.known(&camera_group)?.is_empty())
    })?;
    let past = Deadline::seconds(PAST_MEMBERSHIP_S);
    while !past.passed() {
        for group in [&own, &camera_group] {
            ensure!(
                !plant.known(group)?.is_empty(),
                "the switch has forgotten {group}"
            );
        }
        camera.until_seen(&mut control, "cam", 5)?;
        while member.recv(&mut [0; 64]).is_ok() {}
        wait_for("a packet to the host's own group", 5, || {
            sender.send_to(b"announcement", (&*own, 6000))?;
            Ok(member.recv(&mut [0; 64]).is_ok())
        })?;
    }
    Ok(format!(
        "both groups known for {PAST_MEMBERSHIP_S} s, past the 3 s of the switch"
    ))
}

/// ptp4l of the host follows the studio's, through the switch, for longer than the switch keeps a member that does not answer.
fn follows(plant: &Plant, transport: &str) -> Result<()> {
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
    let past = Deadline::seconds(PAST_MEMBERSHIP_S);
    while !past.passed() {
        let before = heard()?;
        wait_for("more messages of the grandmaster", 10, || {
            Ok(heard()? > before + 4)
        })?;
    }
    measured()
}

fn clock(plant: &Plant, transports: &[&str]) -> Result<String> {
    let mut control = plant.control()?;
    control.create(&monitor("cam", 1))?;
    let mut camera = Camera::gstreamer(plant, 1)?;
    camera.until_seen(&mut control, "cam", 5)?;
    for transport in transports {
        follows(plant, transport)?;
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
