//! The client's own stop and start: another thread of the process, or a signal handler of thread 0.

use super::*;
use StopperAt::*;

plain! {
    /// The next step of the local stopper.
    enum StopperAt { CloseGate, Notify, LookAtWaiters, WakeAll, OpenGate, WakeStarters, }

    struct Stopper { at: StopperAt, pulses_left: u8, }
}

impl Explorer {
    /// Whether thread 0 is suspended because the stopper runs as a handler on it.
    pub(super) fn handler_runs(&self, now: &State) -> bool {
        let inside = matches!(now.stopper.at, Notify | LookAtWaiters | WakeAll);
        self.scenario.local_in_handler && inside
    }

    pub(super) fn stopper(&self, now: &State, next: &mut State) -> Move {
        let in_handler = self.scenario.local_in_handler;
        if now.killed || now.stopper.pulses_left == 0 || in_handler && now.client[0].dead {
            return Move::Blocked;
        }
        let (at, moved) = match now.stopper.at {
            CloseGate => {
                next.local_gate = now.local_gate.stopped();
                next.note_stop();
                if in_handler {
                    next.client[0].interrupt();
                }
                let at = self.either(Mutant::HandlerNotifiesNot, LookAtWaiters, Notify);
                (at, Move::Step("stop: close local gate"))
            }
            Notify => {
                next.event_count += 1;
                (LookAtWaiters, Move::Step("stop: event count += 1"))
            }
            LookAtWaiters => {
                let at = if now.waiters == 0 { OpenGate } else { WakeAll };
                (at, Move::Step("stop: read waiters"))
            }
            WakeAll => (OpenGate, Move::Wake(Whom::All, "stop: wake all")),
            OpenGate => {
                next.local_gate = now.local_gate.started();
                for client in &mut next.client {
                    client.barred_local = false;
                }
                (WakeStarters, Move::Step("start: open local gate"))
            }
            WakeStarters => {
                next.stopper.pulses_left -= 1;
                let moved = Move::Wake(Whom::AllStarters, "start: wake those that wait for it");
                (CloseGate, moved)
            }
        };
        next.stopper.at = at;
        moved
    }
}
