//! The simulator's kernel: tasks in one thread, words with store buffers, futexes, a virtual clock.
//!
//! `onair-ipc` under `cfg(simulated)` takes its words and its system calls from here, so the
//! product's own callers run as coroutines. Each access to a shared word is a step: the scheduler
//! may give the processor to another task, and a kill may end the caller there. All chance comes
//! from one seed. A plain store waits in its task's buffer until the task fences, makes a system call or
//! an atomic exchange, or chance makes it visible. In some lives memory is weaker: see `views`.

mod buffer;
mod chance;
mod engine;
mod futex;
mod hooks;
mod local;
mod stall;
mod task;
mod views;
mod word;

pub use self::buffer::{Memory, barrier, choose_memory, fence, light};
pub use self::chance::{Random, below, chance};
pub use self::engine::{
    Outcome, boot, current, is_unwinding, now_ns, park, run, set_slowness, shut_down, signal,
    spawn, spawn_apart, steps, unpark,
};
pub use self::futex::{
    fire_backstops, futex_wait_slice, futex_waitv, futex_wake, mapped, mappings, owner_dies,
    sleepers, tombstoned, unmapped,
};
pub use self::hooks::{label, on_kick, on_label, on_wake, send_kick};
pub use self::local::{AccessError, TaskLocal};
pub use self::stall::{hamper, slow_calls, stall, stalled_ns};
pub use self::views::has_weak_memory;
pub use self::word::{AtomicU32, AtomicU64};
pub use task::Mortal;

/// Identity of a task of the present life.
pub type TaskId = usize;

/// The calling task's thread id.
#[must_use]
pub fn gettid() -> u32 {
    u32::try_from(current() + 1).unwrap_or(0)
}

/// A step without effect: another task may run, and the caller may die.
pub fn give_way() {
    engine::may_step();
}

/// The running task sleeps for so long.
pub fn sleep(ns: u64) {
    park(now_ns() + ns);
}
