//! The receive ring of an AF_PACKET port: it keeps what comes within 20 ms, and what it cannot is counted.
//! Needs root.

use std::time::{Duration, Instant};

use onair_dpdk::{Burst, Port, PortConfig, RegisteredThread};
use onair_stage::{Stage, Veth, in_own_process};

use crate::common;

/// 20 ms of two sessions of 1080p60 at 10 bit.
const RING_PACKETS: usize = 10_368;
/// More than any ring of this test has slots.
const TOO_MANY: usize = 20_000;

/// Sends `count` packets of 1,400 bytes to everybody.
fn send(port: &Port, count: usize) {
    let mut tx = port.tx_queue(0).unwrap();
    let mut out = Burst::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    for _ in 0..count {
        let mut packet = tx.alloc().unwrap();
        packet.append(1400).unwrap().fill(0xff);
        out.push(packet).unwrap();
        while !out.is_empty() {
            tx.burst(&mut out);
            assert!(Instant::now() < deadline, "the port does not send");
        }
    }
}

/// Takes `count` packets.
fn take(port: &Port, count: usize) {
    let mut rx = port.rx_queue(0).unwrap();
    let mut burst = Burst::new();
    let mut taken = 0;
    let deadline = Instant::now() + Duration::from_secs(20);
    while taken < count {
        taken += rx.burst(&mut burst);
        burst.clear();
        assert!(Instant::now() < deadline, "{taken} of {count}");
    }
}

#[test]
fn packets_of_a_late_poller_wait_for_20_ms_and_are_then_missed() {
    in_own_process!();
    let stage = Stage::open("dpdk").unwrap();
    stage.veth(&Veth::bare("va", "vb")).unwrap();
    let eal = common::eal();
    let registered = RegisteredThread::new(&eal).unwrap();
    let config = |end: &str| PortConfig {
        netns: Some(stage.namespace().to_owned()),
        ..PortConfig::new(end, format!("net_af_packet_{end},iface=v{end}"))
    };
    let a = Port::open(&eal, &config("a")).unwrap();
    let b = Port::open(&eal, &config("b")).unwrap();
    send(&a, RING_PACKETS);
    take(&b, RING_PACKETS);
    assert_eq!(b.stats().missed(), 0);
    send(&a, TOO_MANY);
    let missed = b.stats().missed();
    assert!(missed > 0);
    assert_eq!(b.stats().missed(), missed, "a look changes nothing");
    take(&b, TOO_MANY - usize::try_from(missed).unwrap());
    a.close().unwrap();
    b.close().unwrap();
    drop(registered);
    eal.cleanup().unwrap();
}
