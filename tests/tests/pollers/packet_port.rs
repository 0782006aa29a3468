//! The poller of a port on AF_PACKET: it sleeps until a packet comes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use onair_api::{PortHealth, PortWake};
use onair_tests::network::packet::{IPV4, datagram, ethernet, rtp};
use onair_tests::{Backend, Config, Deadline, Rig, Wire, output, wait_for};

/// One that naps sleeps some hundred times a second. What else wakes it: each second, and packets of the kernel.
const SLEEPS_A_SECOND: u64 = 50;
const SPAN: Duration = Duration::from_secs(2);
/// Packets that come at once, fewer than the ring has places.
const TRAIN: u64 = 2000;

/// A port `b` with a session that receives at its UDP port 5004.
fn rig() -> Result<Rig> {
    let mut config = Config::pair(Backend::AfPacket);
    config.ports.retain(|port| port.name == "b");
    let rig = Rig::with(config, |_| {})?;
    rig.control()?.receiver("in", 5004)?;
    Ok(rig)
}

fn port(rig: &Rig) -> Result<PortHealth> {
    Ok(rig.control()?.health()?.dataplane.ports.remove(0))
}

/// A packet that the port takes.
fn packet(wire: &Wire, port: &PortHealth) -> Result<Vec<u8>> {
    let bytes = port.mac.split(':').map(|it| u8::from_str_radix(it, 16));
    let mac: Vec<_> = bytes.collect::<Result<_, _>>()?;
    let mac = mac.try_into().ok().context("six bytes")?;
    let payload = rtp(&[[640, 3, 0]], 640);
    let datagram = datagram(payload.len() + 8, &payload);
    Ok(ethernet(mac, wire.mac()?, IPV4, &datagram))
}

/// How often the poller has slept.
fn sleeps(rig: &Rig) -> Result<u64> {
    let scraped = rig.scrape()?;
    let mut lines = scraped.lines();
    let line = lines.find(|line| line.starts_with("onair_poller_sleeps_total{"));
    let number = line.and_then(|line| line.rsplit_once(' '));
    Ok(number.context("onair_poller_sleeps_total")?.1.parse()?)
}

/// Fails if packets are not what the poller waits for.
fn sleeps_for_long(rig: &Rig) -> Result<()> {
    let (began, before) = (Instant::now(), sleeps(rig)?);
    let mut control = rig.control()?;
    while began.elapsed() < SPAN {
        control.show("in")?;
    }
    let slept = sleeps(rig)? - before;
    let most = SLEEPS_A_SECOND * (began.elapsed().as_secs() + 1);
    assert!(slept <= most, "{slept} times");
    Ok(())
}

/// Sends so many packets at once, and waits until the poller has taken them.
fn taken(rig: &Rig, count: u64) -> Result<()> {
    let wire = Wire::open(rig.stage(), "va")?;
    let before = port(rig)?;
    let packet = packet(&wire, &before)?;
    for _ in 0..count {
        wire.send(&packet)?;
    }
    wait_for("the packets", 20, || {
        Ok(port(rig)?.rx_packets >= before.rx_packets + count)
    })?;
    assert_eq!(port(rig)?.rx_missed, 0);
    Ok(())
}

#[test]
fn packet_port_silent_or_down_then_its_poller_sleeps() -> Result<()> {
    let rig = rig()?;
    assert_eq!(port(&rig)?.wake, PortWake::Socket);
    sleeps_for_long(&rig)?;
    // A sleep ends by itself after a second: together they would take minutes.
    let deadline = Deadline::seconds(60);
    for _ in 0..200 {
        taken(&rig, 1)?;
        assert!(!deadline.passed(), "no packet ends a sleep");
    }
    sleeps_for_long(&rig)?;
    for _ in 0..10 {
        taken(&rig, TRAIN)?;
    }
    sleeps_for_long(&rig)?;
    down(&rig)
}

/// While the interface is down, its poller sleeps.
fn down(rig: &Rig) -> Result<()> {
    let namespace = rig.stage().namespace().to_owned();
    for _ in 0..2 {
        let switch = |way| output("ip", &["-n", &namespace, "link", "set", "vb", way]);
        switch("down")?;
        wait_for("health to tell", 20, || Ok(!port(rig)?.link_up))?;
        sleeps_for_long(rig)?;
        switch("up")?;
        wait_for("health to tell", 20, || Ok(port(rig)?.link_up))?;
        taken(rig, TRAIN)?;
        sleeps_for_long(rig)?;
    }
    Ok(())
}
