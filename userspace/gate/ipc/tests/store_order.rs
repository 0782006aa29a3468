//! The asymmetric barrier on the machine itself: a caller counts itself with plain stores and reads
//! the gate; the daemon closes the gate, executes the heavy fence and reads the count. If neither
//! sees the other, the fence is missing. The models prove that the protocol needs it; this test
//! proves that the product executes it.
#![cfg(not(feature = "loom"))]

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use onair_ipc::gate::{Gate, is_open};
use onair_ipc::kick::Kick;
use onair_ipc::slot::{Operation, Slot};
use onair_ipc::{membarrier, sync};

/// Most rounds and longest time: each round has a membarrier, and needs both cores at once.
const ROUNDS: u64 = 50_000;
const TIME: Duration = Duration::from_secs(4);
/// The tests take turns: run together they would miss their rendezvous.
static TURN: Mutex<()> = Mutex::new(());

/// A word alone in its line, as in the layout.
#[repr(align(64))]
struct Line<T>(T);

/// Synchronises both sides at round `n`, as closely as two cores can.
struct Meeting {
    ours: Line<AtomicU64>,
    theirs: Line<AtomicU64>,
}

impl Meeting {
    fn new() -> Self {
        let zero = || Line(AtomicU64::new(0));
        Self {
            ours: zero(),
            theirs: zero(),
        }
    }

    fn meet(mine: &AtomicU64, other: &AtomicU64, round: u64) {
        mine.store(round, Ordering::SeqCst);
        let mut spins = 0_u32;
        while other.load(Ordering::SeqCst) < round {
            spins += 1;
            // With fewer cores than threads the other thread needs this one.
            if spins.is_multiple_of(4096) {
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
    }
}

/// Rounds in which neither side saw the other, for `caller` against `daemon`.
fn missed(
    prepare: impl Fn() + Sync,
    caller: impl Fn() -> bool + Sync,
    daemon: impl Fn() -> bool + Sync,
) -> u64 {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let began = Instant::now();
    let over = AtomicBool::new(false);
    let meeting = Meeting::new();
    let saw = Line(AtomicU32::new(0));
    assert!(membarrier::register());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !over.load(Ordering::SeqCst) {
                round += 1;
                Meeting::meet(&meeting.theirs.0, &meeting.ours.0, 2 * round - 1);
                let seen = caller();
                saw.0.store(u32::from(seen), Ordering::SeqCst);
                Meeting::meet(&meeting.theirs.0, &meeting.ours.0, 2 * round);
            }
        });
        let mut missed = 0;
        for round in 1..=ROUNDS {
            prepare();
            Meeting::meet(&meeting.ours.0, &meeting.theirs.0, 2 * round - 1);
            let seen = daemon();
            let last = round == ROUNDS || began.elapsed() > TIME;
            over.store(last, Ordering::SeqCst);
            Meeting::meet(&meeting.ours.0, &meeting.theirs.0, 2 * round);
            missed += u64::from(!seen && saw.0.load(Ordering::SeqCst) == 0);
            if last {
                break;
            }
        }
        missed
    })
}

#[test]
fn stop_against_a_caller_that_enters_then_one_sees_the_other() {
    let gate = Line(Gate::closed());
    let slot = Slot::vacant();
    gate.0.start();
    let missed = missed(
        || {
            gate.0.start();
            while slot.read(0).count > 0 {
                slot.exit(true);
            }
        },
        || {
            slot.enter(Operation::Get, true);
            !is_open(gate.0.load())
        },
        || {
            gate.0.stop();
            sync::heavy();
            slot.read(0).count > 0
        },
    );
    assert_eq!(missed, 0, "a caller inside that the drain did not see");
}

#[test]
fn drain_against_a_caller_that_leaves_then_one_sees_the_other() {
    let kick = Line(Kick::unarmed());
    let slot = Slot::vacant();
    let missed = missed(
        || {
            kick.0.disarm();
            if slot.read(0).count == 0 {
                slot.enter(Operation::Get, true);
            }
        },
        || {
            slot.exit(true);
            kick.0.take(|| false)
        },
        || {
            kick.0.arm();
            sync::heavy();
            slot.read(0).count == 0
        },
    );
    assert_eq!(missed, 0, "a caller left, and the drain waits for it");
}

#[test]
fn callers_two_that_leave_at_once_then_one_of_them_kicks() {
    let kick = Line(Kick::unarmed());
    let slots = [Slot::vacant(), Slot::vacant()];
    let leave = |who: usize| {
        slots[who].exit(true);
        kick.0.take(|| slots[1 - who].read(0).count > 0)
    };
    let missed = missed(
        || {
            for slot in &slots {
                if slot.read(0).count == 0 {
                    slot.enter(Operation::Get, true);
                }
            }
            kick.0.arm();
        },
        || leave(0),
        || leave(1),
    );
    assert_eq!(missed, 0, "each left the kick to the other");
}
