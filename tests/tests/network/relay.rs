//! The bad network of the other tests is as bad as it says, and no worse.
#![allow(clippy::unwrap_used, reason = "a test may panic, also in its helpers")]

use std::net::UdpSocket;

use onair_stage::Stage;
use onair_tests::{Disturbance, Done, Relay};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;

fn pass(disturbance: Disturbance, count: u32) -> (Vec<u32>, Done) {
    let stage = Stage::open("test").unwrap();
    let target = stage
        .inside(|| {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            set_socket_recv_buffer_size_force(&socket, 8 << 20)?;
            Ok(socket)
        })
        .unwrap();
    let relay = Relay::start(&stage, target.local_addr().unwrap(), disturbance).unwrap();
    let source = stage
        .inside(|| Ok(UdpSocket::bind("127.0.0.1:0")?))
        .unwrap();
    for number in 0..count {
        source
            .send_to(&number.to_be_bytes(), relay.entrance())
            .unwrap();
    }
    let done = relay.finish().unwrap();
    target.set_nonblocking(true).unwrap();
    let mut came = Vec::new();
    let mut number = [0; 4];
    while target.recv(&mut number).is_ok() {
        came.push(u32::from_be_bytes(number));
    }
    (came, done)
}

#[test]
fn relay_disturbed_then_what_it_says_is_what_comes() {
    let disturbance = Disturbance {
        lost: 50,
        doubled: 50,
        delayed: 50,
        depth: 20,
    };
    let (mut came, done) = pass(disturbance, 2000);
    assert_eq!(came.len() as u64, 2000 - done.lost + done.doubled);
    assert!(done.delayed > 0 && !came.is_sorted());
    came.sort_unstable();
    came.dedup();
    assert_eq!(came.len() as u64, 2000 - done.lost);
}
