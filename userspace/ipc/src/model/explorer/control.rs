//! The control thread: stops and starts the session, drains it, destroys it, and settles the exits
//! of threads and the death of the process.

use super::Explorer;
use super::client::{Client, ClientAt, note_stop};
use super::invariant::{self, Violation};
use super::poller::PollerAt;
use super::scenario::Mutant;
use super::state::{CLIENTS, FRAMES, FrameState, FrameWord, Slot, State};
use super::stopper::Stopper;
use crate::model::pack::{Bits, choices};
use crate::model::search::Steps;

const NAME: &str = "control";

choices! {
    /// The next step of the control thread.
    ControlAt {
        /// stop: clear RUN in the session's gate.
        CloseGate,
        /// stop: bell += 1.
        StrikeBell,
        /// stop: wake all.
        WakeAll,
        /// start: the gate's next generation.
        OpenGate,
        /// The poller hands its box over, between two bursts.
        TakeBox,
        /// drain: kick = 1 (and the heavy fence: see `store_buffer` and loom).
        ArmKick,
        /// drain: READY → FREE by compare-and-exchange, RELEASED credited.
        Settle,
        /// drain: read the count of a slot.
        ReadCount,
        /// drain: read the acknowledgement of a slot whose count was not 0.
        ReadAck,
        /// drain: no user was seen: verdict. Otherwise wait for an event.
        Decide,
        /// The verdict was given.
        Destroyed,
    }
}

choices! {
    /// What is left to do for a thread exit that was settled.
    Exit {
        /// Nothing.
        Settled,
        /// bell += 1.
        StrikeBell,
        /// wake all.
        WakeAll,
    }
}

/// The control thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) at: ControlAt,
    pulses_left: u8,
    /// The frame or slot that the drain has come to.
    index: u8,
    /// This pass of the drain saw a user, or a frame still lent.
    user_seen: bool,
    /// The exit that is being settled.
    exit: Exit,
    /// Reports of a thread's exit still to come: the probe's, and the look into `task/`.
    pub(super) exit_reports: u8,
    /// The process's pidfd is readable and was not handled.
    pub(super) pidfd: bool,
    /// The process's end was settled.
    pub(super) reconciled: bool,
}

impl Control {
    /// A control thread that pulses the session so often before it destroys it.
    pub(super) fn new(pulses: u8, first: ControlAt) -> Self {
        Self {
            at: first,
            pulses_left: pulses,
            index: 0,
            user_seen: false,
            exit: Exit::Settled,
            exit_reports: 0,
            pidfd: false,
            reconciled: false,
        }
    }

    #[inline(always)]
    pub(super) fn visit(&mut self, bits: &mut impl Bits) {
        self.at.visit(bits);
        bits.number(&mut self.pulses_left, 2);
        bits.number(&mut self.index, 2);
        bits.flag(&mut self.user_seen);
        self.exit.visit(bits);
        bits.number(&mut self.exit_reports, 2);
        bits.flag(&mut self.pidfd);
        bits.flag(&mut self.reconciled);
    }
}

impl Explorer {
    /// The first step of a stop.
    pub(super) fn first_of_stop(&self) -> ControlAt {
        if self.scenario.is(Mutant::BellBeforeGate) {
            ControlAt::StrikeBell
        } else {
            ControlAt::CloseGate
        }
    }

    /// The first step of a pass of the drain.
    fn first_of_pass(&self) -> ControlAt {
        if self.scenario.is(Mutant::ArmAfterScan) {
            ControlAt::Settle
        } else {
            ControlAt::ArmKick
        }
    }

    /// The steps of the control thread.
    pub(super) fn control_steps(
        &self,
        state: &State,
        steps: &mut Steps<State>,
    ) -> Result<(), Violation> {
        if self.ring_for_exit(state, steps) {
            return Ok(());
        }
        self.event_steps(state, steps)?;
        if self.scenario.destroyed {
            self.destroy_steps(state, steps)?;
        }
        Ok(())
    }

