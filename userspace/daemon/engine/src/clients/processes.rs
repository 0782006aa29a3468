//! Questions about processes: the control thread asks the bounded ones, helper threads the rest.

use std::fmt::Debug;
use std::time::Instant;

/// The processes of the machine. Each answer may be late, or of a moment ago.
pub trait Processes: Debug {
    /// The time.
    fn now(&self) -> Instant;
    /// The process's `comm`, made printable; empty if it is out of sight.
    fn command_of(&self, pid: u32) -> String;
    /// One thread, if it is alive.
    fn thread(&self, pid: u32, tid: u32) -> Option<Thread>;
    /// The threads of a process by their own ids.
    fn threads(&self, pid: u32) -> Box<dyn Threads>;
    /// The kernel function in which a thread sleeps.
    fn wait_channel(&self, pid: u32, tid: u32) -> Option<String>;
    /// Whether the thread, with its own id, is the one that wrote this time, and can execute a further step.
    fn goes_on(&self, pid: u32, tid: u32, own_tid: u32, boottime_ns: u64) -> bool;
    /// Whether a process is dead or dying as a whole.
    fn is_ending(&self, pid: u32) -> bool;
    /// Whether a process is stopped by a signal or a debugger.
    fn is_stopped(&self, pid: u32) -> bool;
    /// Start time of a process: clock ticks (1/100 s) since boot.
    fn started_ticks(&self, pid: u32) -> Option<u64>;
}

/// The threads of a process by their own ids.
pub trait Threads: Debug {
    /// The living thread with its own id `own_tid`.
    fn find(&self, own_tid: u32) -> Option<Thread>;
    /// Whether the thread that wrote this time can execute a further step.
    fn has(&self, own_tid: u32, boottime_ns: u64) -> bool;
}

/// One thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Thread id in the daemon's pid namespace.
    pub tid: u32,
    /// Thread id in its own pid namespace: the value that a client writes into its slots.
    pub own_tid: u32,
    /// Its name, made printable; the process chose it.
    pub name: String,
    /// State according to the kernel, such as `running`, `sleeping`, `stopped`.
    pub state: String,
    /// Start time: clock ticks (1/100 s) since boot.
    pub started_ticks: u64,
    /// It is exiting, or was sent a SIGKILL: it executes no further step of its program.
    pub is_ending: bool,
    /// It has begun its exit in the kernel, so that it is not even in the middle of a last step.
    pub is_exiting: bool,
}

/// Maximum start-time error against CLOCK_BOOTTIME: one tick of `/proc`, ns.
const TICK_NS: u64 = 10_000_000;

impl Thread {
    /// Whether it is the thread that wrote this id and time, and can execute a further step.
    pub fn is_it(&self, own_tid: u32, boottime_ns: u64) -> bool {
        self.own_tid == own_tid && !self.is_exiting && !self.is_younger_than(boottime_ns)
    }

    /// Whether the thread started after `boottime_ns`: then another thread with the same id wrote
    /// that time.
    pub fn is_younger_than(&self, boottime_ns: u64) -> bool {
        self.started_ticks.saturating_mul(TICK_NS) > boottime_ns.saturating_add(TICK_NS)
    }
}
