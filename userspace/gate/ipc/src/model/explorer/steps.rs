//! Steps on the shared words that an actor takes in a fixed order, as tables. A mutant that omits
//! or moves a step is another table.

use super::*;
use Op::*;

/// A step on the shared words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    CloseLocal,
    OpenLocal,
    CloseSession,
    OpenSession,
    /// The state is no longer "open".
    SetState,
    /// The loan that is being published: ring entry and tail.
    StoreEntry,
    /// Event count += 1.
    Notify,
    /// Reads the waiters; without any, this many steps are skipped.
    LookAtWaiters(usize),
    WakeOne,
    WakeAll,
    WakeStarter,
    WakeStarters,
    /// Takes the loaned frames back, one by one: in `evict`.
    Revoke,
    /// The end of one branch of a table.
    End,
}

impl Scenario {
    /// The client's own stop and start, or the stop alone.
    pub(super) fn local_pulse(&self) -> &'static [Op] {
        match self.mutant {
            Some(Mutant::HandlerNotifiesNot) => &[
                CloseLocal,
                LookAtWaiters(1),
                WakeAll,
                WakeStarters,
                OpenLocal,
                WakeStarters,
            ],
            Some(Mutant::LocalStopWakesNoStarter) => {
                &[CloseLocal, Notify, LookAtWaiters(1), WakeAll]
            }
            _ if self.local_stays => &[CloseLocal, Notify, LookAtWaiters(1), WakeAll, WakeStarters],
            _ => &[
                CloseLocal,
                Notify,
                LookAtWaiters(1),
                WakeAll,
                WakeStarters,
                OpenLocal,
                WakeStarters,
            ],
        }
    }

    /// The session's stop and start. The daemon may wake more than one, up to a bound of its choice.
    pub(super) fn session_pulse(&self) -> &'static [Op] {
        match self.mutant {
            Some(Mutant::CountBeforeGate) => {
                &[Notify, CloseSession, WakeOne, OpenSession, WakeStarter]
            }
            _ => &[CloseSession, Notify, WakeOne, OpenSession, WakeStarter],
        }
    }

    /// publish, after the frame word.
    pub(super) fn publish(&self) -> &'static [Op] {
        match self.mutant {
            Some(Mutant::WakeBeforePublish) => &[Notify, LookAtWaiters(1), WakeOne, StoreEntry],
            Some(Mutant::WaitersBeforeCount | Mutant::BothWaiters) => {
                &[StoreEntry, LookAtWaiters(3), Notify, WakeOne, End, Notify]
            }
            _ => &[StoreEntry, Notify, LookAtWaiters(1), WakeOne],
        }
    }

    /// Evict; or quarantine, which does not touch the frames.
    pub(super) fn closing(&self) -> &'static [Op] {
        match self.mutant {
            Some(Mutant::StateAfterCounts) => {
                &[CloseSession, Notify, WakeOne, SetState, WakeStarter, Revoke]
            }
            Some(Mutant::RevokeBeforeGate) => {
                &[Revoke, SetState, WakeStarter, CloseSession, Notify, WakeOne]
            }
            Some(Mutant::EvictWakesNone) => &[SetState, WakeStarter, CloseSession, Notify, Revoke],
            Some(Mutant::EvictWakesNoStarter) => &[SetState, CloseSession, Notify, WakeOne, Revoke],
            _ if self.quarantined => &[SetState, WakeStarter, CloseSession, Notify, WakeOne],
            _ => &[SetState, WakeStarter, CloseSession, Notify, WakeOne, Revoke],
        }
    }

    /// Takes the step at `at`. Returns the next position, or `None` at the table's end.
    pub(super) fn take_step(
        &self,
        table: &[Op],
        at: usize,
        now: &GateState,
        next: &mut GateState,
    ) -> (Move, Option<usize>) {
        let skipped = match table[at] {
            LookAtWaiters(skipped) if now.waiters == 0 => skipped,
            _ => 0,
        };
        let after = at + 1 + skipped;
        let ends = table.get(after).is_none_or(|op| *op == End);
        (self.perform(table[at], now, next), (!ends).then_some(after))
    }

    fn perform(&self, op: Op, now: &GateState, next: &mut GateState) -> Move {
        Move::Step(match op {
            CloseLocal => {
                next.local_gate = now.local_gate.stopped();
                next.note_stop();
                "close local gate"
            }
            OpenLocal => {
                next.local_gate = now.local_gate.started();
                next.client
                    .iter_mut()
                    .for_each(|it| it.barred_local = false);
                "open local gate"
            }
            CloseSession => {
                next.session_gate = now.session_gate.stopped();
                next.note_stop();
                "close session gate"
            }
            OpenSession => {
                if !now.closed || self.is(Mutant::StartReopensEvicted) {
                    next.session_gate = now.session_gate.started();
                    next.client
                        .iter_mut()
                        .for_each(|it| it.barred_session = false);
                }
                "open session gate"
            }
            SetState => {
                next.closed = true;
                "state = closed"
            }
            StoreEntry => {
                next.ring[usize::from(now.tail)] = now.poller.loan;
                next.tail += 1;
                "ring entry and tail"
            }
            Notify => {
                next.event_count += 1;
                "event count += 1"
            }
            LookAtWaiters(_) => "read waiters",
            WakeOne => return Move::Wake(WakeTarget::One, "wake one"),
            WakeAll => return Move::Wake(WakeTarget::All, "wake all"),
            WakeStarter => {
                return Move::Wake(WakeTarget::OneStarter, "wake one that waits for a start");
            }
            WakeStarters => {
                return Move::Wake(WakeTarget::AllStarters, "wake those that wait for a start");
            }
            Revoke | End => return Move::Blocked,
        })
    }
}
