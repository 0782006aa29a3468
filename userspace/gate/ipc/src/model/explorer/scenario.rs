//! The contents of a run of the explorer.

use super::*;

/// Declares the scenario together with its base.
macro_rules! scenario {
    ($($(#[$about:meta])* $field:ident: $type:ty = $base:expr,)+) => {
        /// Bounds of one exploration, and its possible faults.
        #[derive(Clone, Copy, Debug)]
        pub(super) struct Scenario {
            $($(#[$about])* pub(super) $field: $type,)+
        }

        /// One call a thread, two frames, then stop, drain and destroy.
        pub(super) const BASE: Scenario = Scenario { $($field: $base,)+ };
    };
}

scenario! {
    /// The faulty step, if any.
    mutant: Option<Mutant> = None,
    /// Calls that each client thread makes.
    calls: u8 = 1,
    /// Frames that the poller publishes, up to [`super::state::RING`].
    publishes: u8 = 2,
    /// The control thread stops the session, drains it and destroys it.
    destroyed: bool = true,
    /// Stop→start pulses of the session before that.
    session_pulses: u8 = 0,
    /// Stop→start pulses of the client's own gate.
    local_pulses: u8 = 0,
    /// Without the start.
    local_stays: bool = false,
    /// The local stop runs in a signal handler of thread 0 instead of a thread of its own.
    local_in_handler: bool = false,
    /// The calls of thread 0 have a time-out.
    timed: bool = false,
    /// The process may be killed at any step.
    process_killed: bool = false,
    /// One thread may exit alone at any step of a call, or holding a frame.
    thread_exits: bool = false,
    /// The attachment is evicted at some point.
    evicted: bool = false,
    /// The session is quarantined after its stop, instead of drained and destroyed.
    quarantined: bool = false,
    /// A new thread claims the slot of the one that exited, and makes a call.
    succeeded: bool = false,
    /// A caller that got `EAGAIN` waits for the start.
    waits_for_start: bool = false,
    /// A thread may call again while it holds a frame.
    keeps_frames: bool = false,
    /// Each put is tried a second time, late.
    put_twice: bool = false,
    /// Both threads are counted in the shared slot.
    shared_slot: bool = false,
    /// "Thread 1" is a signal handler of thread 0 that makes a call: it runs on thread 0's slot,
    /// and thread 0 is suspended during it.
    nested_call: bool = false,
}

impl Scenario {
    /// Whether `mutant` is the faulty step.
    pub(super) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// `wrong` if `mutant` is the faulty step, else `right`.
    pub(super) fn either<T>(&self, mutant: Mutant, wrong: T, right: T) -> T {
        if self.is(mutant) { wrong } else { right }
    }

    /// The slot that counts thread `who`.
    pub(super) fn slot_of(&self, who: usize) -> usize {
        if self.shared_slot || self.nested_call {
            0
        } else {
            who
        }
    }
}
