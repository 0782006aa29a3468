//! Times in which a task makes no step although it could: its processor does something else.

use std::cell::Cell;

use crate::chance::{below, chance};
use crate::engine::{NONE, TASKS, current, is_unwinding, now_ns, suspend, unpark};
use crate::{TaskId, buffer};

/// How long a task stalls, ns.
const LENGTHS: [u64; 4] = [1_000, 30_000, 1_000_000, 30_000_000];

thread_local! {
    /// Of 65,536 times that a task leaves the processor, so many begin a stall.
    static STALLS: Cell<u64> = const { Cell::new(0) };
    /// Of 256 wake-ups of a futex, so many take a while.
    static LATE_WAKES: Cell<u64> = const { Cell::new(0) };
    /// Of 256 times that a task leaves with a withheld store, so many begin a stall.
    static WITHHOLDS: Cell<u64> = const { Cell::new(0) };
}

/// Begins a life.
pub(crate) fn begin_life(stalls: u16) {
    STALLS.set(u64::from(stalls));
    hamper(0, 0);
}

/// In this life, of 256 wake-ups of a futex so many take a while, and of 256 times that a task leaves the
/// processor, when the compiler may still move its last store down, so many begin a stall.
pub fn hamper(late_wakes: u8, withholds: u8) {
    LATE_WAKES.set(u64::from(late_wakes));
    WITHHOLDS.set(u64::from(withholds));
}

/// Whether the running task, which leaves the processor, stalls.
pub(crate) fn is_due() -> bool {
    let is = |rate: u64, all| rate > 0 && chance(rate, all);
    is(STALLS.get(), 65_536)
        || WITHHOLDS.get() > 0 && buffer::is_withheld() && is(WITHHOLDS.get(), 256)
}

/// The task, which is in no queue, makes no step for a while.
pub(crate) fn begin(task: TaskId) {
    let length = LENGTHS[below(LENGTHS.len())];
    TASKS.with(|tasks| {
        let mut tasks = tasks.borrow_mut();
        tasks.all[task].stalled_ns += length;
        tasks.stall(task, now_ns() + length);
    });
}

/// The running task makes no step for a while. What it has stored may wait meanwhile.
pub fn stall() {
    if !is_unwinding() && current() != NONE {
        begin(current());
        suspend();
    }
}

/// Of 256 system calls of a task, so many are followed by a stall: its processor does something else first.
pub fn slow_calls(task: TaskId, rate: u8) {
    TASKS.with(|tasks| tasks.borrow_mut().all[task].slow_calls = rate);
}

/// The running task returns from a system call.
pub(crate) fn returns() {
    let me = current();
    if is_unwinding() || me == NONE {
        return;
    }
    let rate = TASKS.with(|tasks| u64::from(tasks.borrow().all[me].slow_calls));
    if rate > 0 && chance(rate, 256) {
        stall();
    }
}

/// Wakes a task that is parked, perhaps a while later.
pub(crate) fn unpark_late(task: TaskId) {
    unpark(task);
    let late = LATE_WAKES.get();
    if late > 0 && chance(late, 256) && TASKS.with(|tasks| tasks.borrow_mut().put_off(task)) {
        begin(task);
    }
}

/// How long a task has stalled in all, ns.
#[must_use]
pub fn stalled_ns(task: TaskId) -> u64 {
    TASKS.with(|tasks| tasks.borrow().all[task].stalled_ns)
}
