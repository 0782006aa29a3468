//! I2: every caller that is blocked at a stop returns `EAGAIN` exactly once, whichever side stops,
//! also when the gate's generation wraps. There is no backstop: a lost wake-up is a deadlock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use onair_ipc::caller::{Deadline, Refusal};
use onair_ipc::frames::FrameMemory;
use onair_ipc::gate::Gate;
use onair_ipc::layout::{self, Geometry};
use onair_ipc::memory::AttachmentState;
use onair_ipc::scheduled::Mortal;
use onair_ipc::{scheduled, sys};
use shuttle::thread;

use crate::rig::Pair;
use crate::schedules::{below, dawdle, pair, schedules, spawn, wake_more};

const CALLERS: usize = 5;
const PULSES: usize = 3;

/// Waits until this many tasks sleep on futexes.
fn until_asleep(count: usize) {
    while scheduled::asleep().len() < count {
        thread::yield_now();
    }
}

/// Callers of frames and of events; the session or their own process pulses.
fn pulses(by_session: bool) {
    let frames = FrameMemory::create(Geometry::new(2, 100).unwrap(), true).unwrap();
    let pair = Arc::new(pair(below(2) as u64, &frames));
    // One pulse before its generation wraps.
    // SAFETY: no frame is borrowed.
    let gate: &Gate = unsafe { pair.client.words() }.at(layout::SEG_GATE);
    gate.word().store(u32::MAX - 2, Ordering::SeqCst);
    let seen: Arc<Vec<AtomicUsize>> = Arc::new((0..CALLERS).map(|_| AtomicUsize::new(0)).collect());
    let callers: Vec<_> = (0..CALLERS)
        .map(|i| {
            let (client, seen) = (pair.client.clone(), seen.clone());
            spawn(vec![], move || {
                loop {
                    // The last one polls events; some have a time-out, which never wins over a
                    // stop.
                    let deadline = match i % 2 {
                        0 => Deadline::Never,
                        _ => Deadline::At(sys::monotonic_ns() + 100),
                    };
                    let refused = if i + 1 == CALLERS {
                        client.poll_event(deadline).map(|_| ()).unwrap_err()
                    } else {
                        client.get(deadline).map(|_| ()).unwrap_err()
                    };
                    match refused {
                        Refusal::Again => {
                            seen[i].fetch_add(1, Ordering::SeqCst);
                            let _ = client.wait_started(Deadline::Never);
                        }
                        Refusal::Stale => return,
                        other => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    for pulse in 1..=PULSES {
        // All are in their calls, asleep or not: a stop must reach them.
        while pair.memory.users().len() < CALLERS {
            thread::yield_now();
        }
        if below(2) == 0 {
            until_asleep(CALLERS);
        }
        if by_session {
            pair.memory.stop();
            dawdle(20);
            if below(2) == 0 {
                // Timers fire between the stop and its wake-ups.
                scheduled::advance(100);
            }
            if below(2) == 0 {
                pair.memory.start();
                wake_more(&pair.memory);
            } else {
                wake_more(&pair.memory);
                dawdle(40);
                pair.memory.start();
            }
        } else {
            pair.client.stop();
            dawdle(40);
            pair.client.start();
        }
        while !seen.iter().all(|seen| seen.load(Ordering::SeqCst) >= pulse) {
            thread::yield_now();
        }
        for seen in seen.iter() {
            assert_eq!(seen.load(Ordering::SeqCst), pulse, "once for each stop");
        }
    }
    end(&pair);
    for caller in callers {
        caller.join().unwrap();
    }
}

/// The session ends: every call returns `ESTALE`.
fn end(pair: &Pair) {
    pair.memory.set_state(AttachmentState::Gone);
    pair.memory.stop();
    wake_more(&pair.memory);
}

#[test]
fn session_pulses_for_callers_then_each_returns_again_once() {
    schedules(1500, || pulses(true));
}

#[test]
fn local_pulses_for_callers_then_each_returns_again_once() {
    schedules(1500, || pulses(false));
}

/// Both gates at once: `EAGAIN` at least once, at most once for each stop, and never a time-out.
#[test]
fn both_gates_pulsed_at_once_then_again_and_no_caller_sleeps_on() {
    schedules(1500, || {
        let frames = FrameMemory::create(Geometry::new(2, 100).unwrap(), true).unwrap();
        let pair = Arc::new(pair(below(2) as u64, &frames));
        let over = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> = (0..CALLERS)
            .map(|i| {
                let (client, over) = (pair.client.clone(), over.clone());
                spawn(vec![], move || {
                    let mut agains = 0;
                    loop {
                        let until = if i % 2 == 0 {
                            Deadline::Never
                        } else {
                            Deadline::At(500)
                        };
                        match client.get(until) {
                            Err(Refusal::Again) => {
                                agains += 1;
                                let _ = client.wait_started(Deadline::Never);
                            }
                            Err(Refusal::TimedOut) => {
                                assert_eq!(until, Deadline::At(500));
                                if over.load(Ordering::SeqCst) {
                                    return agains;
                                }
                                thread::yield_now();
                            }
                            Err(Refusal::Stale) => return agains,
                            other => panic!("{other:?}"),
                        }
                    }
                })
            })
            .collect();
        let local = {
            let client = pair.client.clone();
            spawn(vec![], move || {
                dawdle(60);
                client.stop();
                dawdle(60);
                client.start();
            })
        };
        let timer = spawn(vec![], || {
            dawdle(120);
            scheduled::advance(1000);
        });
        until_asleep(1);
        pair.memory.stop();
        dawdle(60);
        pair.memory.start();
        wake_more(&pair.memory);
        local.join().unwrap();
        timer.join().unwrap();
        // All have returned to sleep, or have timed out, before the end.
        dawdle(200);
        over.store(true, Ordering::SeqCst);
        end(&pair);
        for caller in callers {
            assert!(caller.join().unwrap().unwrap() <= 2, "once for each stop");
        }
    });
}

/// The one that the daemon wakes wakes the others, unless it dies first: then its exit does.
#[test]
fn callers_that_wait_for_a_start_and_one_dies_then_rest_return() {
    schedules(3000, || {
        let frames = FrameMemory::create(Geometry::new(2, 100).unwrap(), true).unwrap();
        let pair = Arc::new(pair(below(2) as u64, &frames));
        pair.memory.stop();
        let mortal = Mortal::default();
        let mut mortals = vec![mortal.clone()];
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let client = pair.client.clone();
                let wait = move || client.wait_started(Deadline::Never);
                spawn(std::mem::take(&mut mortals), wait)
            })
            .collect();
        let reaper = {
            let memory = pair.memory.clone();
            spawn(vec![], move || {
                dawdle(80);
                mortal.kill();
                memory.thread_ended();
            })
        };
        dawdle(60);
        pair.memory.start();
        for caller in callers {
            // None: it was killed.
            assert!(matches!(caller.join().unwrap(), None | Some(Ok(()))));
        }
        reaper.join().unwrap();
    });
}
