//! The poller: publishes frames, credits returned ones, takes back the oldest when it has none.

use super::Explorer;
use super::invariant::{self, Violation};
use super::scenario::Mutant;
use super::state::{FRAMES, FrameState, FrameWord, LedgerLine, Loan, State};
use crate::model::pack::{Bits, choices};
use crate::model::search::Steps;

const NAME: &str = "poller";

choices! {
    /// The next step of the poller.
    PollerAt {
        /// Between two bursts: may lend, credit, take back, or hand its box over.
        Idle,
        /// publish: ring entry and tail.
        StoreEntry,
        /// publish: event count += 1.
        Notify,
        /// publish: read waiters.
        LookAtWaiters,
        /// publish: wake one.
        WakeOne,
        /// Mutants only: read waiters before the event count moves.
        LookAtWaitersEarly,
        /// Mutants only: event count += 1, without a wake.
        NotifyAlone,
        /// Mutants only: event count += 1, then wake one.
        NotifyThenWake,
        /// The control thread has the box.
        HandedOver,
    }
}

/// The poller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Poller {
    pub(super) at: PollerAt,
    pub(super) publishes_left: u8,
    /// The loan that is being published.
    lend: Loan,
}

impl Poller {
    /// An idle poller with this many frames to publish.
    pub(super) fn new(publishes: u8) -> Self {
        Self {
            at: PollerAt::Idle,
            publishes_left: publishes,
            lend: Loan::NONE,
        }
    }

    #[inline(always)]
    pub(super) fn visit(&mut self, bits: &mut impl Bits) {
        self.at.visit(bits);
        bits.number(&mut self.publishes_left, 2);
        self.lend.visit(bits);
    }
}

impl Explorer {
    /// The steps of the poller.
    pub(super) fn poller_steps(
        &self,
        state: &State,
        steps: &mut Steps<State>,
    ) -> Result<(), Violation> {
        let scenario = &self.scenario;
        let early = scenario.is(Mutant::WakeBeforePublish);
        let mut next = *state;
        match state.poller.at {
            PollerAt::Idle if self.is_revoking(state) => {}
            PollerAt::Idle => {
                self.credit_released(state, steps)?;
                if state.poller.publishes_left > 0 && !state.control.reconciled {
                    self.lend(state, steps)?;
                }
            }
            PollerAt::StoreEntry => {
                next.ring[usize::from(state.tail)] = state.poller.lend;
                next.tail += 1;
                next.poller.at = if early {
                    PollerAt::Idle
                } else {
                    self.first_ring()
                };
                if early {
                    next.poller.lend = Loan::NONE;
                }
                steps.push(NAME, "ring entry and tail", next);
            }
            PollerAt::Notify => {
                next.bell += 1;
                next.poller.at = PollerAt::LookAtWaiters;
                steps.push(NAME, "event count += 1", next);
            }
            PollerAt::LookAtWaiters => {
                if state.waiters == 0 {
                    self.end_of_publish(&mut next.poller);
                } else {
                    next.poller.at = PollerAt::WakeOne;
                }
                steps.push(NAME, "read waiters", next);
            }
            PollerAt::WakeOne => {
                self.end_of_publish(&mut next.poller);
                self.wake(next, false, NAME, "wake one", steps);
            }
            PollerAt::LookAtWaitersEarly => {
                next.poller.at = if state.waiters == 0 {
                    PollerAt::NotifyAlone
                } else {
                    PollerAt::NotifyThenWake
                };
                steps.push(NAME, "read waiters, early", next);
            }
            PollerAt::NotifyAlone => {
                next.bell += 1;
                next.poller = Poller::new(state.poller.publishes_left);
                steps.push(NAME, "event count += 1, no wake", next);
            }
            PollerAt::NotifyThenWake => {
                next.bell += 1;
                next.poller.at = PollerAt::WakeOne;
                steps.push(NAME, "event count += 1", next);
            }
            PollerAt::HandedOver => {}
        }
        Ok(())
    }

    fn end_of_publish(&self, poller: &mut Poller) {
        if self.scenario.is(Mutant::WakeBeforePublish) {
            poller.at = PollerAt::StoreEntry;
        } else {
            *poller = Poller::new(poller.publishes_left);
        }
    }

    fn first_ring(&self) -> PollerAt {
        if self.scenario.waiters_before_bell() {
            PollerAt::LookAtWaitersEarly
        } else {
            PollerAt::Notify
        }
    }

    /// Credits each frame whose word says RELEASED under the ledger's serial.
    fn credit_released(&self, state: &State, steps: &mut Steps<State>) -> Result<(), Violation> {
        for (frame, loan) in (0u8..).zip(state.ledger) {
            let word = state.word[usize::from(frame)];
            if loan.lent && word.state == FrameState::Released && word.serial == loan.serial {
                let mut next = *state;
                next.word[usize::from(frame)] = FrameWord::FREE;
                invariant::credit(&mut next, loan.of(frame))?;
                steps.push(NAME, "credit a released frame", next);
            }
        }
        Ok(())
    }

    /// Loans a free frame, or takes back the oldest one when all are on loan.
    fn lend(&self, state: &State, steps: &mut Steps<State>) -> Result<(), Violation> {
        let scenario = &self.scenario;
        let mut next = *state;
        if let Some(frame) = (0..FRAMES).find(|&frame| !state.ledger[frame].lent) {
            next.poller.publishes_left -= 1;
            let serial = scenario.publishes - next.poller.publishes_left;
            next.ledger[frame] = LedgerLine { lent: true, serial };
            next.word[frame] = FrameWord::ready(serial);
            next.poller.lend = Loan {
                frame: u8::try_from(frame).expect("there are two frames"),
                serial,
            };
            next.poller.at = if scenario.is(Mutant::WakeBeforePublish) {
                PollerAt::Notify
            } else {
                PollerAt::StoreEntry
            };
            steps.push(NAME, "lend a frame: word = READY", next);
            return Ok(());
        }
        let oldest = (0..FRAMES)
            .min_by_key(|&frame| state.ledger[frame].serial)
            .expect("there are frames");
        let word = state.word[oldest];
        let taken_back = if scenario.is(Mutant::ReclaimNoCas) {
            word.state != FrameState::Released
        } else {
            word == FrameWord::ready(state.ledger[oldest].serial)
        };
        if taken_back {
            next.word[oldest] = FrameWord::FREE;
            let frame = u8::try_from(oldest).expect("there are two frames");
            invariant::credit(&mut next, state.ledger[oldest].of(frame))?;
            steps.push(NAME, "take back the oldest frame", next);
        }
        Ok(())
    }
}

impl LedgerLine {
    /// The loan of `frame` in this line.
    pub(super) fn of(self, frame: u8) -> Loan {
        Loan {
            frame,
            serial: self.serial,
        }
    }
}
