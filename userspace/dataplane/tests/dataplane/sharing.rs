//! A port with two pollers, of which only the first has a queue.

use std::net::SocketAddr;
use std::sync::Arc;

use onair_dataplane::{
    Command, FrameSource, PollerEvent, ReceiveConfig, Runtime, SendConfig, StartRefusal,
};
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

pub(crate) fn flow_of_a_session_is_refused_on_another_poller_until_it_ends(rig: &mut Rig) {
    start_on(rig, 0, receive(84, 5006));
    start_on(rig, 2, receive(85, 5006));
    let (refused, reason) = rig.event("refused", |event| match event {
        PollerEvent::Refused { runtime, reason } => Ok((runtime, reason)),
        other => Err(other),
    });
    assert_eq!(refused.session(), 85);
    assert_eq!(reason, StartRefusal::FlowInUse(SocketAddr::from((E, 5006))));
    rig.plane.returned(&refused);
    stop_on(rig, 0, 84);
    rig.plane.send(2, Command::Start(refused)).unwrap();
    stop_on(rig, 2, 85);
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
