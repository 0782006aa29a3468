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

/// The order of the client's steps: the right one, or a wrong one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Right,
    PinAfterLeave,
    UnpinAfterPut,
    DeferBeforeGate,
}

/// An attachment, on the client's side.
struct Attachment {
    order: Order,
    pins: Pins,
    slot: Slot,
    /// The session's gate; closed for good when `ctl` is replaced.
    gate: Gate,
    /// 1 while a guard holds the frame. The daemon's credit and its next loan are one step with the take.
    held: AtomicU32,
    contents: Protected,
}

impl Attachment {
    fn new(order: Order) -> Self {
        let gate = Gate::closed();
        gate.start();
        Self {
            order,
            pins: Pins::new(1),
            slot: Slot::vacant(),
            gate,
            held: AtomicU32::new(0),
            contents: Protected::new(),
        }
    }

    /// A guard holds the frame.
    fn with_a_guard(order: Order) -> Self {
        let it = Self::new(order);
        it.pins.pin(0);
        it.held.store(1, Ordering::Relaxed);
        it
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
        if self.order == Order::DeferBeforeGate {
            self.pins.defer(End::ByHand);
        }
        self.gate.stop();
        self.pins.defer(End::ByHand);
        self.end_look();
    }

    /// A call that takes the frame, if it passes the gate and no guard holds it.
    fn take(&self) -> bool {
        self.slot.enter(Operation::Get, true);
        let take = || {
            self.held
                .compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed)
        };
        let passed = is_open(self.gate.load()) && take().is_ok();
        let late = self.order == Order::PinAfterLeave;
        if passed && !late {
            self.pins.pin(0);
        }
        self.slot.exit(true);
        if passed && late {
            self.pins.pin(0);
        }
        self.end_look();
        passed
    }

    /// A guard's end.
    fn drop_guard(&self) {
        self.contents.read();
        if self.order == Order::UnpinAfterPut {
            self.held.store(0, Ordering::Release);
        }
        self.pins.unpin(0, true);
        if self.order != Order::UnpinAfterPut {
            self.held.store(0, Ordering::Release);
        }
        self.end_look();
    }

    fn take_and_drop(&self) {
        if self.take() {
            self.drop_guard();
        }
    }
}

#[test]
fn leave_against_a_dropped_guard_then_released_after_its_read() {
    holds(|| {
        let shared = Attachment::with_a_guard(Order::Right);
        let shared = beside(shared, Attachment::drop_guard, Attachment::leave);
        assert_eq!(shared.pins.deferred(), None, "{KEPT}");
    });
}

fn call_against_leave(order: Order) {
    let shared = Attachment::new(order);
    let shared = beside(shared, Attachment::take_and_drop, Attachment::leave);
    assert_eq!(shared.pins.deferred(), None, "{KEPT}");
}

#[test]
fn leave_against_a_taking_call_then_released_after_its_read() {
    holds(|| call_against_leave(Order::Right));
}

#[test]
fn guards_two_dropped_after_the_end_then_one_lets_go() {
    holds(|| {
        let shared = Attachment {
            pins: Pins::new(2),
            ..Attachment::new(Order::Right)
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
fn guard_alone_against_leave() {
    let shared = Attachment::with_a_guard(Order::Right);
    let shared = beside(shared, Attachment::drop_guard, |shared| {
        shared.pins.defer(End::ByHand);
        if shared.pins.may_let_go(|| 0) && shared.pins.let_go(End::ByHand) {
            shared.contents.write();
        }
    });
    assert_eq!(shared.pins.deferred(), None, "{KEPT}");
}

#[test]
fn leave_counts_no_callers_then_the_pin_orders_the_last_read() {
    holds(guard_alone_against_leave);
}

/// A guard returns its frame, and a call takes the next loan of it.
fn two_guards_against_leave(order: Order) {
    let shared = Arc::new(Attachment::with_a_guard(order));
    let [first, second] = [Arc::clone(&shared), Arc::clone(&shared)];
    let guard = thread::spawn(move || first.drop_guard());
    let caller = thread::spawn(move || second.take_and_drop());
    shared.leave();
    guard.join().expect("the guard ends");
    caller.join().expect("the caller ends");
    assert_eq!(shared.pins.deferred(), None, "{KEPT}");
}

#[test]
fn leave_against_two_guards_then_let_go_after_the_last_read() {
    holds(|| two_guards_against_leave(Order::Right));
}

/// The last look on a copy: fences of the words before it would hide a missing one.
struct Look {
    has_fence: bool,
    pin: AtomicU32,
    /// 1: the end is noted; 2: the memory is released.
    end: AtomicU32,
}

impl Look {
    fn new(has_fence: bool) -> Self {
        let [pin, end] = [1, 0].map(AtomicU32::new);
        Self {
            has_fence,
            pin,
            end,
        }
    }

    fn look(&self) {
        if self.end.load(Ordering::Acquire) != 1 {
            return;
        }
        if self.has_fence {
            fence(Ordering::SeqCst);
        }
        if self.pin.load(Ordering::Acquire) == 0 {
            self.go_on(1);
        }
    }

    /// From this end to the next one.
    fn go_on(&self, end: u32) {
        let _ = self
            .end
            .compare_exchange(end, end + 1, Ordering::SeqCst, Ordering::Relaxed);
    }
}

fn looks_at_the_pin(has_fence: bool) {
    let guard = |shared: &Look| {
        shared.pin.store(0, Ordering::Release);
        fence(Ordering::SeqCst);
        shared.look();
    };
    let shared = beside(Look::new(has_fence), guard, |shared| {
        shared.go_on(0);
        shared.look();
    });
    assert_eq!(shared.end.load(Ordering::Acquire), 2, "{KEPT}");
}

#[test]
fn leave_copy_of_the_look_then_released() {
    holds(|| looks_at_the_pin(true));
}

mutants! {
    leave_mutant_unpin_relaxed_then_caught by "pin: cleared relaxed":
        guard_alone_against_leave() => UNORDERED;
    leave_mutant_pins_read_relaxed_then_caught by "pin: read relaxed":
        guard_alone_against_leave() => UNORDERED;
    leave_mutant_no_fence_after_unpin_then_caught by "pin: no light fence after it is cleared":
        guard_alone_against_leave() => KEPT;
    leave_mutant_no_fence_before_look_then_caught: looks_at_the_pin(false) => KEPT;
    leave_mutant_one_look_at_pins_then_caught by "leave: the pins only before the callers":
        call_against_leave(Order::Right) => UNORDERED;
    leave_mutant_pin_after_leave_then_caught: call_against_leave(Order::PinAfterLeave) => UNORDERED;
    leave_mutant_unpin_after_put_then_caught:
        two_guards_against_leave(Order::UnpinAfterPut) => UNORDERED;
    leave_mutant_defer_before_gate_then_caught:
        two_guards_against_leave(Order::DeferBeforeGate) => UNORDERED;
}
