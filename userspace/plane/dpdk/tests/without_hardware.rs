//! DPDK's devices without hardware.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use onair_dpdk::{Burst, Eal, Error, Port, PortConfig, RegisteredThread, Wake};
use onair_stage::in_own_process;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::common;

/// Bytes of a packet.
const LENGTH: usize = 900;

#[test]
fn virtual_ports_carry_packets_and_one_wakes_who_sleeps() {
    in_own_process!();
    let eal = common::eal();
    let registered = RegisteredThread::new(&eal).unwrap();
    null_port_goes_through_its_pool(&eal);
    virtio_port_wakes_only_while_it_is_armed(&eal);
    virtio_port_closes_while_its_peer_answers(&eal);
    drop(registered);
    eal.cleanup().unwrap();
}

/// It receives empty packets, and drops sent ones.
fn null_port_goes_through_its_pool(eal: &Eal) {
    let port = Port::open(eal, &PortConfig::new("n", "net_null3,size=900,copy=0")).unwrap();
    assert_eq!(port.driver(), "net_null");
    let (mut rx, mut tx) = (port.rx_queue(0).unwrap(), port.tx_queue(0).unwrap());

    let mut burst = Burst::with_limit(48);
    for _ in 0..1000 {
        assert_eq!(rx.burst(&mut burst), 48);
        assert_eq!(rx.burst(&mut burst), 0, "no room left");
        assert!(burst.iter().all(|mbuf| mbuf.len() == 900));
        assert_eq!(tx.burst(&mut burst), 48);
        assert_eq!(tx.burst(&mut burst), 0, "nothing left");
    }
    tx.reclaim();
    assert_eq!(port.pool().available(), 8192);
    assert_eq!(port.pool().held(), 0);
    assert_eq!(port.stats().rx_packets, 48_000);
    assert_eq!(port.stats().tx_packets, 48_000);

    let again = Port::open(eal, &PortConfig::new("m", "net_null3"));
    assert!(matches!(again, Err(Error::DeviceInUse { .. })), "{again:?}");
    assert_eq!(rx.burst(&mut burst), 48, "the first goes on");
    burst.clear();

    drop((rx, tx));
    port.close().unwrap();
}

/// DPDK's driver of virtio NICs, on a device that vhost-user shows it from this process.
fn virtio_port_wakes_only_while_it_is_armed(eal: &Eal) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("vhost");
    let config = |name: &str, device: &str| PortConfig {
        interrupt: true,
        ..PortConfig::new(name, format!("{device}={}", socket.display()))
    };
    let far = Port::open(eal, &config("a", "net_vhost0,iface")).unwrap();
    let near = Port::open(eal, &config("b", "net_virtio_user0,path")).unwrap();
    assert_eq!(near.hardware().wake, Wake::Interrupt);
    // Its descriptor is the peer's, and goes with the connection.
    assert_eq!(far.hardware().wake, Wake::Timer);
    let (mut tx, mut rx) = (far.tx_queue(0).unwrap(), near.rx_queue(0).unwrap());

    let mut burst = Burst::new();
    for round in 0..20 {
        // What came before it was armed need not wake: it is taken first.
        assert!(rx.arm());
        assert_eq!(rx.burst(&mut burst), 0);
        assert!(!is_ready(rx.wait_fd().unwrap(), Duration::ZERO), "{round}");
        let mut packet = tx.alloc().unwrap();
        packet.append(LENGTH).unwrap().fill(round);
        burst.push(packet).unwrap();
        assert_eq!(tx.burst(&mut burst), 1);
        assert!(
            is_ready(rx.wait_fd().unwrap(), Duration::from_secs(10)),
            "{round}"
        );
        rx.disarm();
        assert!(!is_ready(rx.wait_fd().unwrap(), Duration::ZERO), "{round}");
        assert_eq!(rx.burst(&mut burst), 1);
        assert!(burst.iter().all(|it| it.data() == [round; LENGTH]));
        burst.clear();
    }
    drop((tx, rx));
    near.close().unwrap();
    far.close().unwrap();
}

/// The peer's last answer wakes DPDK's interrupt thread while the port goes.
fn virtio_port_closes_while_its_peer_answers(eal: &Eal) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("vhost");
    let open = |name: &str, device: &str| {
        let config = PortConfig {
            interrupt: true,
            ..PortConfig::new(name, format!("{device}={}", socket.display()))
        };
        Port::open(eal, &config).unwrap()
    };
    for _ in 0..6 {
        let far = open("a", "net_vhost0,iface");
        let near = open("b", "net_virtio_user0,path");
        near.close().unwrap();
        far.close().unwrap();
    }
}

fn is_ready(fd: BorrowedFd<'_>, within: Duration) -> bool {
    let timeout = Timespec::try_from(within).expect("a short time");
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)).expect("an eventfd") == 1
}
