//! The daemon's reaction to deaths: it credits what an exited thread left behind, empties its slot
//! and notifies; and it credits everything of a process that was killed.
//!
//! The control thread reads a dead thread's slot, the owner of the ledger credits its frame, and
//! only then is the slot emptied, so that no thread can claim it in between.

use super::Explorer;
use super::client::{Client, ClientAt, Outcome};
use super::control::{Control, ControlAt, NAME};
use super::invariant::{self, Violation};
use super::poller::PollerAt;
use super::scenario::Mutant;
use super::state::{CLIENTS, FRAMES, FrameState, FrameWord, Loan, Slot, State};
use super::stopper::Stopper;
use crate::model::pack::{Bits, choices};
use crate::model::search::Steps;

choices! {
    /// State of the reconciliation of an exited thread.
    ExitAt {
        /// None in progress.
        Settled,
        /// The slot was read; the owner of the ledger has to credit its frame.
        Asked,
        /// Credited, or found to belong to another thread.
        Answered,
        /// The slot was emptied: event count += 1.
        Notify,
        /// wake one.
        WakeOne,
    }
}

/// The reconciliation of one exited thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exit {
    pub(super) at: ExitAt,
    /// Reports of the exit still to come: the probe's, and the scan of `task/`.
    pub(super) reports: u8,
    /// Contents of the slot: its owner, its claim, and its intent.
    who: u8,
    reclaimed: bool,
    intent: Loan,
}

impl Exit {
    pub(super) const NONE: Self = Self {
        at: ExitAt::Settled,
        reports: 0,
        who: 0,
        reclaimed: false,
        intent: Loan::NONE,
    };

    #[inline(always)]
    pub(super) fn visit(&mut self, bits: &mut impl Bits) {
        self.at.visit(bits);
        bits.number(&mut self.reports, 2);
        bits.number(&mut self.who, 1);
        bits.flag(&mut self.reclaimed);
        self.intent.visit(bits);
    }
}

impl Explorer {
    /// Deaths. They are handled while the control thread is between two turns of its own work and
    /// the poller, if it has the ledger, is between two bursts.
    pub(super) fn event_steps(
        &self,
        state: &State,
        steps: &mut Steps<State>,
    ) -> Result<(), Violation> {
        if state.control.exit.at != ExitAt::Settled {
            return self.exit_steps(state, steps);
        }
        if !self.is_between(state) {
            return Ok(());
        }
        if state.control.pidfd {
            let mut next = *state;
            next.control.pidfd = false;
            self.settle_process(state, &mut next)?;
            steps.push(NAME, "pidfd: settle the process", next);
        }
        self.let_go_event(state, steps)?;
        if state.control.exit.reports > 0 {
            let mut next = *state;
            next.control.exit.reports -= 1;
            let stale = self.scenario.is(Mutant::StaleReading) && state.control.exit.reports == 1;
            let dead = (0..CLIENTS).find(|&who| state.client[who].dead && state.slot[who].owned);
            if stale {
                next.control.exit.at = ExitAt::Asked;
            } else if let Some(who) = dead {
                let slot = state.slot[who];
                next.control.exit.at = ExitAt::Asked;
                next.control.exit.who = u8::try_from(who).expect("there are two threads");
                next.control.exit.reclaimed = slot.reclaimed;
                next.control.exit.intent = if slot.count > 0 {
                    slot.intent
                } else {
                    Loan::NONE
                };
                if self.scenario.is(Mutant::BuryFirst) {
                    next.slot[who] = Slot::VACANT;
                }
            }
            self.look_again(state, &mut next);
            steps.push(NAME, "exit: read the slot", next);
        }
        Ok(())
    }

    /// Credits all frames of the process: it ended, or unmapped its words.
    pub(super) fn settle_process(&self, state: &State, next: &mut State) -> Result<(), Violation> {
        next.control.reconciled = true;
        next.control.exit = Exit::NONE;
        for (frame, loan) in (0u8..).zip(state.ledger) {
            if loan.lent {
                invariant::credit(next, loan.of(frame))?;
            }
        }
        invariant::release_aside(state)?;
        next.aside = [false; FRAMES];
        self.look_again(state, next);
        Ok(())
    }

    /// Whether an event can be handled now.
    pub(super) fn is_between(&self, state: &State) -> bool {
        let control = &state.control;
        let between = self.waits(control)
            || control.at == self.first_of_stop()
            || matches!(
                control.at,
                ControlAt::OpenGate | ControlAt::TakeBox | ControlAt::Quarantined
            );
        between && matches!(state.poller.at, PollerAt::Idle | PollerAt::HandedOver)
    }

    /// Whether the drain waits for an event.
    fn waits(&self, control: &Control) -> bool {
        control.at == ControlAt::Decide && control.user_seen
    }

    /// An event was handled: a waiting drain reads the witnesses again.
    pub(super) fn look_again(&self, state: &State, next: &mut State) {
        if self.waits(&state.control) {
            self.begin_pass(next);
        }
    }

