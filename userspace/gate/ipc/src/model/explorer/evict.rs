//! Evict and quarantine: the daemon closes an attachment for good while its process lives.
//!
//! The state changes first, so that a caller that finds a closed gate also finds the reason; then
//! the gate, the event counts, the wake-ups. An evict then takes each loaned frame back by
//! exchanging its word: a frame that a caller held is set aside, and not written again before its
//! process is gone. A quarantine does not touch the frames.

use super::*;

plain! {
    struct Evict {
        /// Its place in [`Scenario::closing`].
        at: Option<usize>,
        /// It will be requested.
        asked: bool,
        done: bool,
        /// The frame that it has reached.
        frame: usize,
        /// Mutant only: the value of its word, read in an earlier step.
        found: Option<FrameState>,
    }
}

impl Explorer {
    /// Begins an evict between two turns of the control thread.
    pub(super) fn ask_to_evict(&self, now: &GateState, steps: &mut Steps<GateState>) {
        if now.control.evict.asked && !now.control.reconciled && self.is_between(now) {
            let mut next = *now;
            next.control.evict.asked = false;
            next.control.evict.at = Some(0);
            self.look_again(now, &mut next);
            steps.push(CONTROL, "evict: asked", next);
        }
    }

    pub(super) fn evict(
        &self,
        at: usize,
        now: &GateState,
        next: &mut GateState,
    ) -> Result<Move, Violation> {
        let table = self.scenario.closing();
        if table[at] == Op::Revoke {
            return self.revoke(now, next);
        }
        // Ghosts: the attachment is closed for good.
        if table[at] == Op::CloseSession && now.session_gate.is_open() {
            for client in &mut next.client {
                client.slept_at_end |= client.is_asleep();
            }
        }
        let (moved, after) = self.scenario.take_step(table, at, now, next);
        next.control.evict.at = after;
        next.control.evict.done = after.is_none();
        Ok(moved)
    }

    /// The owner of the ledger takes one frame back, between two bursts.
    fn revoke(&self, now: &GateState, next: &mut GateState) -> Result<Move, Violation> {
        if let Some(found) = now.control.evict.found {
            self.take_back(next, found)?;
            return Ok(Move::Step("evict: store REVOKED"));
        }
        if now.poller.at.is_some() {
            return Ok(Move::Blocked);
        }
        let frame = now.control.evict.frame;
        if !now.ledger[frame].loaned {
            self.next_frame(next)?;
            return Ok(Move::Step("evict: a frame is not on loan"));
        }
        let found = now.word[frame].state;
        if self.scenario.is(Mutant::RevokeNoSwap) {
            next.control.evict.found = Some(found);
            return Ok(Move::Step("evict: read a word"));
        }
        self.take_back(next, found)?;
        Ok(Move::Step("evict: swap a word to REVOKED"))
    }

    /// Credits the frame that the evict has reached, whose word said `found`.
    fn take_back(&self, next: &mut GateState, found: FrameState) -> Result<(), Violation> {
        let at = next.control.evict.frame;
        let loan = next.loan(at);
        next.word[at] = FrameWord::new(FrameState::Revoked, loan.serial, 0);
        if found == FrameState::Held && !self.scenario.is(Mutant::ReuseHeld) {
            set_aside(next, loan)?;
        } else {
            credit(next, loan)?;
        }
        next.ledger[at].loaned = self.scenario.is(Mutant::CreditAtEvictAndEnd);
        self.next_frame(next)
    }

    fn next_frame(&self, next: &mut GateState) -> Result<(), Violation> {
        let evict = &mut next.control.evict;
        evict.found = None;
        evict.frame = (evict.frame + 1) % FRAMES;
        if evict.frame > 0 {
            return Ok(());
        }
        let after = evict.at.map(|at| at + 1);
        evict.at = after.filter(|&at| at < self.scenario.closing().len());
        evict.done = evict.at.is_none();
        if self.scenario.is(Mutant::AsideReleasedEarly) {
            release_aside(next)?;
        }
        Ok(())
    }
}

impl Scenario {
    /// Whether the attachment counts no user: neither in its slots nor by its frames.
    pub(super) fn is_evicted(&self, now: &GateState) -> bool {
        self.evicted && now.control.evict.done
    }

    /// Whether the poller skips the attachment: its lender is being emptied, or gone.
    pub(super) fn is_revoking(&self, now: &GateState) -> bool {
        let evict = &now.control.evict;
        let revokes = evict.at.is_some_and(|at| self.closing()[at] == Op::Revoke);
        revokes || evict.done && !self.is(Mutant::RevokeBeforeGate)
    }
}
