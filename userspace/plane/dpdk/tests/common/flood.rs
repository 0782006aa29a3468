//! Packets as fast as a port takes them.

use std::time::{Duration, Instant};

use onair_dpdk::{Burst, Port};

/// Sends `count` packets of 1,400 bytes to everybody.
pub(crate) fn send(port: &Port, count: usize) {
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
