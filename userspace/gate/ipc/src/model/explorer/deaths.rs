//! Deaths, and the daemon's reaction: it credits what an exited thread left behind, empties its slot
//! and notifies; and it credits everything of a process that was killed.
//!
//! The control thread reads a dead thread's slot, the owner of the ledger credits its frame, and
//! only then is the slot emptied, so that no thread can claim it in between.

use super::*;

plain! {
    /// The reconciliation of an exited thread: none; the slot was read and the owner of the ledger
    /// has to credit its frame; credited, or found to belong to another thread; the slot was
    /// emptied, and the event count has to move; wake one.
    enum ExitAt { Settled, Asked, Answered, Notify, WakeOne, }

    struct Exit {
        at: ExitAt,
        /// Reports of the exit still to come: the probe's, and the scan of `task/`.
        reports: u8,
        /// Contents of the slot: its owner, its claim, and its intent.
        who: usize,
        reclaimed: bool,
        intent: Loan,
    }
}

impl Explorer {
    /// Settles what died.
    pub(super) fn settle_deaths(
        &self,
        now: &GateState,
        steps: &mut Steps<GateState>,
    ) -> Result<(), Violation> {
        let between = self.is_between(now);
        let polls = now.poller.at.is_none() && !now.poller.handed_over;
        let exit = now.control.exit;
        if exit.at != ExitAt::Settled {
            // The poller credits between two bursts of its own, the control thread between two
            // turns.
            if between || exit.at == ExitAt::Asked && polls {
                self.settle_exit(now, steps)?;
            }
            return Ok(());
        }
        if between && now.control.pidfd {
            let mut next = *now;
            next.control.pidfd = false;
            self.settle_process(now, &mut next)?;
            steps.push(CONTROL, "pidfd: settle the process", next);
        }
        if between && exit.reports > 0 {
            let mut next = *now;
            self.read_slot(now, &mut next);
            self.look_again(now, &mut next);
            steps.push(CONTROL, "exit: read the slot", next);
        }
        Ok(())
    }

    /// Credits all frames of the process: it ended.
    fn settle_process(&self, now: &GateState, next: &mut GateState) -> Result<(), Violation> {
        next.control.reconciled = true;
        next.control.exit = Exit::default();
        for frame in (0..FRAMES).filter(|&frame| now.ledger[frame].loaned) {
            credit(next, now.loan(frame))?;
        }
        release_aside(now)?;
        next.aside = [false; FRAMES];
        self.look_again(now, next);
        Ok(())
    }

    fn read_slot(&self, now: &GateState, next: &mut GateState) {
        let exit = &mut next.control.exit;
        exit.reports -= 1;
        if self.scenario.is(Mutant::StaleReading) && exit.reports == 0 {
            exit.at = ExitAt::Asked;
            return;
        }
        let dead = (0..CLIENTS).find(|&who| now.client[who].dead && now.slot[who].owned);
        let Some(who) = dead else {
            return;
        };
        let slot = now.slot[who];
        exit.at = ExitAt::Asked;
        exit.who = who;
        exit.reclaimed = slot.reclaimed;
        exit.intent = if slot.count > 0 {
            slot.intent
        } else {
            Loan::NONE
        };
        if self.scenario.is(Mutant::ReclaimFirst) {
            next.slot[who] = Slot::default();
        }
    }

    /// Credit, then empty the slot, in this order.
    fn settle_exit(&self, now: &GateState, steps: &mut Steps<GateState>) -> Result<(), Violation> {
        let mut next = *now;
        if now.control.exit.at == ExitAt::Asked {
            self.credit_exited(&mut next)?;
            next.control.exit.at = ExitAt::Answered;
            steps.push(CONTROL, "exit: credit its frame", next);
            return Ok(());
        }
        let exit = now.control.exit;
        let slot = now.slot[exit.who];
        let stale = self.scenario.is(Mutant::StaleReading);
        if slot.owned && (stale || slot.reclaimed == exit.reclaimed) {
            if now.alive(exit.who) {
                return Err(Violation::ReclaimedAlive);
            }
            // The mutant leaves the slot unchanged: the next report finds it again.
            if !self.scenario.is(Mutant::CreditTwice) {
                next.slot[exit.who] = Slot::default();
            }
        }
        if !stale {
            next.control.exit = Exit {
                reports: exit.reports,
                ..Exit::default()
            };
        }
        next.control.exit.at =
            self.scenario
                .either(Mutant::ExitNotifiesNot, ExitAt::Settled, ExitAt::Notify);
        self.look_again(now, &mut next);
        steps.push(CONTROL, "exit: empty its slot", next);
        Ok(())
    }

