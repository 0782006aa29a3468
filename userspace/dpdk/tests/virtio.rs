//! DPDK's driver of virtio NICs, on a device that vhost-user shows it from this process.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use onair_dpdk::{Burst, Port, PortConfig, RegisteredThread, Wake};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

mod common;

const LENGTH: usize = 900;

fn is_ready(fd: BorrowedFd<'_>, within: Duration) -> bool {
    let timeout = Timespec::try_from(within).expect("a short time");
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)).expect("an eventfd") == 1
}

#[test]
fn virtio_port_armed_then_a_packet_wakes_and_disarmed_none_does() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("vhost");
    let eal = common::eal();
    let registered = RegisteredThread::new(&eal).unwrap();
    let config = |name: &str, device: &str| PortConfig {
        interrupt: true,
        ..PortConfig::new(name, format!("{device}={}", socket.display()))
    };
    let far = Port::open(&eal, &config("a", "net_vhost0,iface")).unwrap();
    let near = Port::open(&eal, &config("b", "net_virtio_user0,path")).unwrap();
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
    drop(registered);
    eal.cleanup().unwrap();
}