    /// Credit, then empty the slot, in this order.
    fn exit_steps(&self, state: &State, steps: &mut Steps<State>) -> Result<(), Violation> {
        let scenario = &self.scenario;
        // The poller credits between two bursts of its own, the control thread between two turns.
        let poller = state.control.exit.at == ExitAt::Asked && state.poller.at == PollerAt::Idle;
        if !poller && !self.is_between(state) {
            return Ok(());
        }
        let mut next = *state;
        let exit = state.control.exit;
        let who = usize::from(exit.who);
        match exit.at {
            ExitAt::Settled | ExitAt::Notify | ExitAt::WakeOne => {}
            ExitAt::Asked => {
                self.credit_exited(&mut next)?;
                next.control.exit.at = ExitAt::Answered;
                steps.push(NAME, "exit: credit its frame", next);
            }
            ExitAt::Answered => {
                let slot = state.slot[who];
                let same = slot.owned && slot.reclaimed == exit.reclaimed;
                if same || slot.owned && scenario.is(Mutant::StaleReading) {
                    if state.alive(who) {
                        return Err(Violation::BuriedAlive);
                    }
                    // The mutant leaves the slot unchanged: the next report finds it again.
                    if !scenario.is(Mutant::CreditTwice) {
                        next.slot[who] = Slot::VACANT;
                    }
                }
                if !scenario.is(Mutant::StaleReading) {
                    next.control.exit.who = 0;
                    next.control.exit.reclaimed = false;
                    next.control.exit.intent = Loan::NONE;
                }
                next.control.exit.at = if scenario.is(Mutant::NoRingOnThreadExit) {
                    ExitAt::Settled
                } else {
                    ExitAt::Notify
                };
                self.look_again(state, &mut next);
                steps.push(NAME, "exit: empty its slot", next);
            }
        }
        Ok(())
    }

    /// The event count after a thread's exit. Returns whether the control thread is in this step.
    pub(super) fn ring_for_exit(&self, state: &State, steps: &mut Steps<State>) -> bool {
        let mut next = *state;
        match state.control.exit.at {
            ExitAt::Settled | ExitAt::Asked | ExitAt::Answered => return false,
            ExitAt::Notify => {
                next.bell += 1;
                next.control.exit.at = ExitAt::WakeOne;
                steps.push(NAME, "exit: event count += 1", next);
            }
            ExitAt::WakeOne => {
                next.control.exit.at = ExitAt::Settled;
                self.wake(next, false, NAME, "exit: wake one", steps);
            }
        }
        true
    }

    /// Credits the frame that the exited thread took and did not return with, but only if the word
    /// names the loan that its slot intended, and that slot.
    fn credit_exited(&self, next: &mut State) -> Result<(), Violation> {
        let exit = next.control.exit;
        if exit.intent.serial == 0 {
            return Ok(());
        }
        let frame = usize::from(exit.intent.frame);
        let word = next.word[frame];
        let loan = next.ledger[frame];
        let lent = loan.lent && loan.serial == exit.intent.serial;
        let its_own = lent
            && word.state == FrameState::Held
            && word.serial == exit.intent.serial
            && (word.slot == exit.who || self.scenario.is(Mutant::CreditNoTag));
        let twice = self.scenario.is(Mutant::CreditTwice) && loan.serial == exit.intent.serial;
        if its_own || twice {
            next.word[frame] = FrameWord::FREE;
            invariant::credit(next, exit.intent)?;
        }
        Ok(())
    }

    /// Deaths of the client process and of its threads. The private state of the dead is reset: no
    /// thread can see it, and states that differ only in it are one state.
    pub(super) fn death_steps(&self, state: &State, steps: &mut Steps<State>) {
        if self.scenario.process_killed && !state.killed {
            let mut next = *state;
            next.killed = true;
            next.client = [Client::new(0); CLIENTS];
            next.stopper = Stopper::new(0);
            next.control.pidfd = true;
            steps.push_death("kernel", "SIGKILL", next);
        }
        let one_died = state.succeeded || state.client.iter().any(|client| client.dead);
        if !self.scenario.thread_exits || state.killed || one_died {
            return;
        }
        // The first thread is the one that is replaced: the other case is its mirror image.
        let mortals = if self.scenario.succeeded { 1 } else { CLIENTS };
        for who in 0..mortals {
            let handler = who == 0 && self.handler_runs(state);
            if state.client[who].at != ClientAt::Outside && !handler {
                let mut next = *state;
                let inside = state.slot[who].count > 0;
                next.client[who] = state.client[who].exited(inside);
                next.control.exit.reports = 2;
                steps.push_death("kernel", ["T0 exits alone", "T1 exits alone"][who], next);
            }
        }
    }

    /// A new thread claims the slot that an exited one left, and makes a call.
    pub(super) fn successor_steps(&self, state: &State, steps: &mut Steps<State>) {
        if !self.scenario.succeeded || state.killed || state.succeeded {
            return;
        }
        for who in 0..CLIENTS {
            let client = &state.client[who];
            let delivered = client.outcome == Outcome::Taken || client.kept != Loan::NONE;
            if client.dead && !state.slot[who].owned && !delivered {
                let mut next = *state;
                next.succeeded = true;
                next.client[who] = Client::new(1);
                next.slot[who] = Slot {
                    owned: true,
                    reclaimed: true,
                    ..Slot::VACANT
                };
                steps.push(["T0", "T1"][who], "a new thread claims the slot", next);
            }
        }
    }
}
