//! L1: no caller sleeps beside a ready frame, and no caller sleeps on after the daemon's death.

use onair_ipc::caller::{Deadline, Refusal};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_ipc::lender::Lender;
use onair_ipc::memory::AttachmentState;
use onair_ipc::meta::FrameMeta;
use onair_ipc::{life, scheduled, sys};
use shuttle::thread;

use crate::schedules::{below, dawdle, pair, schedules, spawn, wake_more};

const CALLERS: usize = 4;
const FRAMES: u32 = 3;
const ROUNDS: u32 = 5;

/// Every loaned frame comes back, whichever caller sleeps, times out or is late.
#[test]
fn frames_loaned_one_by_one_to_sleepers_then_each_is_taken() {
    schedules(1500, || {
        let frames = FrameMemory::create(Geometry::new(FRAMES, 100).unwrap(), true).unwrap();
        let pair = pair(below(2) as u64, &frames);
        // A single caller has no other that takes what it missed.
        let count = 1 + below(CALLERS);
        let callers: Vec<_> = (0..count)
            .map(|i| {
                let client = pair.client.clone();
                spawn(vec![], move || {
                    let mut late = false;
                    loop {
                        // One of them has a time-out, once.
                        let deadline = if i == 0 && !late {
                            Deadline::At(100)
                        } else {
                            Deadline::Never
                        };
                        match client.get(deadline) {
                            Ok(lease) => client.put(lease).unwrap(),
                            // It does not come back: another must take the frame that it was woken
                            // for.
                            Err(Refusal::TimedOut) if count > 1 && below(2) == 0 => return,
                            Err(Refusal::TimedOut) => late = true,
                            Err(Refusal::Stale) => return,
                            Err(other) => panic!("{other:?}"),
                        }
                    }
                })
            })
            .collect();
        let timer = spawn(vec![], || {
            dawdle(150);
            scheduled::advance(200);
        });
        let mut lender = Lender::new(pair.memory.clone(), FRAMES);
        for _ in 0..ROUNDS {
            for frame in 0..1 + u32::try_from(below(2)).unwrap() {
                lender.publish(frame, &FrameMeta::default()).unwrap();
            }
            let mut looks = 0;
            while lender.loaned() > 0 {
                lender.reap(|_| ());
                looks += 1;
                assert!(looks < 20_000, "L1: asleep beside a ready frame");
                thread::yield_now();
            }
        }
        timer.join().unwrap();
        pair.memory.set_state(AttachmentState::Gone);
        pair.memory.stop();
        wake_more(&pair.memory);
        for caller in callers {
            caller.join().unwrap();
        }
    });
}

/// The kernel wakes one caller; each wakes the others, whatever it sleeps for.
#[test]
fn daemon_dies_then_each_caller_wakes_and_is_told() {
    schedules(1000, || {
        let frames = FrameMemory::create(Geometry::new(FRAMES, 100).unwrap(), true).unwrap();
        let pair = pair(below(2) as u64, &frames);
        let stopped = below(2) == 0;
        if stopped {
            pair.memory.stop();
        }
        let callers: Vec<_> = (0..CALLERS)
            .map(|i| {
                let client = pair.client.clone();
                spawn(vec![], move || match (stopped, i % 2) {
                    (true, _) => client.wait_started(Deadline::Never).unwrap_err(),
                    (false, 0) => client.get(Deadline::Never).map(|_| ()).unwrap_err(),
                    (false, _) => client.poll_event(Deadline::Never).map(|_| ()).unwrap_err(),
                })
            })
            .collect();
        dawdle(100);
        life::daemon_dies(&pair.memory);
        for caller in callers {
            assert_eq!(caller.join().unwrap(), Some(Refusal::Stale));
        }
        assert_eq!(sys::monotonic_ns(), 1, "no backstop");
    });
}
