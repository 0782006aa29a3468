//! Points in a client's calls at which a test kills the process.
//!
//! Only the feature `labels` compiles them in, and only the victim of the kill matrix
//! (`tests/victim`) enables it. Without it `label!` expands to nothing.

/// Marks a point in a call: `label!("take.taken")`. The name must be in `LABELS`.
#[cfg(not(any(feature = "labels", simulated)))]
#[macro_export]
macro_rules! label {
    ($name:literal) => {};
}

/// Marks a point in a call, of which the simulator's oracle is told.
#[cfg(simulated)]
#[macro_export]
macro_rules! label {
    ($name:literal) => {
        $crate::scheduled::label($name)
    };
}

/// Marks a point in a call: `label!("take.taken")`. The name must be in [`LABELS`].
#[cfg(all(feature = "labels", not(simulated)))]
#[macro_export]
macro_rules! label {
    ($name:literal) => {
        $crate::label::reach(const { $crate::label::index($name) })
    };
}

/// Every label, in the order of a client's life.
#[cfg(any(feature = "labels", simulated))]
pub const LABELS: [&str; 71] = [
    "attach.connected",
    "request.begun",
    "request.sent",
    "request.answered",
    "create.created",
    "attach.challenged",
    "attach.canary_passed",
    "attach.described",
    "attach.before_register",
    "attach.registered",
    "attach.ctl_mapped",
    "attach.seg_mapped",
    "attach.frames_mapped",
    "attach.protected",
    "attach.done",
    "claim.owned",
    "claim.claimed",
    "claim.counted",
    "call.begun",
    "call.counted",
    "call.gates_read",
    "take.looked",
    "take.intended",
    "take.tried",
    "take.taken",
    "open.asked",
    "event.read",
    "event.taken",
    "call.served",
    "call.left",
    "bounce.acknowledged",
    "bounce.left",
    "wait.before_begin",
    "wait.begun",
    "wait.joined",
    "wait.listened",
    "wait.before_sleep",
    "wait.slept",
    "wait.served",
    "wait.before_part",
    "wait.parted",
    "wait.ended",
    "wait.left",
    "put.begun",
    "put.released",
    "put.done",
    "submit.ordered",
    "submit.described",
    "kick.taken",
    "kick.sent",
    "stop.gate_closed",
    "ring.struck",
    "stop.done",
    "start.gate_open",
    "started.before_sleep",
    "started.slept",
    "started.seen",
    "watch.joined",
    "watch.slept",
    "claim.before_vacate",
    "claim.vacated",
    "detach.stopped",
    "detach.callers_left",
    "leave.marked",
    "leave.ctl_gone",
    "leave.rung",
    "leave.deferred",
    "leave.frames_gone",
    "leave.seg_gone",
    "leave.hung_up",
    "drop.hung_up",
];

#[cfg(feature = "labels")]
pub use armed::*;

#[cfg(feature = "labels")]
mod armed {
    use core::cell::Cell;
    use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

    use super::LABELS;

    /// Action at the armed label.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[repr(u32)]
    pub enum LabelAction {
        /// The process kills itself with SIGKILL.
        Die = 1,
        /// The thread writes the label's name and a newline to standard output, and stops there.
        Stay = 2,
    }

    const UNSET: usize = usize::MAX;
    static LABEL: AtomicUsize = AtomicUsize::new(UNSET);
    static THREAD: AtomicUsize = AtomicUsize::new(UNSET);
    static ACTION: AtomicU32 = AtomicU32::new(0);
    /// Remaining passes of the armed label.
    static PASSES: AtomicU32 = AtomicU32::new(0);

    std::thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(UNSET) };
    }

    /// Position of a label in [`LABELS`].
    ///
    /// If no label has that name: at compile time, in `label!`.
    /// If there is none of that name: at compile time, in `label!`.
    pub const fn index(name: &str) -> usize {
        let mut at = 0;
        while at < LABELS.len() {
            if is_same(LABELS[at].as_bytes(), name.as_bytes()) {
                return at;
            }
            at += 1;
        }
        panic!("no such label")
    }

    const fn is_same(a: &[u8], b: &[u8]) -> bool {
        let mut at = 0;
        while at < a.len() && at < b.len() && a[at] == b[at] {
            at += 1;
        }
        at == a.len() && at == b.len()
    }

    /// Sets the action for the `hit`-th time from now that thread `thread` (see [`number_thread`]),
    /// or any thread if there is none, reaches `label` (a position in [`LABELS`]). Once per
    /// process.
    pub fn arm(label: usize, hit: u32, thread: Option<usize>, action: LabelAction) {
        PASSES.store(hit, Ordering::Relaxed);
        THREAD.store(thread.unwrap_or(UNSET), Ordering::Relaxed);
        ACTION.store(action as u32, Ordering::Relaxed);
        LABEL.store(label, Ordering::Release);
    }

    /// Gives the calling thread a number, for [`arm`].
    pub fn number_thread(number: usize) {
        NUMBER.set(number);
    }

    /// The expansion of `label!`.
    #[inline]
    pub fn reach(label: usize) {
        if LABEL.load(Ordering::Acquire) == label {
            reached(label);
        }
    }

    #[cold]
    fn reached(label: usize) {
        let thread = THREAD.load(Ordering::Relaxed);
        let chosen = thread == UNSET || thread == NUMBER.get();
        if !chosen || PASSES.fetch_sub(1, Ordering::Relaxed) != 1 {
            return;
        }
        // SAFETY: the system calls take no memory of ours, or only the bytes of a constant.
        unsafe {
            if ACTION.load(Ordering::Relaxed) == LabelAction::Die as u32 {
                libc::kill(libc::getpid(), libc::SIGKILL);
            }
            let name = LABELS[label];
            libc::write(1, name.as_ptr().cast(), name.len());
            libc::write(1, c"\n".as_ptr().cast(), 1);
            loop {
                libc::pause();
            }
        }
    }
}
