//! A port with two pollers, of which only the first has a queue.

use std::net::SocketAddr;
use std::sync::Arc;

use onair_dataplane::{Command, FrameSource, ReceiveConfig, Runtime, SendConfig};
use onair_ipc::frames::FrameMemory;

use crate::rig::{E, Rig, format, geometry, send_config, wait};

fn receive(session: u64, udp: u16) -> Runtime {
    let config = ReceiveConfig::of_one_leg("e", SocketAddr::from((E, udp)), format());
    let frames = FrameMemory::create(geometry(4), true).unwrap();
    Runtime::receive(session, config, frames).unwrap()
}

fn send(session: u64, udp: u16) -> Runtime {
    let config = SendConfig {
        port: "d".into(),
        destination: SocketAddr::from((E, udp)),
        ..send_config(udp, FrameSource::Pattern)
    };
    Runtime::send(session, config).unwrap()
}

fn start_on(rig: &mut Rig, poller: usize, runtime: Runtime) {
    let start = Command::Start(Box::new(runtime));
    rig.plane.send(poller, start).unwrap();
}

fn stop_on(rig: &mut Rig, poller: usize, session: u64) {
    rig.plane.send(poller, Command::Quiesce(session)).unwrap();
    let runtime = rig.handed_back(session);
    rig.plane.returned(&runtime);
}

pub(crate) fn sessions_of_both_pollers_get_every_packet(rig: &mut Rig) {
    let before = rig.plane.port_counters("e").unwrap();
    let (own, other) = (receive(80, 5004), receive(81, 5005));
    let (own_stats, other_stats) = (Arc::clone(own.stats()), Arc::clone(other.stats()));
    start_on(rig, 0, own);
    start_on(rig, 2, other);
    start_on(rig, 0, send(82, 5004));
    start_on(rig, 0, send(83, 5005));
    for stats in [&own_stats, &other_stats] {
        wait(stats, "ten frames", |it| {
            it.snapshot().frames_complete >= 10
        });
    }
    for session in [82, 83] {
        stop_on(rig, 0, session);
    }
    stop_on(rig, 0, 80);
    stop_on(rig, 2, 81);
    let after = rig.plane.port_counters("e").unwrap();
    assert_eq!(own_stats.snapshot().packets_lost, 0);
    assert_eq!(other_stats.snapshot().packets_lost, 0);
    let handed = after.rx_handed_over - before.rx_handed_over;
    assert!(handed >= other_stats.snapshot().packets, "{handed}");
    assert_eq!(after.rx_hand_over_full, before.rx_hand_over_full);
}

/// Two sessions on the poller that receives, one on the other: each has all, also while others come and go.
pub(crate) fn three_sessions_of_a_flow_on_two_pollers_then_each_gets_all(rig: &mut Rig) {
    start_on(rig, 0, send(87, 5006));
    let places = [(84, 0), (85, 2), (86, 0)];
    let started = places.map(|(session, poller)| {
        let runtime = receive(session, 5006);
        let stats = Arc::clone(runtime.stats());
        start_on(rig, poller, runtime);
        stats
    });
    for stats in &started {
        wait(stats, "ten frames", |it| {
            it.snapshot().frames_complete >= 10
        });
    }
    for (at, ((session, poller), stats)) in places.into_iter().zip(&started).enumerate() {
        stop_on(rig, poller, session);
        let counted = stats.snapshot();
        assert_eq!((counted.packets_lost, counted.frames_incomplete), (0, 0));
        for other in started.iter().filter(|it| !Arc::ptr_eq(it, stats)) {
            let before = other.snapshot();
            assert_eq!((before.packets_lost, before.frames_incomplete), (0, 0));
        }
        if let Some(next) = started.get(at + 1) {
            let frames = next.snapshot().frames_complete;
            wait(next, "more frames", |it| {
                it.snapshot().frames_complete > frames + 3
            });
        }
    }
    stop_on(rig, 0, 87);
}

pub(crate) fn sender_goes_to_a_free_queue_and_receivers_to_the_least_load(rig: &Rig) {
    let port = |name: &str| {
        let ports = rig.plane.ports().iter();
        ports.clone().find(|port| port.name == name).unwrap()
    };
    let place = |sends, bytes| rig.plane.place(port("e"), sends, bytes, |_| true).unwrap();
    let placed = [
        place(true, 10),
        place(true, 10),
        place(false, 5),
        place(false, 5),
    ];
    assert_eq!(placed.each_ref().map(|it| it.poller()), [0, 0, 2, 2]);
    let only_the_first = rig.plane.place(port("e"), false, 1, |poller| poller == 0);
    assert_eq!(only_the_first.unwrap().poller(), 0);
    assert!(rig.plane.place(port("e"), false, 1, |_| false).is_none());
}
