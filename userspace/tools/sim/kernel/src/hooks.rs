//! Messages to the simulator: labels that callers pass, and kicks that they send.

use std::cell::Cell;

use crate::TaskId;
use crate::engine::{is_unwinding, may_step};

thread_local! {
    static LABEL: Cell<fn(&'static str)> = const { Cell::new(|_| ()) };
    static KICK: Cell<fn(i32)> = const { Cell::new(|_| ()) };
    static WAKE: Cell<fn(usize, &[TaskId])> = const { Cell::new(|_, _| ()) };
}

/// Calls `hook` whenever a caller passes a label.
pub fn on_label(hook: fn(&'static str)) {
    LABEL.set(hook);
}

/// The expansion of `label!`.
#[inline]
pub fn label(name: &'static str) {
    if !is_unwinding() {
        LABEL.get()(name);
    }
}

/// Calls `hook` whenever a kick is sent on this descriptor.
pub fn on_kick(hook: fn(i32)) {
    KICK.set(hook);
}

/// Sends a kick on the descriptor.
pub fn send_kick(socket: i32) {
    if may_step() {
        KICK.get()(socket);
    }
}

/// Calls `hook` whenever the running task wakes sleepers of a futex: how many at most, and these.
pub fn on_wake(hook: fn(usize, &[TaskId])) {
    WAKE.set(hook);
}

pub(crate) fn woken(most: usize, tasks: &[TaskId]) {
    WAKE.get()(most, tasks);
}
