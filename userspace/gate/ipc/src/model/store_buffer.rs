//! The asymmetric slots on x86-64: the callers' counts are plain stores that wait in a store buffer,
//! and the drain pays with membarrier(2).
//!
//! Total store order: each thread's stores leave its buffer in order, at any later moment. A locked
//! instruction of the thread, and the daemon's [`DrainAt::Barrier`], empty the buffer at once. The
//! gate, the kick and the verdict are as in `explorer`; frames, event counts and deaths are left
//! out. The daemon's own stores are followed by the barrier (or are locked) and need no buffer.
//!
//! The argument for membarrier is valid for total store order only: the crate does not compile for
//! other architectures.

use super::plain;
use super::search::{Model, Steps, is_caught, passes};

/// Threads of the client.
const CALLERS: usize = 2;
/// Calls that each thread makes.
const CALLS: u8 = 2;
/// Stores that may wait in one thread's buffer: both of each call, none of them retired.
const BUFFER: usize = 2 * CALLS as usize;

/// Deviation from the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    /// The protocol with plain counts.
    Base,
    /// Sound too: the callers count with locked instructions, and the drain has no barrier.
    ClientRmw,
    /// Mutant: plain counts, and no barrier.
    NoBarrier,
    /// Mutant: the barrier comes before the gate is closed, and none after it.
    BarrierBeforeGate,
    /// Mutant: the barrier comes before the kick is armed.
    BarrierBeforeArm,
    /// Mutant: a caller that leaves looks at the other one's count before its own has reached memory.
    NoFenceAtLast,
}

/// A broken invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Violation {
    /// I1: destroyed while a thread that had passed the gate was inside.
    DestroyedUnderCaller,
    /// The drain waits forever although no caller is inside.
    LostNotification,
}

plain! {
    /// The next step of a caller.
    enum CallerAt { Outside, LoadGate, Inside, ExitSlot, LookAtKick, Fence, LookAtOther, TakeKick, }

    /// The next step of the control thread.
    enum DrainAt { CloseGate, ArmKick, Barrier, ReadCount, Decide, Destroyed, }

    /// A caller, and the stores to its count that have not reached memory.
    struct Caller {
        at: CallerAt,
        calls_made: u8,
        /// Oldest first; only the first `pending` are valid.
        buffer: [u8; BUFFER],
        pending: usize,
    }

    /// A state of callers and drain.
    struct BufferState {
        stopped: bool,
        kick: bool,
        /// The byte is in the daemon's end of the socket.
        message: bool,
        /// The counts in memory.
        count: [u8; CALLERS],
        caller: [Caller; CALLERS],
        drain: DrainAt,
        /// The slot that the scan has reached.
        index: usize,
        /// The scan saw a count above 0.
        user_seen: bool,
    }
}

impl BufferState {
    /// The oldest store of `who` reaches memory.
    fn retire_one(&mut self, who: usize) {
        let caller = &mut self.caller[who];
        self.count[who] = caller.buffer[0];
        caller.buffer.rotate_left(1);
        caller.buffer[BUFFER - 1] = 0;
        caller.pending -= 1;
    }

    /// Every store of `who` reaches memory.
    fn retire_all(&mut self, who: usize) {
        while self.caller[who].pending > 0 {
            self.retire_one(who);
        }
    }

    /// Thread `who` stores to its count: through the buffer, which a locked instruction empties.
    fn store_count(&mut self, who: usize, value: u8, locked: bool) {
        let caller = &mut self.caller[who];
        caller.buffer[caller.pending] = value;
        caller.pending += 1;
        if locked {
            self.retire_all(who);
        }
    }
}

/// The slots and the drain, in one variant.
struct StoreBuffer(Variant);

impl Model for StoreBuffer {
    type State = BufferState;
    type Violation = Violation;

    fn initial(&self) -> BufferState {
        BufferState {
            drain: self.first_of_drain(),
            ..BufferState::default()
        }
    }

    fn successors(
        &self,
        state: &BufferState,
        steps: &mut Steps<BufferState>,
    ) -> Result<(), Violation> {
        for who in 0..CALLERS {
            self.caller_steps(state, who, steps);
        }
        self.drain_steps(state, steps)
    }

    fn quiescent(&self, state: &BufferState) -> Result<(), Violation> {
        match state.drain {
            DrainAt::Destroyed => Ok(()),
            _ => Err(Violation::LostNotification),
        }
    }
}