    /// Stop, drain, destroy.
    fn destroy_steps(&self, state: &State, steps: &mut Steps<State>) -> Result<(), Violation> {
        let scenario = &self.scenario;
        let bell_first = scenario.is(Mutant::BellBeforeGate);
        let arm_last = scenario.is(Mutant::ArmAfterScan);
        let mut next = *state;
        let control = &mut next.control;
        let action = match state.control.at {
            ControlAt::CloseGate => {
                control.at = if bell_first {
                    ControlAt::WakeAll
                } else {
                    ControlAt::StrikeBell
                };
                next.session_gate = state.session_gate.stopped();
                note_stop(&mut next);
                "stop: close session gate"
            }
            ControlAt::StrikeBell => {
                control.at = if bell_first {
                    ControlAt::CloseGate
                } else {
                    ControlAt::WakeAll
                };
                next.bell += 1;
                "stop: bell += 1"
            }
            ControlAt::WakeAll => {
                control.at = if control.pulses_left > 0 {
                    ControlAt::OpenGate
                } else {
                    ControlAt::TakeBox
                };
                let all = !scenario.is(Mutant::StopWakesOne);
                self.wake(next, all, NAME, "stop: wake", steps);
                return Ok(());
            }
            ControlAt::OpenGate => {
                control.at = self.first_of_stop();
                control.pulses_left -= 1;
                next.session_gate = state.session_gate.started();
                for client in &mut next.client {
                    client.barred_session = false;
                }
                "start: open session gate"
            }
            ControlAt::TakeBox => {
                if state.poller.at != PollerAt::Idle {
                    return Ok(());
                }
                control.at = self.first_of_pass();
                next.poller.at = PollerAt::HandedOver;
                "take the poller's box"
            }
            ControlAt::ArmKick => {
                control.at = if arm_last {
                    ControlAt::Decide
                } else {
                    ControlAt::Settle
                };
                next.kick = true;
                "drain: arm the kick"
            }
            ControlAt::Settle => return self.settle_frame(state, steps),
            ControlAt::ReadCount => {
                if state.slot[usize::from(control.index)].count > 0 && !control.reconciled {
                    control.at = ControlAt::ReadAck;
                } else {
                    self.next_slot(control);
                }
                "drain: read a count"
            }
            ControlAt::ReadAck => {
                let ack = state.slot[usize::from(control.index)].ack;
                let honoured = !scenario.shared_slot || scenario.is(Mutant::AckOnSharedSlot);
                let acked = honoured
                    && (ack == state.session_gate || scenario.is(Mutant::AckAnyStop) && ack.0 != 0);
                control.user_seen |= !acked;
                self.next_slot(control);
                "drain: read an acknowledgement"
            }
            ControlAt::Decide if state.control.user_seen => {
                if !state.message {
                    return Ok(());
                }
                next.message = false;
                self.begin_pass(&mut next);
                "drain: kicked"
            }
            ControlAt::Decide => {
                invariant::destroy(state)?;
                control.at = ControlAt::Destroyed;
                "drain: nobody is left: destroyed"
            }
            ControlAt::Destroyed => return Ok(()),
        };
        steps.push(NAME, action, next);
        Ok(())
    }

    fn begin_pass(&self, next: &mut State) {
        next.control.user_seen = false;
        next.control.index = 0;
        next.control.at = self.first_of_pass();
    }

    fn next_slot(&self, control: &mut Control) {
        control.index += 1;
        control.at = ControlAt::ReadCount;
        if usize::from(control.index) == CLIENTS {
            control.index = 0;
            control.at = if self.scenario.is(Mutant::ArmAfterScan) {
                ControlAt::ArmKick
            } else {
                ControlAt::Decide
            };
        }
    }

    /// drain: one frame of the box.
    fn settle_frame(&self, state: &State, steps: &mut Steps<State>) -> Result<(), Violation> {
        let mut next = *state;
        let frame = state.control.index;
        let (loan, word) = (
            state.ledger[usize::from(frame)],
            state.word[usize::from(frame)],
        );
        if loan.lent {
            let unused = word == FrameWord::ready(loan.serial);
            let returned = word.state == FrameState::Released && word.serial == loan.serial;
            if unused || returned {
                next.word[usize::from(frame)] = FrameWord::FREE;
                invariant::credit(&mut next, loan.of(frame))?;
            } else {
                next.control.user_seen = true;
            }
        }
        next.control.index += 1;
        if usize::from(next.control.index) == FRAMES {
            next.control.index = 0;
            next.control.at = ControlAt::ReadCount;
        }
        steps.push(NAME, "drain: settle a frame", next);
        Ok(())
    }

