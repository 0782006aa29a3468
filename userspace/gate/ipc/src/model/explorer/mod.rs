//! The exhaustive explorer of the gate: two client threads, a local stopper, the poller and the
//! control thread, in every order, with a death at any step.
//!
//! Each step below is one atomic action on shared words, or several of which other threads can see
//! only the first or the last. The positions ([`client::ClientAt`], [`control::ControlAt`]) and the
//! tables in [`steps`] name the protocol's steps; `docs/gate.md` lists them. Memory is sequentially consistent here: `store_buffer` covers the plain counts and
//! the membarrier, loom covers the orderings.
//!
//! Not in the model: attach, a process that leaves, the daemon's death, the event count of events,
//! the rescan timer (a backstop that would hide lost notifications), a slot claimed by two threads
//! at once, a ring that wraps. The simulator covers those that the product's own code can
//! show under a random scheduler.

mod client;
mod control;
mod deaths;
mod invariant;
mod mutants;
mod scenario;
mod state;
mod steps;

plain! {
    /// The local stopper. `at`: its place in [`Scenario::local_pulse`].
    struct Stopper { at: usize, pulses_left: u8, }
}

impl Scenario {
    /// Whether thread 0 is suspended because the stopper runs as a handler on it.
    fn handler_runs(&self, now: &GateState) -> bool {
        let op = self.local_pulse()[now.stopper.at];
        let starts = now.stopper.at > 0 && self.local_pulse()[now.stopper.at - 1] == Op::OpenLocal;
        let wakes = matches!(op, Op::WakeAll | Op::WakeStarters) && !starts;
        let inside = wakes || matches!(op, Op::Notify | Op::LookAtWaiters(_));
        self.local_in_handler && inside
    }
}
mod tests;

use super::plain;
use super::search::{Model, Steps, is_caught, passes};
use client::{CallOutcome, Client, ClientAt};
use control::{Control, ControlAt, Poller};
use deaths::{Evict, Exit, ExitAt, notify_exit};
use invariant::{Violation, check_destroy, check_return, credit, release_aside, set_aside};
use mutants::Mutant;
use scenario::{BASE, Scenario};
use state::{
    CLIENTS, FRAMES, FrameState, FrameWord, GateState, GateValue, LedgerLine, Loan, RING, Slot,
};
use steps::Op;

/// Names of the actors in a trace.
const NAMES: [&str; CLIENTS] = ["T0", "T1"];
const POLLER: &str = "poller";
const CONTROL: &str = "control";

/// The gate in one scenario.
struct Explorer {
    scenario: Scenario,
}

/// A step of a thread, with its effect for a trace.
enum Move {
    /// Nothing: it waits, or has ended.
    Blocked,
    Step(&'static str),
    /// A step with a `FUTEX_WAKE`.
    Wake(WakeTarget, &'static str),
}

/// The sleepers that a wake ends: on the event count, or on gates and state (starters).
#[derive(Clone, Copy, PartialEq, Eq)]
enum WakeTarget {
    /// Each choice of one is a successor.
    One,
    All,
    OneStarter,
    AllStarters,
}

impl Model for Explorer {
    type State = GateState;
    type Violation = Violation;

    fn initial(&self) -> GateState {
        let scenario = &self.scenario;
        let publishes_left = scenario.publishes;
        assert!(
            usize::from(publishes_left) <= RING,
            "the ring does not wrap in the model"
        );
        GateState {
            session_gate: GateValue::OPEN,
            local_gate: GateValue::OPEN,
            slot: std::array::from_fn(|who| Slot {
                owned: scenario.slot_of(who) == who && !scenario.shared_slot,
                ..Slot::default()
            }),
            poller: Poller {
                publishes_left,
                ..Poller::default()
            },
            control: Control {
                pulses_left: scenario.session_pulses,
                evict: Evict {
                    asked: scenario.evicted,
                    ..Evict::default()
                },
                ..Control::default()
            },
            client: [Client::new(scenario.calls); CLIENTS],
            stopper: Stopper {
                pulses_left: scenario.local_pulses,
                ..Stopper::default()
            },
            ..GateState::default()
        }
    }

    fn successors(&self, now: &GateState, steps: &mut Steps<GateState>) -> Result<(), Violation> {
        for (who, name) in NAMES.into_iter().enumerate() {
            let mut next = *now;
            let moved = self.client(now, who, &mut next, steps)?;
            self.push(name, moved, next, steps);
        }
        let mut next = *now;
        let moved = self.poller(now, &mut next, steps)?;
        self.push(POLLER, moved, next, steps);
        let mut next = *now;
        let moved = self.control(now, &mut next, steps)?;
        self.push(CONTROL, moved, next, steps);
        let mut next = *now;
        let moved = self.stopper(now, &mut next);
        self.push("stopper", moved, next, steps);
        self.deaths(now, steps);
        self.succession(now, steps);
        Ok(())
    }

    fn quiescent(&self, state: &GateState) -> Result<(), Violation> {
        invariant::check_final(self, state)
    }
}

impl Explorer {
    /// Enters a thread's step, whose effect is `next`.
    fn push(
        &self,
        actor: &'static str,
        moved: Move,
        next: GateState,
        steps: &mut Steps<GateState>,
    ) {
        let (target, action) = match moved {
            Move::Blocked => return,
            Move::Step(action) => return steps.push(actor, action, next),
            Move::Wake(target, action) => (target, action),
        };
        let place = match target {
            WakeTarget::One | WakeTarget::All => ClientAt::Asleep,
            WakeTarget::OneStarter | WakeTarget::AllStarters => ClientAt::StartAsleep,
        };
        let sleeps = |who: &usize| next.alive(*who) && next.client[*who].at == place;
        let wake = |state: &mut GateState, who: usize| match place {
            ClientAt::Asleep => self.scenario.end_sleep(&mut state.client[who]),
            _ => state.client[who].start_over(),
        };
        let all = matches!(target, WakeTarget::All | WakeTarget::AllStarters);
        if all || !(0..CLIENTS).any(|who| sleeps(&who)) {
            let mut woken = next;
            (0..CLIENTS)
                .filter(sleeps)
                .for_each(|who| wake(&mut woken, who));
            return steps.push(actor, action, woken);
        }
        for who in (0..CLIENTS).filter(sleeps) {
            let mut woken = next;
            wake(&mut woken, who);
            steps.push(actor, action, woken);
        }
    }

    fn stopper(&self, now: &GateState, next: &mut GateState) -> Move {
        let Stopper { at, pulses_left } = now.stopper;
        let in_handler = self.scenario.local_in_handler;
        if now.killed || pulses_left == 0 || in_handler && now.client[0].dead {
            return Move::Blocked;
        }
        let (moved, after) = self
            .scenario
            .take_step(self.scenario.local_pulse(), at, now, next);
        if in_handler && at == 0 {
            next.client[0].interrupt();
        }
        next.stopper.at = after.unwrap_or(0);
        next.stopper.pulses_left -= u8::from(after.is_none());
        moved
    }
}
