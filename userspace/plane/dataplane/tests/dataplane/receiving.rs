//! Frames from the wire to clients.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use onair_dataplane::{Command, FrameSource, Runtime, SendConfig, SessionStats};
use onair_essence::video::{Depth, FrameRate, VideoFormat};
use onair_session::Runtime as _;

use crate::rig::{AMPLE, Rig, TIMEOUT, reason, receive, send, send_config, wait};

pub(crate) fn pattern_sent_and_received_then_each_frame_once_and_right(rig: &mut Rig) {
    let (mut receiver, frames) = receive(1, 5004, 2);
    let (client, lender) = rig.client(1, &frames, AMPLE, false);
    receiver.attach(lender, None).unwrap();
    let received = Arc::clone(receiver.stats());
    let sender = send(2, 5004, FrameSource::Pattern);
    let sent = Arc::clone(sender.stats());
    rig.start(receiver);
    rig.start(sender);

    for expected in 0..130 {
        assert_eq!(client.number(&frames), expected);
    }
    rig.stop(2);
    let total = sent.snapshot();
    wait(&received, "all frames", |it| {
        it.snapshot().frames_complete == total.frames_sent
    });
    let mut receiver = rig.stop(1);
    let counted = received.snapshot();
    assert_eq!(counted.packets, total.packets);
    assert_eq!(counted.packets_accepted, total.packets);
    assert_eq!(
        (
            counted.packets_lost,
            counted.frames_incomplete,
            counted.frames_dropped_slow
        ),
        (0, 0, 0)
    );
    assert_eq!(total.waiting_for_arp, 0);
    let lender = receiver.lender_mut(client.memory.attachment()).unwrap();
    lender.settle(|_| {});
    assert_eq!(lender.loaned(), 0);
    assert_eq!(receiver.lenders().count(), 1);
}

pub(crate) fn session_stopped_and_started_then_goes_on_at_a_frame_boundary(rig: &mut Rig) {
    let (mut receiver, frames) = receive(3, 5005, 1);
    let (client, lender) = rig.client(3, &frames, AMPLE, false);
    receiver.attach(lender, None).unwrap();
    let stats = Arc::clone(receiver.stats());
    let mut receiver = Box::new(receiver);
    let mut sender = Box::new(send(4, 5005, FrameSource::Pattern));
    let mut next = 0;
    for round in 0..3 {
        rig.send(Command::Start(receiver));
        rig.send(Command::Start(sender));
        for _ in 0..10 {
            assert_eq!(client.number(&frames), next, "round {round}");
            next += 1;
        }
        sender = rig.stop(4);
        let sent = sender.stats().snapshot().frames_sent;
        wait(&stats, "what was sent", |it| {
            it.snapshot().frames_complete == sent
        });
        while next < sent {
            assert_eq!(
                client.number(&frames),
                next,
                "round {round}, after the stop"
            );
            next += 1;
        }
        receiver = rig.stop(3);
        let lender = receiver.lenders_mut().next().unwrap();
        lender.settle(|_| {});
        assert_eq!(lender.loaned(), 0);
    }
    assert_eq!(stats.snapshot().frames_incomplete, 0);
    assert_eq!(stats.snapshot().packets_lost, 0);
}

pub(crate) fn source_that_pauses_then_its_last_timing_is_published(rig: &mut Rig) {
    let (receiver, _frames) = receive(40, 5040, 1);
    let stats = Arc::clone(receiver.stats());
    rig.start(receiver);
    rig.start(send(41, 5040, FrameSource::Pattern));
    let held = RefCell::new(None);
    let look = |stats: &SessionStats| {
        let mut held = held.borrow_mut();
        stats.take_timing(&mut held);
        let monitor = held.as_deref();
        let monitor = monitor.and_then(|it| it.video());
        let is_judged = monitor.is_some_and(|it| it.last_second().is_some());
        (is_judged, monitor.map_or(0, |it| it.ended_ns()))
    };
    wait(&stats, "a verdict", |it| look(it).0);
    let (_, ended_ns) = look(&stats);
    let packets = stats.snapshot().packets;
    wait(&stats, "more packets", |it| {
        it.snapshot().packets > packets + 1_000
    });
    rig.stop(41);
    wait(&stats, "the rest", |it| look(it).1 > ended_ns);
    rig.stop(40);
}

/// The command to stop may come in the very turn in which packets of the session do.
pub(crate) fn session_stopped_under_packets_then_no_frame_leaks(rig: &mut Rig) {
    let (mut receiver, frames) = receive(12, 5012, 1);
    let (client, lender) = rig.client(12, &frames, AMPLE, false);
    receiver.attach(lender, None).unwrap();
    let stats = Arc::clone(receiver.stats());
    let mut receiver = Box::new(receiver);
    rig.start(send(13, 5012, FrameSource::Pattern));
    for _ in 0..300 {
        let before = stats.snapshot().packets;
        rig.send(Command::Start(receiver));
        wait(&stats, "packets", |it| it.snapshot().packets > before);
        receiver = rig.stop(12);
    }
    receiver.lenders_mut().next().unwrap().settle(|_| {});
    rig.send(Command::Start(receiver));
    for _ in 0..2 * AMPLE {
        let lease = client.get().unwrap();
        client.caller.put(lease).unwrap();
    }
    assert_eq!(stats.snapshot().frames_no_buffer, 0);
    rig.stop(12);
    rig.stop(13);
}

pub(crate) fn datagrams_malformed_then_counted_by_reason(rig: &mut Rig) {
    let (receiver, _frames) = receive(9, 5008, 1);
    let stats = Arc::clone(receiver.stats());
    rig.start(receiver);
    // Another payload type, and a raster that does not fit: nothing of it may pass.
    let wrong_type = SendConfig {
        payload_type: 97,
        ..send_config(5008, FrameSource::Pattern)
    };
    rig.start(Runtime::send(10, wrong_type).unwrap());
    wait(&stats, "bad payload type", |it| {
        reason(it, "bad_payload_type") > 0
    });
    rig.stop(10);
    let rate = FrameRate::new(60, 1).unwrap();
    let taller = VideoFormat::new(320, 400, Depth::Ten, rate).unwrap();
    let taller = SendConfig {
        format: taller.into(),
        ..send_config(5008, FrameSource::Pattern)
    };
    rig.start(Runtime::send(11, taller).unwrap());
    wait(&stats, "bad range", |it| reason(it, "bad_srd_range") > 0);
    rig.stop(11);
    rig.stop(9);
    let counted = stats.snapshot();
    let by_reason: u64 = stats.malformed().map(|(_, count)| count).sum();
    assert_eq!(by_reason, counted.packets_malformed);
    let others = counted.packets_accepted + counted.packets_late + counted.packets_duplicate;
    assert_eq!(
        counted.packets,
        by_reason + others + counted.packets_no_buffer
    );
    // No session listens any more: the port counts what still comes.
    rig.start(send(12, 5008, FrameSource::Pattern));
    let deadline = Instant::now() + TIMEOUT;
    while rig.plane.port_counters("b").unwrap().rx_no_session == 0 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    rig.stop(12);
}
