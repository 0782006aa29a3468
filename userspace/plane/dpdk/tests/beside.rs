//! A port on an interface that another owner has, too, and leaves later. Needs root.
//!
//! Two processes both get each packet. Here both owners are one process, to which DPDK gives one fanout group
//! (packet(7)): the kernel gives each flow to one of the two, by a hash that is another one after each boot.

use std::time::{Duration, Instant};

use onair_dpdk::{Burst, Eal, Port, PortConfig, RegisteredThread};
use onair_stage::{Stage, Veth, in_own_process, output};

use crate::common;

/// Packets of a flow each: of two owners each gets some.
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

/// Sends packets of UDP from as many ports.
fn send(port: &Port) {
    let mut tx = port.tx_queue(0).unwrap();
    let mut out = Burst::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    for source in 0..u16::try_from(PACKETS).unwrap() {
        let mut packet = tx.alloc().unwrap();
        let bytes = packet.append(100).unwrap();
        bytes.fill(0);
        bytes[..6].fill(0xff);
        // IPv4 without options, of 86 bytes, UDP, from 10.0.0.1 to 10.0.0.2.
        bytes[12..18].copy_from_slice(&[8, 0, 0x45, 0, 0, 86]);
        bytes[22..24].copy_from_slice(&[64, 17]);
        bytes[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        bytes[34..36].copy_from_slice(&source.to_be_bytes());
        out.push(packet).unwrap();
        while !out.is_empty() {
            tx.burst(&mut out);
            assert!(Instant::now() < deadline, "the port does not send");
        }
    }
}

/// Takes at least so many packets.
fn take(port: &Port, least: usize) -> usize {
    let mut rx = port.rx_queue(0).unwrap();
    let (mut burst, mut taken) = (Burst::new(), 0);
    let deadline = Instant::now() + Duration::from_secs(20);
    while taken < least {
        taken += rx.burst(&mut burst);
        burst.clear();
        assert!(Instant::now() < deadline, "{taken} of {least}");
    }
    taken
}

#[test]
fn port_beside_another_then_it_has_what_came_since_it_drained() {
    in_own_process!();
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
    send(&sender);
    take(&first, 1);
    second.drain();
    first.close().unwrap();
    assert!(!is_promiscuous(&stage));
    send(&sender);
    second.take().unwrap();
    assert!(is_promiscuous(&stage));
    assert_eq!(second.stats().rx_packets, 0, "counts begin now");
    // It waited in the ring.
    assert_eq!(take(&second, PACKETS), PACKETS);
    send(&sender);
    assert_eq!(take(&second, PACKETS), PACKETS);
    assert_eq!(second.stats().rx_packets, 2 * PACKETS as u64);

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
