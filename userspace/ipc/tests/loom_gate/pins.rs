//! Pins: memory that a guard borrows is released only after the guard's last read, and by exactly
//! one thread. SYNC: pin, deferred, light-heavy.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering, fence};
use loom::thread;
use onair_ipc::gate::{Gate, is_open};
use onair_ipc::pins::{End, Pins};
use onair_ipc::slot::{Operation, Slot};
use onair_ipc::sync::heavy;

use crate::harness::{Protected, UNORDERED, beside, holds, mutants};

const KEPT: &str = "the memory is kept, and nothing borrows from it";

/// An attachment, on the client's side.
struct Attachment {
    pins: Pins,
    slot: Slot,
    /// The session's gate; closed for good when `ctl` is replaced.
    gate: Gate,
    contents: Protected,
}

impl Attachment {
    fn new() -> Self {
        let gate = Gate::closed();
        gate.start();
        Self {
            pins: Pins::new(1),
            slot: Slot::vacant(),
            gate,
            contents: Protected::new(),
        }
    }

    fn end_look(&self) {
        let Some(end) = self.pins.deferred() else {
            return;
        };
        let callers = || {
            heavy();
            self.slot.read(0).count
        };
        if self.pins.may_let_go(callers) && self.pins.let_go(end) {
            self.contents.write();
        }
    }

    fn leave(&self) {
        self.gate.stop();
        self.pins.defer(End::ByHand);
        self.end_look();
    }

    /// A call that takes the frame, if it passes the gate.
    fn take(&self) -> bool {
        self.slot.enter(Operation::Get, true);
        let passed = is_open(self.gate.load());
        if passed {
            self.pins.pin(0);
        }
        self.slot.exit(true);
        self.end_look();
        passed
    }

    /// A guard's end.
    fn drop_guard(&self) {
        self.contents.read();
        self.pins.unpin(0, true);
        self.end_look();
    }
}

#[test]
fn leave_against_a_dropped_guard_then_released_after_its_read() {
    holds(|| {
        let shared = Attachment::new();
        shared.pins.pin(0);
        let shared = beside(shared, Attachment::drop_guard, Attachment::leave);
        assert_eq!(shared.pins.deferred(), None, "{KEPT}");
    });
}

#[test]
fn leave_against_a_taking_call_then_released_after_its_read() {
    holds(|| {
        let caller = |shared: &Attachment| {
            if shared.take() {
                shared.drop_guard();
            }
        };
        let shared = beside(Attachment::new(), caller, Attachment::leave);
        assert_eq!(shared.pins.deferred(), None, "{KEPT}");
    });
}

#[test]
fn guards_two_dropped_after_the_end_then_one_lets_go() {
    holds(|| {
        let shared = Attachment {
            pins: Pins::new(2),
            ..Attachment::new()
        };
        shared.pins.pin(0);
        shared.pins.pin(1);
        shared.leave();
        let second = |shared: &Attachment| {
            shared.contents.read();
            shared.pins.unpin(1, true);
            shared.end_look();
        };
        let shared = beside(shared, second, Attachment::drop_guard);
        assert_eq!(shared.pins.deferred(), None, "{KEPT}");
    });
}

/// The count of callers has its own fence, which would hide a missing one of the pin.
#[test]
fn leave_counts_no_callers_then_the_pin_orders_the_last_read() {
    holds(|| {
        let shared = Attachment::new();
        shared.pins.pin(0);
        let shared = beside(shared, Attachment::drop_guard, |shared| {
            shared.pins.defer(End::ByHand);
            if shared.pins.may_let_go(|| 0) && shared.pins.let_go(End::ByHand) {
                shared.contents.write();
            }
        });
        assert_eq!(shared.pins.deferred(), None, "{KEPT}");
    });
}

/// The fault of a copy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spoiled {
    Nothing,
    UnpinRelaxed,
    NoFenceAfterUnpin,
    PinsReadRelaxed,
    NoFenceBeforeLook,
    PinAfterLeave,
    OneLookAtPins,
    UnpinAfterPut,
    DeferBeforeGate,
}

/// The same on words whose orderings a test can weaken: pin, count, gate, deferred.
struct Copy {
    spoiled: Spoiled,
    pin: AtomicU32,
    count: AtomicU32,
    gate: AtomicU32,
    deferred: AtomicU32,
    /// The frame word: 1 while a guard holds the frame.
    word: AtomicU32,
    contents: Protected,
}

impl Copy {
    fn new(spoiled: Spoiled) -> Self {
        Self {
            spoiled,
            pin: AtomicU32::new(0),
            count: AtomicU32::new(0),
            gate: AtomicU32::new(1),
            deferred: AtomicU32::new(0),
            word: AtomicU32::new(0),
            contents: Protected::new(),
        }
    }

    fn is(&self, spoiled: Spoiled) -> bool {
        self.spoiled == spoiled
    }

    fn is_pinned(&self) -> bool {
        let order = if self.is(Spoiled::PinsReadRelaxed) {
            Ordering::Relaxed
        } else {
            Ordering::Acquire
        };
        self.pin.load(order) != 0
    }

