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

mod state;
mod tests;

use state::{CALLERS, Caller, CallerAt, DrainAt, State};

use super::pack::{Fields, Packed};
use super::search::{Model, Steps};

/// Calls that each thread makes.
const CALLS: u8 = 2;

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
}

/// A broken invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Violation {
    /// I1: destroyed while a thread that had passed the gate was inside.
    DestroyedUnderCaller,
    /// The drain waits for ever although no caller is inside.
    LostNotification,
}

/// The slots and the drain, in one variant.
struct StoreBuffer {
    variant: Variant,
}

impl Model for StoreBuffer {
    type State = State;
    type Packed = Packed;
    type Violation = Violation;

    fn initial(&self) -> State {
        State {
            stopped: false,
            kick: false,
            message: false,
            count: [0; CALLERS],
            caller: [Caller::new(CALLS); CALLERS],
            drain: self.first_of_drain(),
            index: 0,
            user_seen: false,
        }
    }

    fn pack(&self, state: &State) -> Packed {
        Fields::pack(*state)
    }

    fn unpack(&self, packed: &Packed) -> State {
        Fields::unpack(self.initial(), packed)
    }

    fn successors(&self, state: &State, steps: &mut Steps<State>) -> Result<(), Violation> {
        for who in 0..CALLERS {
            self.caller_steps(state, who, steps);
        }
        self.drain_steps(state, steps)
    }

    fn quiescent(&self, state: &State) -> Result<(), Violation> {
        if state.drain == DrainAt::Destroyed {
            Ok(())
        } else {
            Err(Violation::LostNotification)
        }
    }
}

impl StoreBuffer {
    fn caller_steps(&self, state: &State, who: usize, steps: &mut Steps<State>) {
        let name = ["T0", "T1"][who];
        let was = &state.caller[who];
        if was.pending() > 0 {
            let mut next = *state;
            next.retire_one(who);
            steps.push(name, "a store leaves the buffer", next);
        }
        let mut next = *state;
        let action = match was.at {
            CallerAt::Outside => {
                if was.calls_left == 0 {
                    return;
                }
                next.caller[who].calls_left -= 1;
                self.store_count(&mut next, who, 1);
                next.caller[who].at = CallerAt::LoadGate;
                "count += 1"
            }
            CallerAt::LoadGate => {
                next.caller[who].at = if state.stopped {
                    CallerAt::Lower
                } else {
                    CallerAt::Inside
                };
                "read the gate"
            }
            CallerAt::Inside => {
                next.caller[who].at = CallerAt::Lower;
                "last access to the session"
            }
            CallerAt::Lower => {
                self.store_count(&mut next, who, 0);
                next.caller[who].at = CallerAt::LookAtKick;
                "count -= 1"
            }
            CallerAt::LookAtKick => {
                next.caller[who].at = if state.kick {
                    CallerAt::TakeKick
                } else {
                    CallerAt::Outside
                };
                "read the kick"
            }
            CallerAt::TakeKick => {
                next.retire_all(who);
                next.message |= state.kick;
                next.kick = false;
                next.caller[who].at = CallerAt::Outside;
                "swap the kick to 0, send the byte"
            }
        };
        steps.push(name, action, next);
    }

    /// A plain store goes through the buffer; a locked instruction empties it first.
    fn store_count(&self, next: &mut State, who: usize, value: u8) {
        next.caller[who].push(value);
        if self.variant == Variant::ClientRmw {
            next.retire_all(who);
        }
    }

    fn first_of_drain(&self) -> DrainAt {
        if self.variant == Variant::BarrierBeforeGate {
            DrainAt::Barrier
        } else {
            DrainAt::CloseGate
        }
    }

    /// The step after each step of the drain: the variants differ here.
    fn after(&self, at: DrainAt) -> DrainAt {
        use DrainAt::*;
        match (self.variant, at) {
            (Variant::BarrierBeforeGate, Barrier) => CloseGate,
            (Variant::BarrierBeforeArm, CloseGate) => Barrier,
            (Variant::BarrierBeforeArm, Barrier) => ArmKick,
            (Variant::Base, ArmKick) => Barrier,
            (_, CloseGate) => ArmKick,
            (_, ArmKick | Barrier) => ReadCount,
            (_, other) => other,
        }
    }

    fn drain_steps(&self, state: &State, steps: &mut Steps<State>) -> Result<(), Violation> {
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
                for who in 0..CALLERS {
                    next.retire_all(who);
                }
                "membarrier"
            }
            DrainAt::ReadCount => {
                next.user_seen |= state.count[usize::from(state.index)] > 0;
                next.index += 1;
                if usize::from(next.index) == CALLERS {
                    next.index = 0;
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
                if state
                    .caller
                    .iter()
                    .any(|caller| caller.at == CallerAt::Inside)
                {
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