impl StoreBuffer {
    fn caller_steps(&self, state: &BufferState, who: usize, steps: &mut Steps<BufferState>) {
        use CallerAt::*;
        let name = ["T0", "T1"][who];
        let locked = self.0 == Variant::ClientRmw;
        if state.caller[who].pending > 0 {
            let mut next = *state;
            next.retire_one(who);
            steps.push(name, "a store leaves the buffer", next);
        }
        let mut next = *state;
        let (at, action) = match state.caller[who].at {
            Outside if state.caller[who].calls_made == CALLS => return,
            Outside => {
                next.caller[who].calls_made += 1;
                next.store_count(who, 1, locked);
                (LoadGate, "count += 1")
            }
            LoadGate if state.stopped => (ExitSlot, "read the gate"),
            LoadGate => (Inside, "read the gate"),
            Inside => (ExitSlot, "last access to the session"),
            ExitSlot => {
                next.store_count(who, 0, locked);
                (LookAtKick, "count -= 1")
            }
            LookAtKick if state.kick => (Fence, "read the kick"),
            LookAtKick => (Outside, "read the kick"),
            Fence => {
                if self.0 != Variant::NoFenceAtLast {
                    next.retire_all(who);
                }
                (LookAtOther, "full fence")
            }
            // Its own count is 0, wherever the store is.
            LookAtOther if state.count[1 - who] > 0 => (Outside, "read the other's count"),
            LookAtOther => (TakeKick, "read the other's count"),
            TakeKick => {
                next.retire_all(who);
                next.message |= state.kick;
                next.kick = false;
                (Outside, "swap the kick to 0, send the byte")
            }
        };
        next.caller[who].at = at;
        steps.push(name, action, next);
    }

    fn first_of_drain(&self) -> DrainAt {
        match self.0 {
            Variant::BarrierBeforeGate => DrainAt::Barrier,
            _ => DrainAt::CloseGate,
        }
    }

    /// The step after each step of the drain: the variants differ here.
    fn after(&self, at: DrainAt) -> DrainAt {
        use DrainAt::*;
        match (self.0, at) {
            (Variant::BarrierBeforeGate, Barrier) => CloseGate,
            (Variant::BarrierBeforeArm, CloseGate) => Barrier,
            (Variant::BarrierBeforeArm, Barrier) => ArmKick,
            (Variant::Base | Variant::NoFenceAtLast, ArmKick) => Barrier,
            (_, CloseGate) => ArmKick,
            (_, ArmKick | Barrier) => ReadCount,
            (_, other) => other,
        }
    }

    fn drain_steps(
        &self,
        state: &BufferState,
        steps: &mut Steps<BufferState>,
    ) -> Result<(), Violation> {
        let mut next = *state;
        next.drain = self.after(state.drain);
        let action = match state.drain {
            DrainAt::CloseGate => {
                next.stopped = true;
                "close the gate"
            }
            DrainAt::ArmKick => {
                next.kick = true;
                "arm the kick"
            }
            DrainAt::Barrier => {
                (0..CALLERS).for_each(|who| next.retire_all(who));
                "membarrier"
            }
            DrainAt::ReadCount => {
                next.user_seen |= state.count[state.index] > 0;
                next.index = (state.index + 1) % CALLERS;
                if next.index == 0 {
                    next.drain = DrainAt::Decide;
                }
                "read a count"
            }
            DrainAt::Decide if state.user_seen => {
                if !state.message {
                    return Ok(());
                }
                next.message = false;
                next.user_seen = false;
                next.drain = self.after(DrainAt::CloseGate);
                "kicked"
            }
            DrainAt::Decide => {
                if state.caller.iter().any(|it| it.at == CallerAt::Inside) {
                    return Err(Violation::DestroyedUnderCaller);
                }
                next.drain = DrainAt::Destroyed;
                "no user is left: destroyed"
            }
            DrainAt::Destroyed => return Ok(()),
        };
        steps.push("drain", action, next);
        Ok(())
    }
}

#[test]
fn store_buffer_plain_counts_and_membarrier_then_holds() {
    passes(&StoreBuffer(Variant::Base));
}

#[test]
fn store_buffer_client_rmw_without_barrier_then_holds() {
    passes(&StoreBuffer(Variant::ClientRmw));
}

#[test]
fn store_buffer_mutant_no_barrier_then_caught() {
    let mutant = StoreBuffer(Variant::NoBarrier);
    is_caught(&mutant, Violation::DestroyedUnderCaller);
}

#[test]
fn store_buffer_mutant_barrier_before_gate_then_caught() {
    let mutant = StoreBuffer(Variant::BarrierBeforeGate);
    is_caught(&mutant, Violation::DestroyedUnderCaller);
}

#[test]
fn store_buffer_mutant_barrier_before_arm_then_caught() {
    let mutant = StoreBuffer(Variant::BarrierBeforeArm);
    is_caught(&mutant, Violation::LostNotification);
}

#[test]
fn store_buffer_mutant_no_fence_at_last_then_caught() {
    let mutant = StoreBuffer(Variant::NoFenceAtLast);
    is_caught(&mutant, Violation::LostNotification);
}