    fn end_look(&self) {
        if self.deferred.load(Ordering::Acquire) != 1 {
            return;
        }
        if !self.is(Spoiled::NoFenceBeforeLook) {
            fence(Ordering::SeqCst);
        }
        let free = !self.is_pinned()
            && self.count.load(Ordering::Acquire) == 0
            && (self.is(Spoiled::OneLookAtPins) || !self.is_pinned());
        let claims = || {
            self.deferred
                .compare_exchange(1, 2, Ordering::AcqRel, Ordering::Relaxed)
        };
        if free && claims().is_ok() {
            self.contents.write();
        }
    }

    fn leave(&self) {
        let defer = || {
            let _ = self
                .deferred
                .compare_exchange(0, 1, Ordering::SeqCst, Ordering::Relaxed);
        };
        if self.is(Spoiled::DeferBeforeGate) {
            defer();
        }
        self.gate.store(0, Ordering::SeqCst);
        defer();
        self.end_look();
    }

    /// A call that takes the frame, if it passes the gate and no guard holds it. The daemon's
    /// credit and its next loan are one step with the take.
    fn take(&self) -> bool {
        self.count.store(1, Ordering::Release);
        fence(Ordering::SeqCst);
        let wins = || {
            let won = self
                .word
                .compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed);
            won.is_ok()
        };
        let passed = self.gate.load(Ordering::Acquire) == 1 && wins();
        if passed && !self.is(Spoiled::PinAfterLeave) {
            self.pin.store(1, Ordering::Relaxed);
        }
        self.count.store(0, Ordering::Release);
        if passed && self.is(Spoiled::PinAfterLeave) {
            self.pin.store(1, Ordering::Relaxed);
        }
        fence(Ordering::SeqCst);
        self.end_look();
        passed
    }

    fn drop_guard(&self) {
        self.contents.read();
        let late = self.is(Spoiled::UnpinAfterPut);
        if late {
            self.word.store(0, Ordering::Release);
        }
        let order = if self.is(Spoiled::UnpinRelaxed) {
            Ordering::Relaxed
        } else {
            Ordering::Release
        };
        self.pin.store(0, order);
        if !self.is(Spoiled::NoFenceAfterUnpin) {
            fence(Ordering::SeqCst);
        }
        if !late {
            self.word.store(0, Ordering::Release);
        }
        self.end_look();
    }

    fn take_and_drop(&self) {
        if self.take() {
            self.drop_guard();
        }
    }
}

fn guard_against_leave(spoiled: Spoiled) {
    let shared = Copy::new(spoiled);
    shared.pin.store(1, Ordering::Relaxed);
    let shared = beside(shared, Copy::drop_guard, Copy::leave);
    assert_eq!(shared.deferred.load(Ordering::Acquire), 2, "{KEPT}");
}

fn call_against_leave(spoiled: Spoiled) {
    let shared = beside(Copy::new(spoiled), Copy::take_and_drop, Copy::leave);
    assert_eq!(shared.deferred.load(Ordering::Acquire), 2, "{KEPT}");
}

/// A guard returns its frame, and a call takes the next loan of it.
fn two_guards_against_leave(spoiled: Spoiled) {
    let shared = Copy::new(spoiled);
    shared.pin.store(1, Ordering::Relaxed);
    shared.word.store(1, Ordering::Relaxed);
    let shared = Arc::new(shared);
    let [first, second] = [Arc::clone(&shared), Arc::clone(&shared)];
    let guard = thread::spawn(move || first.drop_guard());
    let caller = thread::spawn(move || second.take_and_drop());
    shared.leave();
    guard.join().expect("the guard ends");
    caller.join().expect("the caller ends");
    assert_eq!(shared.deferred.load(Ordering::Acquire), 2, "{KEPT}");
}

#[test]
fn leave_copies_then_hold() {
    holds(|| guard_against_leave(Spoiled::Nothing));
    holds(|| call_against_leave(Spoiled::Nothing));
    holds(|| two_guards_against_leave(Spoiled::Nothing));
}

mutants! {
    leave_mutant_unpin_relaxed_then_caught: guard_against_leave(Spoiled::UnpinRelaxed) => UNORDERED;
    leave_mutant_pins_read_relaxed_then_caught:
        guard_against_leave(Spoiled::PinsReadRelaxed) => UNORDERED;
    leave_mutant_no_fence_after_unpin_then_caught:
        guard_against_leave(Spoiled::NoFenceAfterUnpin) => KEPT;
    leave_mutant_no_fence_before_look_then_caught:
        guard_against_leave(Spoiled::NoFenceBeforeLook) => KEPT;
    leave_mutant_pin_after_leave_then_caught: call_against_leave(Spoiled::PinAfterLeave) => UNORDERED;
    leave_mutant_one_look_at_pins_then_caught:
        call_against_leave(Spoiled::OneLookAtPins) => UNORDERED;
    leave_mutant_unpin_after_put_then_caught:
        two_guards_against_leave(Spoiled::UnpinAfterPut) => UNORDERED;
    leave_mutant_defer_before_gate_then_caught:
        two_guards_against_leave(Spoiled::DeferBeforeGate) => UNORDERED;
}
