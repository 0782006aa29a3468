//! The event ring, overwritten while a client reads it: each event complete, in order, at most
//! once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use onair_ipc::caller::{Deadline, Refusal};
use onair_ipc::event::EventKind;
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::{EVENTS, Geometry};
use onair_ipc::memory::AttachmentState;

use crate::schedules::{dawdle, pair, schedules, spawn, wake_more};

#[test]
fn events_more_than_the_ring_holds_then_in_order_and_last_seen() {
    schedules(800, || {
        let frames = FrameMemory::create(Geometry::new(2, 100).unwrap(), true).unwrap();
        let pair = pair(2, &frames);
        let newest = Arc::new(AtomicU64::new(0));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (client, newest) = (pair.client.clone(), newest.clone());
                spawn(vec![], move || {
                    let mut last = 0;
                    loop {
                        match client.poll_event(Deadline::Never) {
                            Ok(event) => {
                                assert!(event.sequence > last, "in order, at most once");
                                assert_eq!(event.argument, event.sequence * 3, "whole");
                                assert_eq!(event.kind, EventKind::Other(event.sequence + 100));
                                last = event.sequence;
                                newest.fetch_max(last, Ordering::SeqCst);
                            }
                            Err(Refusal::Stale) => return,
                            Err(other) => panic!("{other:?}"),
                        }
                    }
                })
            })
            .collect();
        let count = EVENTS as u64 + 10;
        for sequence in 1..=count {
            pair.memory
                .notify(EventKind::Other(sequence + 100), sequence * 3);
            if sequence % 32 == 0 {
                dawdle(300);
            }
        }
        while newest.load(Ordering::SeqCst) < count {
            shuttle::thread::yield_now();
        }
        pair.memory.set_state(AttachmentState::Gone);
        pair.memory.stop();
        wake_more(&pair.memory);
        for reader in readers {
            reader.join().unwrap();
        }
    });
}
