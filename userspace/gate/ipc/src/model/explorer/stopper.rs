//! The client's own stop and start: another thread of the process, or a signal handler of thread 0.

use super::*;

plain! {
    /// The local stopper. `at`: its place in [`Scenario::local_pulse`].
    struct Stopper { at: usize, pulses_left: u8, }
}

impl Explorer {
    pub(super) fn stopper(&self, now: &GateState, next: &mut GateState) -> Move {
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

impl Scenario {
    /// Whether thread 0 is suspended because the stopper runs as a handler on it.
    pub(super) fn handler_runs(&self, now: &GateState) -> bool {
        let op = self.local_pulse()[now.stopper.at];
        let starts = now.stopper.at > 0 && self.local_pulse()[now.stopper.at - 1] == Op::OpenLocal;
        let wakes = matches!(op, Op::WakeAll | Op::WakeStarters) && !starts;
        let inside = wakes || matches!(op, Op::Notify | Op::LookAtWaiters(_));
        self.local_in_handler && inside
    }
}
