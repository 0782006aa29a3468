//! DPDK's null device: it receives empty packets, and drops sent ones.

use onair_dpdk::{Burst, Error, Port, PortConfig};

mod common;

#[test]
fn null_port_bursts_go_through_its_pool() {
    let eal = common::eal();
    let port = Port::open(&eal, &PortConfig::new("n", "net_null3,size=900,copy=0")).unwrap();
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

    let again = Port::open(&eal, &PortConfig::new("m", "net_null3"));
    assert!(matches!(again, Err(Error::DeviceInUse { .. })), "{again:?}");
    assert_eq!(rx.burst(&mut burst), 48, "the first goes on");
    burst.clear();

    drop((rx, tx));
    port.close().unwrap();
    eal.cleanup().unwrap();
}
