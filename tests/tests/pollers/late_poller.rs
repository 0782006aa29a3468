//! A poller that is late: what its port's receive ring has no room for is counted where people look.

use anyhow::{Context as _, Result};
use onair_api::PortHealth;
use onair_tests::network::packet::{IPV4, datagram, ethernet, rtp};
use onair_tests::{Backend, Config, Frozen, Rig, Wire, onairctl, wait_for};

/// Packets from others, such as the kernel's for IPv6.
const STRANGE: u64 = 100;

fn port(rig: &Rig) -> Result<PortHealth> {
    Ok(rig.control()?.health()?.dataplane.ports.remove(0))
}

/// Sends `packets` to port `b`, whose ring holds `ring` of them, while its poller is held.
fn late(backend: Backend, keys: &str, packets: u64, ring: u64) -> Result<()> {
    let mut config = Config::pair(backend);
    config.ports.retain(|port| port.name == "b");
    config.ports[0].keys = keys.to_owned();
    let mut rig = Rig::with(config, |_| {})?;
    let before = port(&rig)?;
    assert_eq!(
        (before.rx_missed, before.rx_ring),
        (0, Some(u32::try_from(ring)?))
    );
    let wire = Wire::open(rig.stage(), "va")?;
    let mac: Vec<_> = before
        .mac
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16))
        .collect::<Result<_, _>>()?;
    let mac = mac.try_into().ok().context("six bytes")?;
    let payload = rtp(&[[640, 3, 0]], 640);
    let packet = datagram(payload.len() + 8, &payload);
    let frame = ethernet(mac, wire.mac()?, IPV4, &packet);
    let frozen = Frozen::thread(rig.daemon()?.pid(), "onair-p0")?;
    for _ in 0..packets {
        wire.send(&frame)?;
    }
    let missed = port(&rig)?.rx_missed;
    let expected = packets - ring;
    assert!(
        (expected..expected + STRANGE).contains(&missed),
        "{backend}: {missed}"
    );
    drop(frozen);
    let mut seen = before.clone();
    wait_for("the poller to take what is in its ring", 20, || {
        seen = port(&rig)?;
        Ok(seen.rx_packets - before.rx_packets + seen.rx_missed >= packets)
    })?;
    assert!(seen.rx_packets - before.rx_packets + seen.rx_missed < packets + STRANGE);
    let table = onairctl(&rig, "port list")?.out;
    let row = table.lines().find(|line| line.contains("10.77.0.2/24"));
    let missed = seen.rx_missed.to_string();
    let mut cells = row.unwrap_or_default().split_whitespace();
    assert!(cells.any(|cell| cell == missed), "{table}");
    wait_for("health to tell", 20, || {
        let problems = rig.control()?.health()?.problems;
        Ok(problems
            .iter()
            .any(|it| it.starts_with("port b has missed ")))
    })
}

#[test]
fn packets_that_a_late_poller_misses_then_counted_once() -> Result<()> {
    late(Backend::AfPacket, "rx_ring = 64\n", 1000, 64)?;
    late(Backend::AfXdp, "", 3000, 2048)
}
