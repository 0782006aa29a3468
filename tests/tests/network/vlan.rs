//! Ports in a VLAN, at a switch whose port is a trunk (IEEE 802.1Q).

use std::net::UdpSocket;

use anyhow::{Context as _, Result, ensure};
use onair_api::{PortHealth, Source};
use onair_tests::network::packet;
use onair_tests::{
    Backend, Capture, Control, GROUP, Raster, Rig, SwitchedNetwork, Talker, VLAN, Wire, member,
    no_trunk, onairctl, ping, resolve, send, wait_for,
};

const HOST: &str = "10.77.0.9";
const TIMEOUT_S: u64 = 30;

fn port(control: &mut Control) -> Result<PortHealth> {
    let mut ports = control.health()?.dataplane.ports;
    ports.pop().context("no port")
}

/// Asks for the port's address, answers it, joins a group, receives from it and sends: all with the tag.
fn speaks(backend: Backend, keys: &str, priority: &str) -> Result<()> {
    let network = SwitchedNetwork::in_a_vlan(backend, keys)?;
    let stage = network.rig.stage();
    let mut control = network.rig.control()?;
    assert_eq!(port(&mut control)?.vlan, Some(VLAN));
    let listed = onairctl(&network.rig, "port list")?.out;
    ensure!(
        listed.contains("VLAN") && listed.contains("100"),
        "{listed}"
    );
    resolve(stage, "10.77.0.2")?;
    ping(stage, "10.77.0.2".parse()?)?;

    control.create(&member("in", 5004, &[HOST]))?;
    wait_for("the switch to know the group", TIMEOUT_S, || {
        Ok(network.known(GROUP)?.contains(HOST))
    })?;
    Talker::open(&network, HOST)?.until_received(&mut control, "in", 5004)?;
    wait_for("the querier to be heard", TIMEOUT_S, || {
        let group = control.show("in")?.group.context("a group")?;
        Ok(group.joined && group.querier.is_some())
    })?;

    let host = stage.inside(|| {
        let socket = UdpSocket::bind((HOST, 5010))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    })?;
    let capture = Capture::start(stage, "va")?;
    let mut spec = send("out", Raster::new(128, 72, 60, 10), 5010, Source::Pattern);
    spec.port = "b".into();
    spec.flow.destination = format!("{HOST}:5010");
    control.create(&spec)?;
    wait_for("packets at the host", TIMEOUT_S, || {
        Ok(host.recv(&mut [0; 2048]).is_ok())
    })?;
    // tshark takes them in batches.
    wait_for("a second of frames", TIMEOUT_S, || {
        Ok(control.show("out")?.counters.frames_sent > 60)
    })?;
    control.end("out")?;
    let rows = capture.finish(5010, &["vlan.id", "vlan.priority"])?;
    ensure!(!rows.is_empty(), "tshark saw nothing");
    for row in rows {
        assert_eq!(row, [VLAN.to_string(), priority.to_owned()]);
    }
    control.end("in")?;
    wait_for("the switch to forget the group", TIMEOUT_S, || {
        Ok(network.known(GROUP)?.is_empty())
    })
}

#[test]
fn port_in_a_vlan_without_the_kernel_then_all_sent_is_tagged() -> Result<()> {
    // AF41 is 34, of which the highest three bits are 4.
    speaks(Backend::AfXdp, "", "4")
}

/// What a host asks with this tag, or without one.
fn request(wire: &Wire, to: [u8; 6], tag: Option<u16>) -> Result<()> {
    let from = wire.mac()?;
    let arp = packet::arp(1, from, [10, 77, 0, 9], [10, 77, 0, 2]);
    let frame = packet::ethernet(to, from, packet::ARP, &arp);
    let (addresses, rest) = frame.split_at(12);
    let tag = tag.map(|tag| [[0x81, 0], tag.to_be_bytes()].concat());
    wire.send(&[addresses, &tag.unwrap_or_default(), rest].concat())
}

#[test]
fn frames_of_no_vlan_and_of_another_then_told_and_refused() -> Result<()> {
    for backend in [Backend::AfXdp, Backend::AfPacket] {
        let network = SwitchedNetwork::in_a_vlan(backend, "")?;
        no_trunk(network.rig.stage(), "va")?;
        wait_for("the problem", TIMEOUT_S, || {
            let told = onairctl(&network.rig, "health")?.out;
            Ok(told.contains("port b takes packets of VLAN 100") && told.contains("rxvlan off"))
        })?;
        let mut control = network.rig.control()?;
        let wire = Wire::open(network.rig.stage(), "va")?;
        let to = [0xff; 6];
        let before = port(&mut control)?;
        for tag in [None, Some(0xe000), Some(200), Some(VLAN)] {
            for _ in 0..10 {
                request(&wire, to, tag)?;
            }
        }
        // The switch's own queries have no tag, either.
        wait_for("the frames to be counted", TIMEOUT_S, || {
            let now = port(&mut control)?;
            Ok(now.rx_untagged >= before.rx_untagged + 20 && now.rx_other_vlan == 10)
        })?;
        wait_for("an answer to those of the VLAN", TIMEOUT_S, || {
            Ok(port(&mut control)?.tx_packets >= before.tx_packets + 10)
        })?;
        assert_eq!(port(&mut control)?.tx_packets, before.tx_packets + 10);
    }
    Ok(())
}

#[test]
fn tagged_frames_without_a_vlan_then_counted_or_priority_taken() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let mut control = rig.control()?;
    let wire = Wire::open(rig.stage(), "va")?;
    for _ in 0..10 {
        request(&wire, [0xff; 6], Some(VLAN))?;
    }
    wait_for("the tagged frames", TIMEOUT_S, || {
        Ok(port(&mut control)?.rx_other_vlan == 10)
    })?;
    let before = port(&mut control)?.tx_packets;
    request(&wire, [0xff; 6], Some(0xe000))?;
    wait_for("an answer", TIMEOUT_S, || {
        Ok(port(&mut control)?.tx_packets > before)
    })
}
