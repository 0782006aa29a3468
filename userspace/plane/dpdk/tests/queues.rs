//! Ports with several queues. Needs root. AF_XDP's are those of a network card, which a veth has
//! not: the tests in a machine with PCI devices have them.

use std::fs;
use std::time::{Duration, Instant};

use onair_dpdk::{Burst, Eal, Port, PortConfig, RegisteredThread};
use onair_stage::{Stage, Veth, in_own_process, output};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::common;

const PACKETS: usize = 50;

#[test]
fn several_queues_carry_packets_and_leave_the_link_clean() {
    in_own_process!();
    let stage = Stage::open("dpdk").unwrap();
    stage.veth(&Veth::bare("va", "vb")).unwrap();
    let eal = common::eal();
    let registered = RegisteredThread::new(&eal).unwrap();
    let config = |end: &str, driver: &str| PortConfig {
        netns: Some(stage.namespace().to_owned()),
        queues: 2,
        mbufs: 4096,
        ..PortConfig::new(end, format!("{driver}_{end},iface=v{end}"))
    };
    let mut open = Vec::new();
    for round in 0..3 {
        let a = Port::open(&eal, &config("a", "net_af_packet")).unwrap();
        let b = Port::open(&eal, &config("b", "net_af_packet")).unwrap();
        assert_eq!((a.queues(), b.queues()), (2, 2));
        assert!(a.rx_queue(2).is_none() && a.tx_queue(2).is_none());
        for queue in [0, 1] {
            from_queue_to_any(&a, queue, &b);
        }
        assert_eq!(b.stats().rx_packets, 2 * PACKETS as u64);
        assert_eq!((a.in_flight(), b.in_flight()), (0, 0));
        a.close().unwrap();
        b.close().unwrap();
        let link = ["-n", stage.namespace(), "-details", "link", "show"];
        assert!(!output("ip", &link).unwrap().contains("promiscuity 1"));
        open.push(fs::read_dir("/proc/self/fd").unwrap().count());
        assert_eq!(open[0], open[round], "nothing is left open");
    }
    let port = Port::open(&eal, &config("a", "net_af_xdp")).unwrap();
    assert_eq!(port.queues(), 1, "a veth has no more for AF_XDP");
    port.close().unwrap();
    assert_eq!(a_ring(&eal).queues(), 1);
    drop(registered);
    eal.cleanup().unwrap();
}

/// The kernel spreads flows by their hash: which queue has one is its choice.
fn from_queue_to_any(a: &Port, queue: u16, b: &Port) {
    let mut tx = a.tx_queue(queue).unwrap();
    let mut out = Burst::new();
    for _ in 0..PACKETS {
        let mut packet = tx.alloc().unwrap();
        let bytes = packet.append(100).unwrap();
        bytes.fill(0);
        bytes[..6].copy_from_slice(&b.mac());
        bytes[6..12].copy_from_slice(&a.mac());
        // For local experiments (IEEE 802, 9.2.3).
        bytes[12..14].copy_from_slice(&[0x88, 0xb5]);
        out.push(packet).unwrap();
    }
    assert_eq!(tx.burst(&mut out), PACKETS);
    let mut queues = [b.rx_queue(0).unwrap(), b.rx_queue(1).unwrap()];
    let (mut seen, mut arrived) = (0, Burst::new());
    let began = Instant::now();
    while seen < PACKETS {
        assert!(began.elapsed() < Duration::from_secs(20), "{seen} arrived");
        let mut fds = [0, 1].map(|at: usize| {
            let fd = queues[at].wait_fd().unwrap();
            PollFd::from_borrowed_fd(fd, PollFlags::IN)
        });
        let timeout = Timespec {
            tv_sec: 20,
            tv_nsec: 0,
        };
        poll(&mut fds, Some(&timeout)).unwrap();
        let woken = fds.map(|it| it.revents().contains(PollFlags::IN));
        for (rx, woken) in queues.iter_mut().zip(woken) {
            let count = rx.burst(&mut arrived);
            assert!(count > 0 || !woken, "it wakes for packets of its queue");
            seen += count;
            arrived.clear();
        }
    }
}

fn a_ring(eal: &Eal) -> Port {
    let config = PortConfig {
        queues: 2,
        ..PortConfig::new("ring", "ring:q:a")
    };
    Port::open(eal, &config).unwrap()
}
