//! The client's own stop and start: another thread of the process, or a signal handler of thread 0.

use super::Explorer;
use super::client::note_stop;
use super::evict::wake_starters;
use super::scenario::Mutant;
use super::state::State;
use crate::model::pack::{Bits, choices};
use crate::model::search::Steps;

const NAME: &str = "stopper";

choices! {
    /// The next step of the local stopper.
    StopperAt {
        /// stop: clear RUN in the local gate.
        CloseGate,
        /// stop: event count += 1.
        Notify,
        /// stop: read waiters.
        LookAtWaiters,
        /// stop: wake all.
        WakeAll,
        /// start: the gate's next generation.
        OpenGate,
        /// start: wake those that wait for it.
        WakeStarters,
    }
}

/// The local stopper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stopper {
    at: StopperAt,
    pulses_left: u8,
}

impl Stopper {
    /// A stopper with this many stop→start pulses to make.
    pub(super) fn new(pulses: u8) -> Self {
        Self {
            at: StopperAt::CloseGate,
            pulses_left: pulses,
        }
    }

    #[inline(always)]
    pub(super) fn visit(&mut self, bits: &mut impl Bits) {
        self.at.visit(bits);
        bits.number(&mut self.pulses_left, 2);
    }
}

impl Explorer {
    /// Whether thread 0 is suspended because the stopper runs as a handler on it.
    pub(super) fn handler_runs(&self, state: &State) -> bool {
        self.scenario.local_in_handler
            && matches!(
                state.stopper.at,
                StopperAt::Notify | StopperAt::LookAtWaiters | StopperAt::WakeAll
            )
    }

    /// The steps of the local stopper.
    pub(super) fn stopper_steps(&self, state: &State, steps: &mut Steps<State>) {
        let in_handler = self.scenario.local_in_handler;
        if state.killed || state.stopper.pulses_left == 0 || in_handler && state.client[0].dead {
            return;
        }
        let mut next = *state;
        let action = match state.stopper.at {
            StopperAt::CloseGate => {
                next.local_gate = state.local_gate.stopped();
                note_stop(&mut next);
                if in_handler {
                    next.client[0].interrupt();
                }
                next.stopper.at = if self.scenario.is(Mutant::HandlerNoBell) {
                    StopperAt::LookAtWaiters
                } else {
                    StopperAt::Notify
                };
                "stop: close local gate"
            }
            StopperAt::Notify => {
                next.bell += 1;
                next.stopper.at = StopperAt::LookAtWaiters;
                "stop: event count += 1"
            }
            StopperAt::LookAtWaiters => {
                next.stopper.at = if state.waiters == 0 {
                    StopperAt::OpenGate
                } else {
                    StopperAt::WakeAll
                };
                "stop: read waiters"
            }
            StopperAt::WakeAll => {
                next.stopper.at = StopperAt::OpenGate;
                self.wake(next, true, NAME, "stop: wake all", steps);
                return;
            }
            StopperAt::OpenGate => {
                next.local_gate = state.local_gate.started();
                for client in &mut next.client {
                    client.barred_local = false;
                }
                next.stopper.at = StopperAt::WakeStarters;
                "start: open local gate"
            }
            StopperAt::WakeStarters => {
                wake_starters(&mut next);
                next.stopper.at = StopperAt::CloseGate;
                next.stopper.pulses_left -= 1;
                "start: wake who waits for it"
            }
        };
        steps.push(NAME, action, next);
    }
}