    /// Deaths. The control thread handles them between two turns of its own work, and while the
    /// poller, if it has the box, is between two bursts.
    fn event_steps(&self, state: &State, steps: &mut Steps<State>) -> Result<(), Violation> {
        let control = &state.control;
        let waits = control.at == ControlAt::Decide && control.user_seen;
        let between = waits
            || control.at == self.first_of_stop()
            || matches!(control.at, ControlAt::OpenGate | ControlAt::TakeBox);
        if !between || !matches!(state.poller.at, PollerAt::Idle | PollerAt::HandedOver) {
            return Ok(());
        }
        if control.pidfd {
            let mut next = *state;
            next.control.pidfd = false;
            next.control.reconciled = true;
            next.control.exit_reports = 0;
            for (frame, loan) in (0u8..).zip(state.ledger) {
                if loan.lent {
                    invariant::credit(&mut next, loan.of(frame))?;
                }
            }
            if waits {
                self.begin_pass(&mut next);
            }
            steps.push(NAME, "pidfd: settle the process", next);
        }
        if control.exit_reports > 0 {
            let mut next = *state;
            next.control.exit_reports -= 1;
            for who in 0..CLIENTS {
                if state.client[who].dead {
                    self.settle_exit(&mut next, who)?;
                }
            }
            if waits {
                self.begin_pass(&mut next);
            }
            steps.push(NAME, "settle an exited thread", next);
        }
        Ok(())
    }

    /// Credits what the exited thread `who` took and never returned with, and empties its slot.
    fn settle_exit(&self, next: &mut State, who: usize) -> Result<(), Violation> {
        let scenario = &self.scenario;
        let twice = scenario.is(Mutant::CreditTwice);
        let slot = next.slot[who];
        if !slot.owned {
            return Ok(());
        }
        if slot.count > 0 && slot.intent.serial > 0 {
            let frame = usize::from(slot.intent.frame);
            let word = next.word[frame];
            let its_own = word.state == FrameState::Held
                && word.serial == slot.intent.serial
                && (usize::from(word.slot) == who || scenario.is(Mutant::CreditNoTag));
            if its_own || twice && next.ledger[frame].serial == slot.intent.serial {
                next.word[frame] = FrameWord::FREE;
                invariant::credit(next, slot.intent)?;
            }
        }
        if !twice {
            next.slot[who] = Slot::VACANT;
        }
        if !scenario.is(Mutant::NoRingOnThreadExit) {
            next.control.exit = Exit::StrikeBell;
        }
        Ok(())
    }

    /// The bell after a thread's exit. Returns whether that is what the control thread does now.
    fn ring_for_exit(&self, state: &State, steps: &mut Steps<State>) -> bool {
        let mut next = *state;
        match state.control.exit {
            Exit::Settled => return false,
            Exit::StrikeBell => {
                next.bell += 1;
                next.control.exit = Exit::WakeAll;
                steps.push(NAME, "exit: bell += 1", next);
            }
            Exit::WakeAll => {
                next.control.exit = Exit::Settled;
                self.wake(next, true, NAME, "exit: wake all", steps);
            }
        }
        true
    }

    /// Deaths of the client process and of its threads. What the dead kept for themselves is
    /// forgotten: nobody can see it, and states that differ in nothing else are one.
    pub(super) fn death_steps(&self, state: &State, steps: &mut Steps<State>) {
        if self.scenario.process_killed && !state.killed {
            let mut next = *state;
            next.killed = true;
            next.client = [Client::new(0); CLIENTS];
            next.stopper = Stopper::new(0);
            next.control.pidfd = true;
            steps.push_death("kernel", "SIGKILL", next);
        }
        let one_died = state.client.iter().any(|client| client.dead);
        if !self.scenario.thread_exits || state.killed || one_died {
            return;
        }
        for who in 0..CLIENTS {
            let handler = who == 0 && self.handler_runs(state);
            if state.client[who].at != ClientAt::Outside && !handler {
                let mut next = *state;
                let inside = state.slot[who].count > 0;
                next.client[who] = state.client[who].exited(inside);
                next.control.exit_reports = 2;
                steps.push_death("kernel", ["T0 exits alone", "T1 exits alone"][who], next);
            }
        }
    }
}
