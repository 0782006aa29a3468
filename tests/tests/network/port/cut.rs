//! Packets that the port itself cuts: it is named, not their sender.

use anyhow::{Context as _, Result, ensure};
use onair_tests::network::packet::{IPV4, ethernet, ipv4};
use onair_tests::{Backend, Config, Control, Rig, Wire, output, resolve, wait_for};

const TIMEOUT_S: u64 = 30;
const COUNT: u64 = 20;
/// One datagram of ten segments, which the kernel leaves to the device (UDP_SEGMENT, udp(7)).
const SEGMENTS: &str = "import socket\n\
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
    s.setsockopt(17, 103, 1200)\n\
    for _ in range(20): s.sendto(b'x' * 12000, ('10.77.0.2', 5004))\n";

/// Waits until the port has cut so many, and for what health says of it.
fn named(control: &mut Control, count: u64) -> Result<String> {
    let mut said = String::new();
    wait_for("the port to be named", TIMEOUT_S, || {
        let health = control.health()?;
        let port = health.dataplane.ports.first().context("a port")?;
        ensure!(port.rx_malformed == 0, "{port:?}");
        let is_cut = |it: &String| it.contains("port b has cut");
        said = health.problems.into_iter().find(is_cut).unwrap_or_default();
        Ok(port.rx_cut >= count && said.contains(&format!("has cut {} packets", port.rx_cut)))
    })?;
    Ok(said)
}

#[test]
fn packets_longer_than_the_first_mtu_then_the_port_is_named() -> Result<()> {
    let mut config = Config::pair(Backend::AfPacket);
    config.ports.retain(|port| port.name == "b");
    let rig = Rig::with(config, |_| {})?;
    let stage = rig.stage();
    let ip = |arguments: &str| {
        let arguments: Vec<_> = arguments.split(' ').collect();
        output("ip", &[&["-n", stage.namespace()][..], &arguments].concat())
    };
    let mut control = rig.control()?;
    ip("address add 10.77.0.9/24 dev va")?;
    resolve(stage, "10.77.0.2")?;
    let sent = stage
        .command_inside("python3")
        .args(["-c", SEGMENTS])
        .status()?;
    ensure!(sent.success(), "{sent}");
    let said = named(&mut control, COUNT)?;
    ensure!(said.contains("tx-udp-segmentation off"), "{said}");

    for end in ["va", "vb"] {
        ip(&format!("link set {end} mtu 9000"))?;
    }
    let wire = Wire::open(stage, "va")?;
    let frame = ethernet([0xff; 6], wire.mac()?, IPV4, &ipv4(&[0x55; 5000]));
    for _ in 0..COUNT {
        wire.send(&frame)?;
    }
    let said = named(&mut control, 2 * COUNT)?;
    ensure!(said.contains("has an MTU of 9000 now"), "{said}");
    Ok(())
}
