//! AF_XDP on both ends of a veth pair. Needs root.

use std::{
    fs,
    os::fd::BorrowedFd,
    thread,
    time::{Duration, Instant},
};

use onair_dpdk::{Burst, Eal, Error, Port, PortConfig, RegisteredThread, Wake, XdpChoice, XdpMode};
use onair_stage::in_own_process;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::common;
use crate::veth::{self, DEADLINE, LENGTH, Veth, exchange, fill};

const PACKETS: u32 = 20_000;

fn is_ready(fd: BorrowedFd<'_>, within: Duration) -> bool {
    let timeout = Timespec::try_from(within).expect("a short time");
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)).expect("a socket") == 1
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("always there").count()
}

#[test]
fn af_xdp_ports_on_veth_carry_all_and_leave_the_link_clean() {
    in_own_process!();
    let veth = Veth::new();
    let eal = common::eal();
    let registered = RegisteredThread::new(&eal).unwrap();
    let home = fs::read_link("/proc/thread-self/ns/net").unwrap();
    let (a, b) = veth.open(&eal);
    assert_eq!(fs::read_link("/proc/thread-self/ns/net").unwrap(), home);
    assert_eq!(a.driver(), "net_af_xdp");
    assert_eq!(a.mtu(), 1500);
    assert!(a.is_present() && a.link().is_up && a.interface_index().is_some());
    // A veth runs XDP programs itself, and has no memory of a device to write into.
    let attached = XdpMode {
        native: true,
        zero_copy: false,
    };
    assert_eq!(a.hardware().xdp, Some(attached));
    assert_eq!(a.hardware().wake, Wake::Socket);
    let (mac_a, mac_b) = (a.mac(), b.mac());
    assert!(
        veth.ip("link show va")
            .contains(&mac_a.map(|x| format!("{x:02x}")).join(":"))
    );

    let (mut tx, mut rx) = (a.tx_queue(0).unwrap(), b.rx_queue(0).unwrap());
    exchange((&mut tx, mac_a), (&mut rx, mac_b), PACKETS);
    let (sent, received) = (a.stats(), b.stats());
    assert_eq!(sent.tx_packets, u64::from(PACKETS));
    assert_eq!(received.rx_packets, u64::from(PACKETS));
    assert_eq!(received.rx_bytes, u64::from(PACKETS) * LENGTH as u64);
    let xdp = received.xdp.unwrap();
    assert_eq!(
        (xdp.rx_dropped, xdp.rx_ring_full, xdp.rx_invalid),
        (0, 0, 0)
    );
    tx.reclaim();
    assert_eq!((a.pool().held(), b.pool().held()), (0, 0));
    assert_eq!(a.in_flight(), 0);

    // The descriptor becomes readable when a packet arrives, and only then.
    assert!(!is_ready(rx.wait_fd().unwrap(), Duration::ZERO));
    let mut one = Burst::new();
    let mut packet = tx.alloc().unwrap();
    fill(packet.append(60).unwrap(), mac_a, mac_b, 0);
    one.push(packet).unwrap();
    assert_eq!(tx.burst(&mut one), 1);
    assert!(is_ready(rx.wait_fd().unwrap(), DEADLINE));
    assert_eq!(rx.burst(&mut one), 1);
    one.clear();

    // A second port on the same queue is refused, and the first still receives.
    let second = PortConfig {
        device: "net_af_xdp_c,iface=vb".into(),
        ..veth::config(&veth.namespace, "b")
    };
    let refused = Port::open(&eal, &second);
    assert!(
        matches!(refused, Err(Error::DeviceInUse { .. })),
        "{refused:?}"
    );
    exchange((&mut tx, mac_a), (&mut rx, mac_b), 100);

    drop((tx, rx));
    a.close().unwrap();
    b.close().unwrap();
    let before = descriptors();
    veth.assert_clean();

    for _ in 0..5 {
        let (a, b) = veth.open(&eal);
        let (mut tx, mut rx) = (b.tx_queue(0).unwrap(), a.rx_queue(0).unwrap());
        exchange((&mut tx, mac_b), (&mut rx, mac_a), 3000);
    }
    assert_eq!(descriptors(), before, "nothing is left open");
    veth.assert_clean();

    for _ in 0..5 {
        let (a, b) = veth.open(&eal);
        thread::scope(|scope| {
            let other = scope.spawn(|| b.close());
            a.close().unwrap();
            other.join().unwrap().unwrap();
        });
    }
    assert_eq!(descriptors(), before, "two threads leave nothing open");
    veth.assert_clean();

    every_buffer_of_a_pool_is_sent(&veth, &eal);
    generic_mode_carries_everything_and_leaves_the_link_clean(&veth, &eal);
    peers_mtu_too_large_for_the_driver_then_generic_mode_at_once(&veth, &eal);
    largest_packet_passes_and_a_larger_mtu_is_refused(&veth, &eal);
    set_up_by_another_meanwhile_then_up(&veth, &eal);
    deleted_under_its_port(&veth, &eal);
    drop(registered);
    eal.cleanup().unwrap();
}