    /// Credits the frame that the exited thread took and did not return with, but only if the word
    /// names the loan that its slot intended, and that slot.
    fn credit_exited(&self, next: &mut GateState) -> Result<(), Violation> {
        let exit = next.control.exit;
        let frame = exit.intent.at();
        if exit.intent.serial == 0 || next.ledger[frame].serial != exit.intent.serial {
            return Ok(());
        }
        let here = usize::from(next.word[frame].slot) == exit.who;
        let its_own = next.is_loaned_and(frame, FrameState::Held)
            && (here || self.scenario.is(Mutant::CreditNoTag));
        if its_own || self.scenario.is(Mutant::CreditTwice) {
            next.word[frame] = FrameWord::default();
            credit(next, exit.intent)?;
        }
        Ok(())
    }

    /// Deaths of the client process and of its threads. The private state of the dead is reset: no
    /// thread can see it, and states that differ only in it are one state.
    pub(super) fn deaths(&self, now: &GateState, steps: &mut Steps<GateState>) {
        if self.scenario.process_killed && !now.killed {
            let mut next = *now;
            next.killed = true;
            next.client = Default::default();
            next.stopper = Stopper::default();
            next.control.pidfd = true;
            steps.push_death("SIGKILL", next);
        }
        let one_died = now.succeeded || now.client.iter().any(|client| client.dead);
        if !self.scenario.thread_exits || now.killed || one_died {
            return;
        }
        // The first thread is the one that is replaced: the other case is its mirror image.
        let mortals = if self.scenario.succeeded { 1 } else { CLIENTS };
        for who in 0..mortals {
            let handler = who == 0 && self.scenario.handler_runs(now);
            if now.client[who].at != ClientAt::Outside && !handler {
                let mut next = *now;
                next.client[who] = now.client[who].exited(now.slot[who].count > 0);
                next.control.exit.reports = 2;
                steps.push_death(["T0 exits alone", "T1 exits alone"][who], next);
            }
        }
    }

    /// A new thread claims the slot that an exited one left, and makes a call.
    pub(super) fn succession(&self, now: &GateState, steps: &mut Steps<GateState>) {
        if !self.scenario.succeeded || now.killed || now.succeeded {
            return;
        }
        for (who, name) in NAMES.into_iter().enumerate() {
            let client = &now.client[who];
            if client.dead && !now.slot[who].owned && !client.has_any() {
                let mut next = *now;
                next.succeeded = true;
                next.client[who] = Client::new(1);
                next.slot[who] = Slot {
                    owned: true,
                    reclaimed: true,
                    ..Slot::default()
                };
                steps.push(name, "a new thread claims the slot", next);
            }
        }
    }

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

/// The event count after a thread's exit.
pub(super) fn notify_exit(now: &GateState, next: &mut GateState) -> Move {
    if now.control.exit.at == ExitAt::WakeOne {
        next.control.exit.at = ExitAt::Settled;
        return Move::Wake(WakeTarget::One, "exit: wake one");
    }
    next.event_count += 1;
    next.control.exit.at = ExitAt::WakeOne;
    Move::Step("exit: event count += 1")
}

// Evict and quarantine: the daemon closes an attachment for good while its process lives.
//
// The state changes first, so that a caller that finds a closed gate also finds the reason; then
// the gate, the event counts, the wake-ups. An evict then takes each loaned frame back by
// exchanging its word: a frame that a caller held is set aside, and not written again before its
// process is gone. A quarantine does not touch the frames.

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
