//! A port on an interface that another owner has, too, and leaves later. Needs root.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, not in their helpers"
)]

use std::time::{Duration, Instant};

use onair_dpdk::{Burst, Eal, Port, PortConfig, RegisteredThread};
use onair_stage::{Stage, Veth, output};

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/flood.rs"]
mod flood;

const PACKETS: usize = 100;

fn port(eal: &Eal, stage: &Stage, name: &str, interface: &str, beside: bool) -> Port {
    let config = PortConfig {
        netns: Some(stage.namespace().to_owned()),
        mbufs: 4096,
        beside,
        ..PortConfig::new(name, format!("net_af_packet_{name},iface={interface}"))
    };
    assert!(config.opens_beside());
    Port::open(eal, &config).unwrap()
}

fn is_promiscuous(stage: &Stage) -> bool {
    let show = ["-n", stage.namespace(), "link", "show", "vb"];
    output("ip", &show).unwrap().contains("PROMISC")
}

/// Takes packets until as many have come as were sent.
fn take(port: &Port) {
    let mut rx = port.rx_queue(0).unwrap();
    let (mut burst, mut taken) = (Burst::new(), 0);
    let deadline = Instant::now() + Duration::from_secs(20);
    while taken < PACKETS {
        taken += rx.burst(&mut burst);
        burst.clear();
        assert!(Instant::now() < deadline, "{taken} of {PACKETS}");
    }
    assert_eq!(taken, PACKETS);
}

#[test]
fn port_beside_another_then_nothing_is_its_own_until_taken() {
    let stage = Stage::open("dpdk").unwrap();
    stage.veth(&Veth::bare("va", "vb")).unwrap();
    let eal = common::eal();
    let registered = RegisteredThread::new(&eal).unwrap();
    let sender = port(&eal, &stage, "a", "va", false);
    let first = port(&eal, &stage, "b", "vb", false);
    // One that is given up leaves the first one as it is.
    port(&eal, &stage, "c", "vb", true).close().unwrap();
    assert!(is_promiscuous(&stage));

    let mut second = port(&eal, &stage, "d", "vb", true);
    flood::send(&sender, PACKETS);
    take(&first);
    first.close().unwrap();
    assert!(!is_promiscuous(&stage));
    flood::send(&sender, PACKETS);
    second.take().unwrap();
    assert!(is_promiscuous(&stage));
    assert_eq!(second.stats().rx_packets, 0, "counts begin now");
    flood::send(&sender, PACKETS);
    take(&second);
    assert_eq!(second.stats().rx_packets, PACKETS as u64);

    second.close().unwrap();
    assert!(!is_promiscuous(&stage));
    sender.close().unwrap();
    assert!(
        !PortConfig::new("x", "net_af_xdp0,iface=vb").opens_beside()
            && PortConfig::new("r", "ring:wire:a").opens_beside()
    );
    drop(registered);
    eal.cleanup().unwrap();
}
