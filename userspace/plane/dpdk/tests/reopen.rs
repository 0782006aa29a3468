//! Ports are opened and closed repeatedly.

use onair_dpdk::{Burst, Port, PortConfig, RegisteredThread};
use onair_stage::in_own_process;

use crate::common;

#[test]
fn ports_opened_and_closed_in_any_order_leave_nothing() {
    in_own_process!();
    let eal = common::eal();
    // With all their pools in memory at once, 40 rounds would not fit.
    for round in 0..40 {
        let config = |end| PortConfig {
            mbufs: 8192,
            ..PortConfig::new(end, format!("ring:again:{end}"))
        };
        let a = Port::open(&eal, &config("a")).unwrap();
        let b = Port::open(&eal, &config("b")).unwrap();
        // Some packets stay on the wire.
        let mut tx = a.tx_queue(0).unwrap();
        let mut burst = Burst::new();
        assert!(tx.alloc_bulk(&mut burst, 100));
        for mbuf in &mut *burst {
            mbuf.append(60).unwrap().fill(1);
        }
        assert_eq!(tx.burst(&mut burst), 100);
        assert_eq!(a.in_flight(), 100);
        drop(tx);
        if round % 2 == 0 {
            drop((a, b));
        } else {
            drop((b, a));
        }
        let null = Port::open(&eal, &PortConfig::new("n", "net_null0")).unwrap();
        null.close().unwrap();
    }
    let registered = RegisteredThread::new(&eal).unwrap();
    drop(registered);
    eal.cleanup().unwrap();
}
