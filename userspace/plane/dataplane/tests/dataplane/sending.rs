//! Frames of clients to the wire.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use onair_dataplane::{Command, FrameSource, PollerEvent, Runtime, SendConfig};
use onair_essence::video::pattern::PatternWriter;
use onair_ipc::caller::Lease;
use onair_ipc::frames::FrameMemory;
use onair_session::{FlushReport, Runtime as _};

use crate::rig::{
    AMPLE, QUOTA, Rig, TIMEOUT, flushed, format, geometry, receive, send, send_config, wait,
};

pub(crate) fn client_source_submits_then_sent_in_order_and_gaps_counted(rig: &mut Rig) {
    let (mut receiver, frames) = receive(7, 5007, 1);
    let (reader, lender) = rig.client(7, &frames, AMPLE, false);
    receiver.attach(lender, None).unwrap();
    rig.start(receiver);
    let sender = send(8, 5007, FrameSource::Client);
    let stats = Arc::clone(sender.stats());
    rig.start(sender);
    let own = FrameMemory::create(geometry(QUOTA + 1), false).unwrap();
    let (writer, lender) = rig.client(8, &own, QUOTA, true);
    rig.attach(8, lender, Some(own.clone()));

    let mut pattern = PatternWriter::new(&format()).unwrap();
    let mut submit = |number: u64, leases: Vec<Lease>| {
        for (number, lease) in (number..).zip(leases) {
            let mut bytes = vec![0; format().frame_bytes()];
            pattern.start(number);
            pattern.fill(&mut bytes);
            own.write(lease.frame(), 0, &bytes);
            writer.caller.submit(lease).unwrap();
        }
    };
    wait(&stats, "underruns", |it| it.snapshot().underruns >= 3);
    assert_eq!(stats.snapshot().packets, 0);
    for number in 0..40 {
        let lease = writer.get().unwrap();
        submit(number, vec![lease]);
    }
    // Out of order by frame, in order by submission.
    let mut leases: Vec<_> = (0..QUOTA).map(|_| writer.get().unwrap()).collect();
    leases.reverse();
    submit(40, leases);
    rig.send(Command::Flush {
        session: 8,
        ticket: 5,
    });
    let flush = flushed(rig, 8);
    assert_eq!(stats.snapshot().frames_sent, 43);
    assert_eq!((flush.ticket, flush.dropped), (5, 0));
    assert!(flush.sent <= 43, "{flush:?}");
    rig.send(Command::Flush {
        session: 8,
        ticket: 6,
    });
    let nothing = flushed(rig, 8);
    assert_eq!((nothing.ticket, nothing.sent, nothing.dropped), (6, 0, 0));

    let mut leases: Vec<_> = (0..QUOTA).map(|_| writer.get().unwrap()).collect();
    leases.reverse();
    submit(43, leases);
    // What was submitted is sent also when the client leaves at once.
    rig.send(Command::Detach {
        session: 8,
        attachment: writer.memory.attachment(),
    });
    for expected in 0..43 + u64::from(QUOTA) {
        assert_eq!(reader.number(&frames), expected);
    }
    let lender = rig.event("lender back", |event| match event {
        PollerEvent::LenderBack {
            session: 8,
            lender,
            frames: Some(_),
            ..
        } => Ok(lender),
        other => Err(other),
    });
    assert_eq!(lender.attachment(), writer.memory.attachment());
    rig.stop(8);
    rig.stop(7);
    let counted = stats.snapshot();
    assert_eq!((counted.frames_sent, counted.frames_submitted), (46, 46));
    assert_eq!(
        (counted.frames_dropped_stop, counted.frames_dropped_detached),
        (0, 0)
    );
}

pub(crate) fn client_source_flushed_without_sending_then_told_of_the_drop(rig: &mut Rig) {
    // No station has that address.
    let config = send_config(5026, FrameSource::Client);
    let absent = SocketAddr::from(([10, 9, 0, 78], 5026));
    let config = SendConfig {
        destination: absent,
        ..config
    };
    rig.start(Runtime::send(26, config).unwrap());
    let own = FrameMemory::create(geometry(QUOTA + 1), false).unwrap();
    let attach = |rig: &mut Rig| {
        let (writer, lender) = rig.client(26, &own, QUOTA, true);
        rig.attach(26, lender, Some(own.clone()));
        for _ in 0..QUOTA {
            let lease = writer.get().unwrap();
            writer.caller.submit(lease).unwrap();
        }
        writer
    };
    let dropped = |ticket| FlushReport {
        ticket,
        sent: 0,
        dropped: u64::from(QUOTA),
    };
    let flush = |ticket| Command::Flush {
        session: 26,
        ticket,
    };

    let writer = attach(rig);
    rig.send(flush(1));
    rig.send(Command::Evict {
        session: 26,
        attachment: writer.memory.attachment(),
    });
    assert_eq!(flushed(rig, 26), dropped(1), "by an eviction");
    let _writer = attach(rig);
    rig.send(flush(2));
    let runtime = rig.stop(26);
    assert_eq!(runtime.unsent(), 0);
    assert_eq!(flushed(rig, 26), dropped(2), "by a stop");
    rig.send(flush(3));
}

pub(crate) fn sender_without_an_arp_answer_then_silent_and_handed_back(rig: &mut Rig) {
    let absent = SocketAddr::from(([10, 9, 0, 77], 5004));
    let config = SendConfig {
        destination: absent,
        ..send_config(0, FrameSource::Pattern)
    };
    let runtime = Runtime::send(13, config).unwrap();
    let stats = Arc::clone(runtime.stats());
    let asked = rig.plane.port_counters("a").unwrap().arp_sent;
    rig.start(runtime);
    wait(&stats, "waiting for ARP", |it| {
        it.snapshot().waiting_for_arp == 1
    });
    let deadline = Instant::now() + TIMEOUT;
    while rig.plane.port_counters("a").unwrap().arp_sent < asked + 3 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    rig.stop(13);
    assert_eq!(stats.snapshot().packets, 0);
}