/// DPDK's driver does not register all of a pool with the kernel.
fn every_buffer_of_a_pool_is_sent(veth: &Veth, eal: &Eal) {
    let (a, b) = veth.open(eal);
    let (mac_a, mac_b) = (a.mac(), b.mac());
    let (mut tx, mut rx) = (a.tx_queue(0).unwrap(), b.rx_queue(0).unwrap());
    let mut buffers: Vec<_> = std::iter::from_fn(|| tx.alloc()).collect();
    let (count, started) = (buffers.len(), Instant::now());
    assert!(count > 2_900, "{count} of 5120, less those for receiving");
    let (mut out, mut arrived) = (Burst::with_limit(64), Burst::with_limit(64));
    let mut seen = 0;
    while seen < count {
        assert!(
            started.elapsed() < DEADLINE,
            "{seen} of {count} packets arrived"
        );
        while out.room() > 0
            && let Some(mut mbuf) = buffers.pop()
        {
            fill(mbuf.append(60).unwrap(), mac_a, mac_b, 0);
            out.push(mbuf).unwrap();
        }
        tx.burst(&mut out);
        seen += rx.burst(&mut arrived);
        arrived.clear();
    }
}

fn generic_mode_carries_everything_and_leaves_the_link_clean(veth: &Veth, eal: &Eal) {
    let before = descriptors();
    let open = |end, xdp| {
        let config = PortConfig {
            xdp,
            ..veth::config(&veth.namespace, end)
        };
        Port::open(eal, &config).unwrap()
    };
    for _ in 0..2 {
        let (a, b) = (open("a", XdpChoice::Native), open("b", XdpChoice::Generic));
        let native = |port: &Port| port.hardware().xdp.map(|mode| mode.native);
        assert_eq!((native(&a), native(&b)), (Some(true), Some(false)));
        let (mut tx, mut rx) = (a.tx_queue(0).unwrap(), b.rx_queue(0).unwrap());
        exchange((&mut tx, a.mac()), (&mut rx, b.mac()), 3000);
        drop((tx, rx));
        a.close().unwrap();
        b.close().unwrap();
        veth.assert_clean();
    }
    assert_eq!(descriptors(), before, "nothing is left open");
}

fn peers_mtu_too_large_for_the_driver_then_generic_mode_at_once(veth: &Veth, eal: &Eal) {
    veth.ip("link set vb mtu 9000");
    let config = |xdp| PortConfig {
        xdp,
        ..veth::config(&veth.namespace, "a")
    };
    let mbufs = |port: &Port| (port.pool().size(), port.pool().available());
    let first = Port::open(eal, &config(XdpChoice::Generic)).unwrap();
    let of_one_attempt = mbufs(&first);
    first.close().unwrap();
    for _ in 0..5 {
        let began = Instant::now();
        let port = Port::open(eal, &config(XdpChoice::Auto)).unwrap();
        assert_eq!(
            mbufs(&port),
            of_one_attempt,
            "the failed attempt keeps some"
        );
        let took = began.elapsed();
        assert!(took < PortConfig::new("", "").busy, "{took:?}");
        assert_eq!(port.hardware().xdp.map(|mode| mode.native), Some(false));
        port.close().unwrap();
        veth.assert_clean();
    }
    let began = Instant::now();
    let refused = Port::open(eal, &config(XdpChoice::Native)).unwrap_err();
    assert!(began.elapsed() < PortConfig::new("", "").busy, "{refused}");
    veth.assert_clean();
    veth.ip("link set vb mtu 1500");
}

