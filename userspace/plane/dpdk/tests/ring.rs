//! The wire inside the process.

use std::thread;
use std::time::{Duration, Instant};

use onair_dpdk::{
    Burst, CloseError, Eal, Error, Port, PortConfig, RegisteredThread, RxQueue, TxQueue,
};
use onair_stage::{Stage, Veth, in_own_process};

use crate::common;

/// 20 ms of two sessions of 1080p60 at 10 bit.
const RING_PACKETS: usize = 10_368;
/// More than any ring of this test has slots.
const TOO_MANY: usize = 20_000;

fn config(end: &str) -> PortConfig {
    PortConfig {
        mbufs: 4096,
        ..PortConfig::new(end, format!("ring:wire:{end}"))
    }
}

#[test]
fn ring_pair_packets_both_ways_arrive_as_they_were() {
    in_own_process!();
    let eal = common::eal();
    let a = Port::open(&eal, &config("a")).unwrap();
    let b = Port::open(&eal, &config("b")).unwrap();
    assert_eq!(a.driver(), "net_ring");
    assert_ne!(a.mac(), b.mac());
    assert_eq!(a.mac()[0] & 3, 2, "unicast, locally administered");
    assert_eq!(a.mtu(), 1500);
    assert!(a.is_present() && a.interface_index().is_none());
    let taken = Port::open(&eal, &config("a"));
    assert!(matches!(taken, Err(Error::DeviceInUse { .. })));

    let mut tx = a.tx_queue(0).unwrap();
    let back = b.tx_queue(0).unwrap();
    assert!(a.tx_queue(0).is_none(), "one at a time");
    assert!(tx.wait_fd().is_none());
    let (rx_a, mut rx_b) = (a.rx_queue(0).unwrap(), b.rx_queue(0).unwrap());

    let mut received = Burst::with_limit(32);
    there(&a, &mut tx, &mut rx_b);
    let rx_a = back_again(&eal, back, rx_a);

    let stats = b.stats();
    assert_eq!((stats.rx_packets, stats.tx_packets), (16_000, 1000));
    assert_eq!(stats.xdp, None);
    assert_eq!(a.in_flight(), 0);
    assert_eq!(a.pool().available(), 4096);

    // A taken queue keeps the port open and working.
    let Err(CloseError::QueuesInUse(a)) = a.close() else {
        panic!("closed under a queue")
    };
    let mut packet = tx.alloc().unwrap();
    packet.append(60).unwrap().fill(7);
    let mut one = Burst::new();
    one.push(packet).unwrap();
    assert_eq!(tx.burst(&mut one), 1);
    // On the wire, from a pool whose port is closed: the packet must stay readable.
    drop((tx, rx_a));
    a.close().unwrap();
    assert_eq!(rx_b.burst(&mut received), 1);
    assert_eq!(received[0].data(), [7; 60]);
    let refused = eal.cleanup();
    assert!(
        matches!(refused, Err(Error::InUse { users: 2 })),
        "{refused:?}"
    );
}

/// Packets from `a`, sent and received by this thread.
fn there(a: &Port, tx: &mut TxQueue, rx: &mut RxQueue) {
    let (mut sent, mut received) = (Burst::with_limit(32), Burst::with_limit(32));
    for round in 0..500u32 {
        assert!(tx.alloc_bulk(&mut sent, 32));
        for (i, mbuf) in (0u32..).zip(sent.iter_mut()) {
            let bytes = mbuf.append(1400).unwrap();
            bytes.fill(round.to_le_bytes()[0]);
            bytes[..4].copy_from_slice(&(round * 32 + i).to_le_bytes());
        }
        assert_eq!(tx.burst(&mut sent), 32);
        assert!(sent.is_empty());
        assert_eq!(rx.burst(&mut received), 32);
        assert_eq!(a.pool().held(), 32);
        for (i, mbuf) in (0u32..).zip(received.iter()) {
            assert_eq!(mbuf.len(), 1400);
            assert_eq!(mbuf.data()[..4], (round * 32 + i).to_le_bytes());
            assert!(
                mbuf.data()[4..]
                    .iter()
                    .all(|&x| x == round.to_le_bytes()[0])
            );
        }
        received.clear();
        assert_eq!(a.pool().held(), 0);
    }
}

/// Packets that another thread sends, received by this one.
fn back_again(eal: &Eal, mut back: TxQueue, mut rx: RxQueue) -> RxQueue {
    thread::scope(|scope| {
        let sender = scope.spawn(move || {
            let _registered = RegisteredThread::new(eal).unwrap();
            let mut burst = Burst::new();
            for i in 0..1000u32 {
                let mut mbuf = back.alloc().unwrap();
                mbuf.append(60).unwrap()[..4].copy_from_slice(&i.to_le_bytes());
                burst.push(mbuf).unwrap();
                if burst.room() == 0 || i == 999 {
                    back.burst(&mut burst);
                    assert!(burst.is_empty());
                }
            }
        });
        sender.join().unwrap();
    });
    let mut received = Burst::with_limit(32);
    let mut next = 0u32;
    while next < 1000 {
        assert!(rx.burst(&mut received) > 0);
        for mbuf in received.drain() {
            assert_eq!(mbuf.data()[..4], next.to_le_bytes());
            next += 1;
        }
    }
    rx
}

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
