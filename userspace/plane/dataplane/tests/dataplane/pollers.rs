//! Pollers that panic, drain or sleep, and starts that they refuse.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_dataplane::{
    Command, FrameSource, PollerEvent, PollerTask, ReceiveConfig, Runtime, SendConfig, StartRefusal,
};
use onair_ipc::frames::FrameMemory;

use crate::rig::{Rig, TIMEOUT, format, geometry, receive, send, send_config, wait};

pub(crate) fn poller_panics_then_its_sessions_come_back_and_others_go_on(rig: &mut Rig) {
    let destination = SocketAddr::from(([10, 9, 1, 2], 5004));
    let config = ReceiveConfig::of_one_leg("c", destination, format());
    let frames = FrameMemory::create(geometry(4), true).unwrap();
    let runtime = Runtime::receive(70, config, frames).unwrap();
    let mut to_p1 = |command| rig.plane.send(1, command);
    to_p1(Command::Start(Box::new(runtime))).unwrap();
    to_p1(Command::Run(PollerTask::new(|| panic!("on purpose")))).unwrap();
    let message = rig.event("the death", |event| match event {
        PollerEvent::Died { poller: 1, message } => Ok(message),
        other => Err(other),
    });
    assert_eq!(message, "on purpose");
    rig.event("the session", |event| match event {
        PollerEvent::HandedBack(it) if it.session() == 70 => Ok(()),
        other => Err(other),
    });
    let late = rig.plane.send(1, Command::Quiesce(70));
    assert!(late.is_err(), "it takes no more");
    rig.threads.threads()[1]
        .wait_stopped(Instant::now() + TIMEOUT)
        .unwrap();
    let reports = rig.threads.reports();
    assert_eq!(reports[1].panic.as_deref(), Some("on purpose"));
    assert!(!reports[0].is_stopped);
}

pub(crate) fn pollers_flushed_and_closed_then_buffers_empty_and_counted(rig: &mut Rig) {
    let (runtime, _frames) = receive(71, 5004, 1);
    let stats = Arc::clone(runtime.stats());
    rig.start(runtime);
    rig.start(send(72, 5004, FrameSource::Pattern));
    wait(&stats, "some packets", |it| it.snapshot().packets > 0);
    // The dead one has no buffers any more.
    rig.plane.flush(&rig.threads, TIMEOUT).unwrap();
    rig.threads.stop_accepting();
    let state = rig.threads.threads().remove(0);
    let before = stats.snapshot().packets;
    wait(&stats, "packets until it is stopped", |it| {
        it.snapshot().packets > before + 100
    });
    assert_eq!(state.report().dropped_by_shutdown, 0);
    rig.stop(71);
    let before = stats.snapshot().packets;
    let deadline = Instant::now() + TIMEOUT;
    while state.report().dropped_by_shutdown < 100 {
        assert!(Instant::now() < deadline, "nothing is dropped");
        std::thread::sleep(Duration::from_millis(1));
    }
    rig.plane.flush(&rig.threads, TIMEOUT).unwrap();
    assert_eq!(
        stats.snapshot().packets,
        before,
        "the session gets none of them"
    );
    assert!(state.report().processed > 0);
    rig.stop(72);
}

pub(crate) fn session_cannot_start_then_refused_with_the_runtime(rig: &mut Rig) {
    let (receiver, _frames) = receive(14, 5010, 1);
    rig.start(receiver);
    let far = SocketAddr::from(([192, 0, 2, 1], 5004));
    let far = SendConfig {
        destination: far,
        ..send_config(0, FrameSource::Pattern)
    };
    let lost = SendConfig {
        port: "c".into(),
        ..send_config(0, FrameSource::Pattern)
    };
    let refusals = [
        (receive(14, 5011, 1).0, StartRefusal::Twice(14)),
        (
            Runtime::send(15, lost).unwrap(),
            StartRefusal::UnknownPort("c".into()),
        ),
        (
            Runtime::send(15, far).unwrap(),
            StartRefusal::NotOnLink {
                destination: [192, 0, 2, 1].into(),
                port: "a".into(),
            },
        ),
    ];
    for (runtime, expected) in refusals {
        let session = runtime.session();
        rig.start(runtime);
        let (runtime, reason) = rig.event("refused", |event| match event {
            PollerEvent::Refused { runtime, reason } => Ok((runtime, reason)),
            other => Err(other),
        });
        assert_eq!((runtime.session(), reason), (session, expected));
    }
    rig.stop(14);
}

pub(crate) fn poller_idle_sessions_then_sleeps(rig: &mut Rig) {
    let (receiver, _frames) = receive(16, 5012, 1);
    rig.start(receiver);
    let before = rig.plane.poller_counters(0).unwrap().sleeps;
    let deadline = Instant::now() + TIMEOUT;
    while rig.plane.poller_counters(0).unwrap().sleeps < before + 20 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    rig.stop(16);
}
