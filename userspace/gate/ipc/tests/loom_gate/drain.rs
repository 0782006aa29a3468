//! Gate and slot: the daemon destroys nothing under a caller that passed the gate.
//!
//! The caller counts itself and then reads the gate; the drain closes the gate and then reads the
//! count. SYNC: light-heavy (one of them sees the other), the release of the count (the caller's
//! last access is before the destruction), ack (the same for a caller that bounces again and
//! again).

use loom::sync::Arc;
use loom::thread;
use onair_ipc::gate::{Gate, is_open};
use onair_ipc::slot::{Operation, Slot};
use onair_ipc::sync::heavy;

use crate::harness::{Protected, UNORDERED, holds, mutants};

/// The crate's words.
struct Real {
    gate: Gate,
    slot: Slot,
    plain: bool,
    shared: bool,
}

impl Real {
    fn open(plain: bool, shared: bool) -> Self {
        let gate = Gate::closed();
        gate.start();
        Self {
            gate,
            slot: Slot::vacant(),
            plain,
            shared,
        }
    }

    /// A thread's own slot, with plain counts.
    fn plain() -> Self {
        Self::open(true, false)
    }

    /// A thread's own slot, in a process without membarrier.
    fn locked() -> Self {
        Self::open(false, false)
    }

    /// The slot of the threads that found no free one.
    fn shared() -> Self {
        Self::open(false, true)
    }
}

/// The steps of `docs/gate.md`.
impl Real {
    /// enter: returns whether the gate was open; bounces and acknowledges otherwise.
    fn enter(&self) -> bool {
        self.slot.enter(Operation::Get, self.plain);
        let gate = self.gate.load();
        if is_open(gate) {
            return true;
        }
        if !self.shared {
            self.slot.acknowledge(gate);
        }
        self.leave();
        false
    }

    /// leave.
    fn leave(&self) {
        self.slot.exit(self.plain);
    }

    /// stop, up to the event counts.
    fn stop(&self) {
        self.gate.stop();
    }

    /// drain: the scan, from the heavy fence on.
    fn sees_user(&self) -> bool {
        heavy();
        self.slot.read(0).is_user(self.gate.load(), self.shared)
    }
}

/// `callers` threads make `calls` calls each while the session is stopped and destroyed.
fn destroy_under(words: Real, callers: usize, calls: usize) {
    let words = Arc::new((words, Protected::new()));
    let callers = (0..callers).map(|_| {
        let client = Arc::clone(&words);
        thread::spawn(move || {
            let (words, memory) = &*client;
            for _ in 0..calls {
                if words.enter() {
                    memory.read();
                    words.leave();
                }
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    let (daemon, memory) = &*words;
    daemon.stop();
    if !daemon.sees_user() {
        memory.write();
    }
    for caller in callers {
        caller.join().expect("the caller returns");
    }
}

#[test]
fn drain_plain_count_then_never_under_a_caller() {
    holds(|| destroy_under(Real::plain(), 1, 1));
}

#[test]
fn drain_locked_count_then_never_under_a_caller() {
    holds(|| destroy_under(Real::locked(), 1, 1));
}

#[test]
fn drain_two_callers_in_the_shared_slot_then_never_under_either() {
    holds(|| destroy_under(Real::shared(), 2, 1));
}

#[test]
fn drain_caller_bounces_after_a_call_then_its_ack_is_enough() {
    holds(|| destroy_under(Real::plain(), 1, 2));
}

mutants! {
    drain_mutant_no_light_fence_then_caught by "enter: no light fence":
        destroy_under(Real::plain(), 1, 1) => UNORDERED;
    drain_mutant_leave_relaxed_then_caught by "leave: relaxed":
        destroy_under(Real::plain(), 1, 1) => UNORDERED;
    drain_mutant_scan_relaxed_then_caught by "slots: relaxed":
        destroy_under(Real::plain(), 1, 1) => UNORDERED;
    drain_mutant_ack_read_relaxed_then_caught by "slots: the acknowledgement relaxed":
        destroy_under(Real::plain(), 1, 2) => UNORDERED;
}
