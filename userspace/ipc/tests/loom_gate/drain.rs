//! Gate and slot: the daemon destroys nothing under a caller that passed the gate.
//!
//! The caller counts itself and then reads the gate; the drain closes the gate and then reads the
//! count. SYNC: light-heavy (one of them sees the other), the release of the count (the caller's
//! last access is before the destruction), ack (the same for a caller that bounces again and
//! again).

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering, fence};
use loom::thread;
use onair_ipc::gate::{Gate, is_open};
use onair_ipc::slot::{Operation, Slot};
use onair_ipc::sync::heavy;

use crate::harness::{Protected, UNORDERED, holds, mutants};

/// The steps of `docs/gate.md` in this test.
trait Counting: Send + Sync + 'static {
    /// enter: returns whether the gate was open; bounces and acknowledges otherwise.
    fn enter(&self) -> bool;
    /// leave.
    fn leave(&self);
    /// stop, up to the event counts.
    fn stop(&self);
    /// drain: the scan, from the heavy fence on.
    fn sees_user(&self) -> bool;
}

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

impl Counting for Real {
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

    fn leave(&self) {
        self.slot.exit(self.plain);
    }

    fn stop(&self) {
        self.gate.stop();
    }

    fn sees_user(&self) -> bool {
        heavy();
        self.slot.read(0).is_user(self.gate.load(), self.shared)
    }
}

/// The copy's deviation from the protocol.
#[derive(Clone, Copy)]
struct Orders {
    light: bool,
    heavy: bool,
    exit: Ordering,
    scan: Ordering,
    acknowledge: Ordering,
    read_ack: Ordering,
}

impl Orders {
    const RIGHT: Self = Self {
        light: true,
        heavy: true,
        exit: Ordering::Release,
        scan: Ordering::Acquire,
        acknowledge: Ordering::Release,
        read_ack: Ordering::Acquire,
    };
}

/// The same words, with orderings that a test can weaken.
struct Copied {
    gate: AtomicU32,
    count: AtomicU32,
    ack: AtomicU32,
    orders: Orders,
}

impl Copied {
    fn open(orders: Orders) -> Self {
        Self {
            gate: AtomicU32::new(3),
            count: AtomicU32::new(0),
            ack: AtomicU32::new(0),
            orders,
        }
    }

    fn light(&self) {
        if self.orders.light {
            fence(Ordering::SeqCst);
        }
    }
}

impl Counting for Copied {
    fn enter(&self) -> bool {
        let count = self.count.load(Ordering::Relaxed);
        self.count.store(count + 1, Ordering::Relaxed);
        self.light();
        let gate = self.gate.load(Ordering::Acquire);
        if gate & 1 == 1 {
            return true;
        }
        self.ack.store(gate, self.orders.acknowledge);
        self.leave();
        false
    }

    fn leave(&self) {
        let count = self.count.load(Ordering::Relaxed);
        self.count.store(count - 1, self.orders.exit);
        self.light();
    }

    fn stop(&self) {
        self.gate.fetch_and(!1, Ordering::SeqCst);
    }

    fn sees_user(&self) -> bool {
        if self.orders.heavy {
            fence(Ordering::SeqCst);
        }
        let gate = self.gate.load(Ordering::Acquire);
        self.count.load(self.orders.scan) > 0 && self.ack.load(self.orders.read_ack) != gate
    }
}

/// `callers` threads make `calls` calls each while the session is stopped and destroyed.
fn destroy_under<C: Counting>(words: C, callers: usize, calls: usize) {
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

#[test]
fn drain_copy_then_never_under_a_caller() {
    holds(|| destroy_under(Copied::open(Orders::RIGHT), 1, 1));
}

#[test]
fn drain_copy_bounces_after_a_call_then_its_ack_is_enough() {
    holds(|| destroy_under(Copied::open(Orders::RIGHT), 1, 2));
}

/// Not a bug: the light fence of the bouncing call is between the last access of an earlier call
/// and the acknowledgement.
#[test]
fn drain_acknowledge_relaxed_alone_then_survives() {
    let acknowledge = Ordering::Relaxed;
    holds(move || {
        spoiled(
            Orders {
                acknowledge,
                ..Orders::RIGHT
            },
            2,
        )
    });
}

/// A copy that deviates from the protocol, under one caller that makes `calls` calls.
fn spoiled(orders: Orders, calls: usize) {
    destroy_under(Copied::open(orders), 1, calls);
}

mutants! {
    drain_mutant_no_light_fence_then_caught:
        spoiled(Orders { light: false, ..Orders::RIGHT }, 1) => UNORDERED;
    drain_mutant_no_heavy_fence_then_caught:
        spoiled(Orders { heavy: false, ..Orders::RIGHT }, 1) => UNORDERED;
    drain_mutant_leave_relaxed_then_caught:
        spoiled(Orders { exit: Ordering::Relaxed, ..Orders::RIGHT }, 1) => UNORDERED;
    drain_mutant_scan_relaxed_then_caught:
        spoiled(Orders { scan: Ordering::Relaxed, ..Orders::RIGHT }, 1) => UNORDERED;
    drain_mutant_ack_read_relaxed_then_caught:
        spoiled(Orders { read_ack: Ordering::Relaxed, ..Orders::RIGHT }, 2) => UNORDERED;
}
