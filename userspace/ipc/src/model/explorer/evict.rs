//! Evict and quarantine: the daemon closes an attachment for good while its process lives.
//!
//! The state changes first, so that a caller that finds a closed gate also finds the reason; then
//! the gate, the event counts, the wake-ups. An evict then takes each loaned frame back by
//! exchanging its word: a frame that a caller held is set aside, and not written again before its
//! process is gone. A quarantine does not touch the frames.

use super::Explorer;
use super::client::{ClientAt, note_stop};
use super::control::NAME;
use super::invariant::{self, Violation};
use super::poller::PollerAt;
use super::scenario::Mutant;
use super::state::{FRAMES, FrameState, FrameWord, State};
use crate::model::pack::{Bits, choices};
use crate::model::search::Steps;

choices! {
    /// The next step of the evict, or of the quarantine.
    EvictAt {
        /// Not requested, or not yet.
        Idle,
        /// The state is no longer "open".
        SetState,
        /// wake one that waits for a start.
        WakeStarter,
        /// Clear RUN in the session's gate, as this attachment sees it.
        CloseGate,
        /// event count += 1.
        Notify,
        /// wake one.
        WakeOne,
        /// The owner of the ledger exchanges the word of a loaned frame, and credits it.
        Revoke,
        /// Mutant only: the word was read in an earlier step, and is written now.
        StoreWord,
        /// The attachment has no loan, and gets none.
        Done,
    }
}

/// An evict, or a quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Evict {
    pub(super) at: EvictAt,
    /// An evict will be requested.
    asked: bool,
    /// The frame that it has reached.
    frame: u8,
    /// Mutant only: the value read from its word.
    found: FrameState,
}

impl Evict {
    /// Not begun; `asked`: it will be requested.
    pub(super) fn new(asked: bool) -> Self {
        Self {
            at: EvictAt::Idle,
            asked,
            frame: 0,
            found: FrameState::Free,
        }
    }

    #[inline(always)]
    pub(super) fn visit(&mut self, bits: &mut impl Bits) {
        self.at.visit(bits);
        bits.flag(&mut self.asked);
        bits.number(&mut self.frame, 2);
        self.found.visit(bits);
    }
}

impl Explorer {
    /// Begins an evict between two turns of the control thread.
    pub(super) fn ask_to_evict(&self, state: &State, steps: &mut Steps<State>) {
        if state.control.evict.asked && !state.control.reconciled && self.is_between(state) {
            let mut next = *state;
            next.control.evict.asked = false;
            next.control.evict.at = self.first_of_evict();
            self.look_again(state, &mut next);
            steps.push(NAME, "evict: asked", next);
        }
    }

    /// The first step of an evict or a quarantine.
    pub(super) fn first_of_evict(&self) -> EvictAt {
        if self.scenario.is(Mutant::StateAfterBells) {
            EvictAt::CloseGate
        } else if self.scenario.is(Mutant::RevokeBeforeGate) {
            EvictAt::Revoke
        } else {
            EvictAt::SetState
        }
    }

    /// The steps of an evict or a quarantine. Returns whether the control thread is in one.
    pub(super) fn evict_steps(
        &self,
        state: &State,
        steps: &mut Steps<State>,
    ) -> Result<bool, Violation> {
        let scenario = &self.scenario;
        let mut next = *state;
        let after_bells = scenario.is(Mutant::StateAfterBells);
        let evict = &mut next.control.evict;
        let action = match state.control.evict.at {
            EvictAt::Idle | EvictAt::Done => return Ok(false),
            EvictAt::SetState => {
                evict.at = if scenario.is(Mutant::EvictWakesNoStarter) {
                    EvictAt::CloseGate
                } else {
                    EvictAt::WakeStarter
                };
                next.closed = true;
                "evict: state = closed"
            }
            EvictAt::WakeStarter => {
                evict.at = if after_bells {
                    self.first_of_revoke()
                } else {
                    EvictAt::CloseGate
                };
                self.wake_starter(next, NAME, "evict: wake one that waits for a start", steps);
                return Ok(true);
            }
            EvictAt::CloseGate => {
                evict.at = EvictAt::Notify;
                if state.session_gate.is_open() {
                    note_end(&mut next);
                }
                next.session_gate = state.session_gate.stopped();
                note_stop(&mut next);
                "evict: close session gate"
            }
            EvictAt::Notify => {
                evict.at = match scenario.mutant {
                    Some(Mutant::EvictWakesNobody) => self.first_of_revoke(),
                    _ => EvictAt::WakeOne,
                };
                next.bell += 1;
                "evict: event count += 1"
            }
            EvictAt::WakeOne => {
                evict.at = match scenario.mutant {
                    Some(Mutant::StateAfterBells) => EvictAt::SetState,
                    Some(Mutant::RevokeBeforeGate) => EvictAt::Done,
                    _ => self.first_of_revoke(),
                };
                self.wake(next, false, NAME, "evict: wake one", steps);
                return Ok(true);
            }
            EvictAt::Revoke => return self.revoke_frame(state, steps).map(|()| true),
            EvictAt::StoreWord => {
                self.take_back(&mut next, state.control.evict.found)?;
                "evict: store REVOKED"
            }
        };
        steps.push(NAME, action, next);
        Ok(true)
    }

