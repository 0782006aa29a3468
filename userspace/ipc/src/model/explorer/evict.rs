//! Evict and quarantine: the daemon closes an attachment for good while its process lives.
//!
//! The state changes first, so that a caller that finds a closed gate also finds the reason; then
//! the gate, the event counts, the wake-ups. An evict then takes each loaned frame back by
//! exchanging its word: a frame that a caller held is set aside, and not written again before its
//! process is gone. A quarantine does not touch the frames.

use super::*;
use EvictAt::*;

plain! {
    /// The next step of the evict, or of the quarantine. `StoreWord` is of a mutant only: the word
    /// was read in an earlier step, and is written now.
    enum EvictAt { Idle, SetState, WakeStarter, CloseGate, Notify, WakeOne, Revoke, StoreWord, Done, }

    struct Evict {
        at: EvictAt,
        /// It will be requested.
        asked: bool,
        /// The frame that it has reached.
        frame: usize,
        /// Mutant only: the value read from its word.
        found: FrameState,
    }
}

impl Evict {
    pub(super) fn is_in_progress(&self) -> bool {
        !matches!(self.at, Idle | Done)
    }
}

impl Explorer {
    /// Begins an evict between two turns of the control thread.
    pub(super) fn ask_to_evict(&self, now: &State, steps: &mut Steps<State>) {
        if now.control.evict.asked && !now.control.reconciled && self.is_between(now) {
            let mut next = *now;
            next.control.evict.asked = false;
            next.control.evict.at = self.first_of_evict();
            self.look_again(now, &mut next);
            steps.push(CONTROL, "evict: asked", next);
        }
    }

    /// The first step of an evict or a quarantine.
    pub(super) fn first_of_evict(&self) -> EvictAt {
        match self.scenario.mutant {
            Some(Mutant::StateAfterCounts) => CloseGate,
            Some(Mutant::RevokeBeforeGate) => Revoke,
            _ => SetState,
        }
    }

    pub(super) fn evict(&self, now: &State, next: &mut State) -> Result<Move, Violation> {
        let revoke = if self.scenario.quarantined {
            Done
        } else {
            Revoke
        };
        let mutant = self.scenario.mutant;
        let (at, moved) = match now.control.evict.at {
            SetState => {
                next.closed = true;
                let at = self.either(Mutant::EvictWakesNoStarter, CloseGate, WakeStarter);
                (at, Move::Step("evict: state = closed"))
            }
            WakeStarter => {
                let at = self.either(Mutant::StateAfterCounts, revoke, CloseGate);
                let moved = Move::Wake(Whom::OneStarter, "evict: wake one that waits for a start");
                (at, moved)
            }
            CloseGate => {
                // Ghosts: the attachment was just closed for good.
                if now.session_gate.is_open() {
                    for client in &mut next.client {
                        client.slept_at_end |= client.is_asleep();
                    }
                }
                next.session_gate = now.session_gate.stopped();
                next.note_stop();
                (Notify, Move::Step("evict: close session gate"))
            }
            Notify => {
                next.event_count += 1;
                let at = self.either(Mutant::EvictWakesNone, revoke, WakeOne);
                (at, Move::Step("evict: event count += 1"))
            }
            WakeOne => {
                let at = match mutant {
                    Some(Mutant::StateAfterCounts) => SetState,
                    Some(Mutant::RevokeBeforeGate) => Done,
                    _ => revoke,
                };
                (at, Move::Wake(Whom::One, "evict: wake one"))
            }
            Revoke => return self.revoke(now, next),
            _ => {
                self.take_back(next, now.control.evict.found)?;
                return Ok(Move::Step("evict: store REVOKED"));
            }
        };
        next.control.evict.at = at;
        Ok(moved)
    }

    /// The owner of the ledger takes one frame back, between two bursts.
    fn revoke(&self, now: &State, next: &mut State) -> Result<Move, Violation> {
        if !matches!(now.poller.at, PollerAt::Idle | PollerAt::HandedOver) {
            return Ok(Move::Blocked);
        }
        let frame = now.control.evict.frame;
        if !now.ledger[frame].lent {
            self.next_frame(next)?;
            return Ok(Move::Step("evict: a frame is not lent"));
        }
        let found = now.word[frame].state;
        if self.is(Mutant::RevokeNoSwap) {
            next.control.evict.found = found;
            next.control.evict.at = StoreWord;
            return Ok(Move::Step("evict: read a word"));
        }
        self.take_back(next, found)?;
        Ok(Move::Step("evict: swap a word to REVOKED"))
    }

    /// Credits the frame that the evict has reached, whose word said `found`.
    fn take_back(&self, next: &mut State, found: FrameState) -> Result<(), Violation> {
        let at = next.control.evict.frame;
        let loan = next.loan(at);
        next.word[at] = FrameWord::new(FrameState::Revoked, loan.serial, 0);
        if found == FrameState::Held && !self.is(Mutant::ReuseHeld) {
            set_aside(next, loan)?;
        } else {
            credit(next, loan)?;
        }
        next.ledger[at].lent = self.is(Mutant::CreditAtEvictAndEnd);
        self.next_frame(next)
    }

    fn next_frame(&self, next: &mut State) -> Result<(), Violation> {
        let evict = &mut next.control.evict;
        evict.found = FrameState::default();
        evict.frame = (evict.frame + 1) % FRAMES;
        evict.at = match (evict.frame, self.is(Mutant::RevokeBeforeGate)) {
            (0, true) => SetState,
            (0, false) => Done,
            _ => Revoke,
        };
        if evict.frame == 0 && self.is(Mutant::AsideReleasedEarly) {
            release_aside(next)?;
        }
        Ok(())
    }

    /// Whether the attachment counts no user: neither in its slots nor by its frames.
    pub(super) fn is_evicted(&self, now: &State) -> bool {
        self.scenario.evicted && now.control.evict.at == Done
    }

    /// Whether the poller skips the attachment: its lender is being emptied, or gone.
    pub(super) fn is_revoking(&self, now: &State) -> bool {
        match now.control.evict.at {
            Done => !self.is(Mutant::RevokeBeforeGate),
            at => matches!(at, Revoke | StoreWord),
        }
    }
}
