//! The exhaustive explorer of the gate: two client threads, a local stopper, the poller and the
//! control thread, in every order, with a death at any step.
//!
//! Each step below is one atomic action on shared words, or several of which other threads can see
//! only the first or the last. The program counters ([`client::ClientAt`], [`poller::PollerAt`],
//! [`control::ControlAt`], [`stopper::StopperAt`]) name the protocol's steps; `docs/gate.md` has
//! the table. Memory is sequentially consistent here: `store_buffer` covers the plain counts and
//! the membarrier, loom covers the orderings.
//!
//! Not in the model: the daemon's part of a detach, attach, the daemon's death, the event count of
//! events, the rescan timer (a backstop that would hide lost notifications), a slot claimed by two
//! threads at once, a ring that wraps. `tests/shuttle_gate` covers those that the product's own
//! code can show under a random scheduler.

mod call;
mod client;
mod control;
mod evict;
mod invariant;
mod leave;
mod look;
mod poller;
mod reconcile;
mod scenario;
mod state;
mod stopper;
mod tests;

use client::Client;
use control::Control;
use invariant::Violation;
use leave::Leaver;
use look::Deferred;
use poller::Poller;
use scenario::{Handles, Scenario};
use state::{CLIENTS, FRAMES, FrameWord, Gate, LedgerLine, Loan, RING, Slot, State};
use stopper::Stopper;

use super::pack::{Fields, Packed};
use super::search::{Model, Steps};

/// The gate in one scenario.
struct Explorer {
    scenario: Scenario,
}

impl Model for Explorer {
    type State = State;
    type Packed = Packed;
    type Violation = Violation;

    fn initial(&self) -> State {
        let scenario = &self.scenario;
        assert!(
            usize::from(scenario.publishes) <= RING,
            "the ring does not wrap in the model"
        );
        let mut slot = [Slot::VACANT; CLIENTS];
        for (who, slot) in slot.iter_mut().enumerate() {
            slot.owned = scenario.slot_of(who) == who && !scenario.shared_slot;
        }
        State {
            session_gate: Gate::OPEN,
            closed: false,
            ring: [Loan::NONE; RING],
            tail: 0,
            local_gate: Gate::OPEN,
            kick: false,
            bell: 0,
            waiters: 0,
            head: 0,
            word: [FrameWord::FREE; FRAMES],
            slot,
            message: false,
            ledger: [LedgerLine {
                lent: false,
                serial: 0,
            }; FRAMES],
            credited: 0,
            aside: [false; FRAMES],
            poller: Poller::new(scenario.publishes),
            control: Control::new(scenario, self.first_of_stop()),
            client: std::array::from_fn(|who| {
                let calls = scenario.alone.is_none_or(|alone| alone == who);
                Client::new(if calls { scenario.calls } else { 0 })
            }),
            stopper: Stopper::new(scenario.local_pulses),
            killed: false,
            leaver: Leaver::new(scenario),
            left: false,
            ctl_gone: false,
            frames_gone: false,
            seg_gone: false,
            deferred: Deferred::Attached,
            pins: [false; FRAMES],
            handles: scenario.handles != Handles::None,
            succeeded: false,
        }
    }

    fn pack(&self, state: &State) -> Packed {
        Fields::pack(*state)
    }

    fn unpack(&self, packed: &Packed) -> State {
        Fields::unpack(self.initial(), packed)
    }

    fn successors(&self, state: &State, steps: &mut Steps<State>) -> Result<(), Violation> {
        for who in 0..CLIENTS {
            self.client_steps(state, who, steps)?;
        }
        self.poller_steps(state, steps)?;
        self.control_steps(state, steps)?;
        self.stopper_steps(state, steps);
        self.leaver_steps(state, steps)?;
        self.death_steps(state, steps);
        self.successor_steps(state, steps);
        Ok(())
    }

    fn quiescent(&self, state: &State) -> Result<(), Violation> {
        invariant::quiescent(&self.scenario, state)?;
        leave::quiescent(self, state)
    }
}