    fn first_of_revoke(&self) -> EvictAt {
        if self.scenario.quarantined {
            EvictAt::Done
        } else {
            EvictAt::Revoke
        }
    }

    /// The owner of the ledger takes one frame back, between two bursts.
    fn revoke_frame(&self, state: &State, steps: &mut Steps<State>) -> Result<(), Violation> {
        if !matches!(state.poller.at, PollerAt::Idle | PollerAt::HandedOver) {
            return Ok(());
        }
        let mut next = *state;
        let frame = usize::from(state.control.evict.frame);
        if !state.ledger[frame].lent {
            self.next_frame(&mut next)?;
            steps.push(NAME, "evict: a frame is not lent", next);
            return Ok(());
        }
        let found = state.word[frame].state;
        if self.scenario.is(Mutant::RevokeNoSwap) {
            next.control.evict.found = found;
            next.control.evict.at = EvictAt::StoreWord;
            steps.push(NAME, "evict: read a word", next);
            return Ok(());
        }
        self.take_back(&mut next, found)?;
        steps.push(NAME, "evict: swap a word to REVOKED", next);
        Ok(())
    }

    /// Credits the frame that the evict has reached, whose word said `found`.
    fn take_back(&self, next: &mut State, found: FrameState) -> Result<(), Violation> {
        let scenario = &self.scenario;
        let frame = next.control.evict.frame;
        let at = usize::from(frame);
        let loan = next.ledger[at];
        next.word[at] = FrameWord::revoked(loan.serial);
        let held = found == FrameState::Held && !scenario.is(Mutant::ReuseHeld);
        if held {
            invariant::set_aside(next, loan.of(frame))?;
        } else {
            invariant::credit(next, loan.of(frame))?;
        }
        if scenario.is(Mutant::CreditAtEvictAndEnd) {
            next.ledger[at].lent = true;
        }
        self.next_frame(next)
    }

    fn next_frame(&self, next: &mut State) -> Result<(), Violation> {
        let evict = &mut next.control.evict;
        evict.found = FrameState::Free;
        evict.frame += 1;
        evict.at = EvictAt::Revoke;
        if usize::from(evict.frame) == FRAMES {
            evict.frame = 0;
            evict.at = if self.scenario.is(Mutant::RevokeBeforeGate) {
                EvictAt::SetState
            } else {
                EvictAt::Done
            };
            if self.scenario.is(Mutant::AsideReleasedEarly) {
                invariant::release_aside(next)?;
            }
        }
        Ok(())
    }

    /// Whether the attachment counts no user: neither in its slots nor by its frames.
    pub(super) fn is_evicted(&self, state: &State) -> bool {
        self.scenario.evicted && state.control.evict.at == EvictAt::Done
    }

    /// Whether the poller skips the attachment: its lender is being emptied, or gone.
    pub(super) fn is_revoking(&self, state: &State) -> bool {
        use EvictAt::*;
        match state.control.evict.at {
            Revoke | StoreWord => true,
            Done => !self.scenario.is(Mutant::RevokeBeforeGate),
            Idle | SetState | WakeStarter | CloseGate | Notify | WakeOne => false,
        }
    }
}

/// FUTEX_WAKE of all on the gates, by their own process.
pub(super) fn wake_starters(state: &mut State) {
    for client in &mut state.client {
        if client.at == ClientAt::StartAsleep {
            client.start_over();
        }
    }
}

/// Ghosts: the attachment was just closed for good.
fn note_end(state: &mut State) {
    for client in &mut state.client {
        client.slept_at_end |= client.at == ClientAt::Asleep;
    }
}
