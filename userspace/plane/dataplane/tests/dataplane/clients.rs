//! Clients that are slow, evicted, or lose a thread.

use std::sync::Arc;

use onair_dataplane::{Command, FrameSource, PollerEvent};
use onair_essence::video::pattern::verify;
use onair_ipc::caller::{RawLease, Refusal};
use onair_session::Runtime as _;

use crate::rig::{AMPLE, Client, QUOTA, Rig, format, receive, receive_into, send};

pub(crate) fn slow_consumer_takes_nothing_then_only_its_own_frames_drop(rig: &mut Rig) {
    let (receiver, frames) = receive(5, 5006, 2);
    let stats = Arc::clone(receiver.stats());
    let (quick, quick_lender) = rig.client(5, &frames, AMPLE, false);
    let (slow, slow_lender) = rig.client(5, &frames, QUOTA, false);
    rig.start(receiver);
    for lender in [quick_lender, slow_lender] {
        rig.attach(5, lender, None);
    }
    rig.start(send(6, 5006, FrameSource::Pattern));

    // Takes its whole quota and holds it: what it holds must not change under it.
    let held: Vec<_> = (0..QUOTA).map(|_| slow.get().unwrap()).collect();
    let first = quick.number(&frames);
    for expected in first + 1..first + 60 {
        assert_eq!(quick.number(&frames), expected);
    }
    let slow_counts = stats.attachment(slow.memory.attachment()).unwrap();
    let quick_counts = stats.attachment(quick.memory.attachment()).unwrap();
    assert!(slow_counts.frames_dropped_slow >= 30, "{slow_counts:?}");
    assert_eq!(quick_counts.frames_dropped_slow, 0);
    for lease in held {
        let mut bytes = vec![0; format().frame_bytes()];
        frames.read(lease.frame(), 0, &mut bytes);
        verify(&bytes).unwrap();
        slow.caller.put(lease).unwrap();
    }
    // Takes nothing now: it finds the newest frames, not those from when it stopped taking.
    let mut seen = 0;
    for _ in 0..30 {
        seen = quick.number(&frames);
    }
    assert!(slow.number(&frames) + u64::from(QUOTA) + 1 >= seen);

    rig.send(Command::Detach {
        session: 5,
        attachment: slow.memory.attachment(),
    });
    let lender = rig.lender_back(5);
    assert_eq!(lender.attachment(), slow.memory.attachment());
    quick.number(&frames);
    rig.stop(6);
    assert_eq!(rig.stop(5).lenders().count(), 1);
}

pub(crate) fn reader_evicted_with_frames_then_written_only_once_released(rig: &mut Rig) {
    let (receiver, frames) = receive_into(15, 5015, 2, 2 + 2 * QUOTA);
    let (quick, quick_lender) = rig.client(15, &frames, QUOTA, false);
    let (victim, victim_lender) = rig.client(15, &frames, QUOTA, false);
    let number = victim.memory.attachment();
    rig.start(receiver);
    for lender in [quick_lender, victim_lender] {
        rig.attach(15, lender, None);
    }
    rig.start(send(16, 5015, FrameSource::Pattern));
    let picture = |lease: &RawLease| {
        let mut bytes = vec![0; format().frame_bytes()];
        frames.read(lease.frame(), 0, &mut bytes);
        verify(&bytes).unwrap()
    };
    let held: Vec<_> = (0..QUOTA - 1)
        .map(|_| victim.get().unwrap().into_raw())
        .collect();
    let numbers: Vec<u64> = held.iter().map(picture).collect();
    rig.send(Command::Evict {
        session: 15,
        attachment: number,
    });
    let evicted = rig.event("evicted", |event| match event {
        PollerEvent::Evicted {
            session: 15,
            evicted,
        } => Ok(evicted),
        other => Err(other),
    });
    assert_eq!(evicted.lender.attachment(), number);
    assert_eq!(evicted.lender.loaned(), 0);
    assert_eq!(evicted.set_aside, u64::from(QUOTA - 1));
    assert!(evicted.revoked >= evicted.set_aside);
    assert_eq!(held[0].put(&victim.caller), Err(Refusal::Stale));
    // Each frame of the memory is used more than once, but for those.
    for _ in 0..2 * frames.count() {
        quick.number(&frames);
    }
    assert_eq!(held.iter().map(picture).collect::<Vec<_>>(), numbers);

    rig.send(Command::Release {
        session: 15,
        attachment: number,
    });
    for _ in 0..2 * frames.count() {
        quick.number(&frames);
    }
    let reused = held.iter().map(|lease| {
        let mut bytes = vec![0; format().frame_bytes()];
        frames.read(lease.frame(), 0, &mut bytes);
        verify(&bytes).ok()
    });
    assert!(reused.zip(&numbers).all(|(now, then)| now != Some(*then)));
    rig.stop(16);
    let mut runtime = rig.stop(15);
    // With the control thread it is the same, and what no client took is used at once.
    let number = quick.memory.attachment();
    runtime.lender_mut(number).unwrap().settle(|_| {});
    let evicted = runtime.evict(number).unwrap();
    assert_eq!((evicted.revoked, evicted.set_aside), (0, 0));
    assert!(runtime.evict(number).is_none());
    assert_eq!(runtime.lenders().count(), 0);
}

pub(crate) fn thread_dead_in_a_running_session_then_credited_once(rig: &mut Rig) {
    let credited = |rig: &mut Rig, ticket: u64| {
        rig.event("credited", |event| match event {
            PollerEvent::ThreadCredited {
                ticket: of, frames, ..
            } if of == ticket => Ok(frames),
            other => Err(other),
        })
    };
    let (receiver, frames) = receive(24, 5024, 1);
    let (client, lender) = rig.client(24, &frames, AMPLE, false);
    let attachment = client.memory.attachment();
    rig.start(receiver);
    rig.attach(24, lender, None);
    rig.start(send(25, 5024, FrameSource::Pattern));
    // Played: the thread that took the frame lives, and is told of as dead.
    let dead = |client: &Client| {
        let slot = client.get().unwrap().slot();
        let slots = client.memory.slots();
        *slots.iter().find(|it| it.index == slot).unwrap()
    };
    let request = |ticket, slot| Command::CreditThread {
        session: 24,
        attachment,
        ticket,
        slot,
    };
    let slot = dead(&client);
    rig.send(request(1, slot));
    rig.send(request(2, slot));
    assert_eq!(credited(rig, 1), Some(1));
    assert_eq!(credited(rig, 2), Some(0), "once");
    // A death or a detach overtakes it, or is overtaken.
    let slot = dead(&client);
    rig.send(Command::Detach {
        session: 24,
        attachment,
    });
    rig.send(request(3, slot));
    let mut lender = rig.lender_back(24);
    let by_poller = credited(rig, 3);
    lender.settle(|_| ());
    let rest = lender.credit_dead_process().len() as u64;
    assert_eq!(by_poller.unwrap_or(0) + rest, 1, "{by_poller:?}");
    rig.send(request(4, slot));
    assert_eq!(credited(rig, 4), None, "the lender is not there");
    rig.stop(25);
    rig.stop(24);
    rig.send(request(5, slot));
    assert_eq!(credited(rig, 5), None, "nor is the session");
}