fn largest_packet_passes_and_a_larger_mtu_is_refused(veth: &Veth, eal: &Eal) {
    let set = |mtu: u32| ["va", "vb"].map(|end| veth.ip(&format!("link set {end} mtu {mtu}")));
    // The largest that fits a usual buffer, and the largest of all.
    for mtu in [1774, PortConfig::XDP_MTU] {
        largest_packet_passes(veth, eal, mtu);
    }
    set(PortConfig::XDP_MTU + 1);
    let refused = Port::open(eal, &veth::config(&veth.namespace, "a")).unwrap_err();
    assert!(matches!(refused, Error::Mtu { .. }), "{refused}");
    set(1500);
    let other = PortConfig {
        mtu: Some(1600),
        ..veth::config(&veth.namespace, "a")
    };
    let refused = Port::open(eal, &other).unwrap_err().to_string();
    assert!(refused.contains("ip link set va mtu 1600"), "{refused}");
}

fn largest_packet_passes(veth: &Veth, eal: &Eal, mtu: u32) {
    for end in ["va", "vb"] {
        veth.ip(&format!("link set {end} mtu {mtu}"));
    }
    let (a, b) = veth.open(eal);
    assert_eq!(u32::from(a.mtu()), mtu);
    let (mut tx, mut rx) = (a.tx_queue(0).unwrap(), b.rx_queue(0).unwrap());
    // With a VLAN tag.
    let length = mtu as usize + 18;
    let mut burst = Burst::new();
    let mut packet = tx.alloc().unwrap();
    fill(packet.append(length).unwrap(), a.mac(), b.mac(), 7);
    // A tag is what lets it be longer than MTU and header.
    packet.data_mut()[12..14].copy_from_slice(&[0x81, 0x00]);
    burst.push(packet).unwrap();
    assert_eq!(tx.burst(&mut burst), 1);
    assert!(is_ready(rx.wait_fd().unwrap(), DEADLINE));
    assert_eq!(rx.burst(&mut burst), 1);
    assert_eq!(burst.iter().next().unwrap().len(), length);
    drop((burst, tx, rx));
    a.close().unwrap();
    b.close().unwrap();
}

/// Another program sets the interface down and up, again and again, while ports of it open and close.
fn set_up_by_another_meanwhile_then_up(veth: &Veth, eal: &Eal) {
    const ROUNDS: usize = 100;
    let file = tempfile::NamedTempFile::new().unwrap();
    let round = "link set va down\nlink set va up\nlink show va\n";
    fs::write(file.path(), round.repeat(ROUNDS)).unwrap();
    let batch = format!("-oneline -batch {}", file.path().display());
    for driver in ["net_af_xdp_a", "net_af_packet_a"] {
        let config = PortConfig {
            device: format!("{driver},iface=va"),
            ..veth::config(&veth.namespace, "a")
        };
        thread::scope(|scope| {
            let ports = scope.spawn(|| {
                for _ in 0..20 {
                    Port::open(eal, &config).unwrap().close().unwrap();
                }
            });
            while !ports.is_finished() {
                let shown = veth.ip(&batch);
                let up = shown.lines().filter(|it| it.contains(",UP")).count();
                assert_eq!(up, ROUNDS, "{driver}");
            }
            ports.join().unwrap();
        });
    }
    veth.assert_clean();
}

fn deleted_under_its_port(veth: &Veth, eal: &Eal) {
    let (a, b) = veth.open(eal);
    veth.ip("link del va");
    assert!(!a.is_present() && !b.is_present());
    let mut rx = a.rx_queue(0).unwrap();
    assert_eq!(rx.burst(&mut Burst::new()), 0);
    drop(rx);
    a.close().unwrap();
    b.close().unwrap();
    let gone = Port::open(eal, &veth::config(&veth.namespace, "a")).unwrap_err();
    assert!(matches!(gone, Error::Dpdk { .. }), "{gone}");
}
