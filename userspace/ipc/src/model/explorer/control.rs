//! The control thread: stops and starts the session, drains it, destroys it. Its reaction to deaths
//! is in `reconcile`, evict and quarantine are in `evict`.

use super::Explorer;
use super::client::note_stop;
use super::evict::Evict;
use super::invariant::{self, Violation};
use super::poller::PollerAt;
use super::reconcile::{Exit, ExitAt};
use super::scenario::{Mutant, Scenario};
use super::state::{CLIENTS, FRAMES, FrameState, FrameWord, State};
use crate::model::pack::{Bits, choices};
use crate::model::search::Steps;

pub(super) const NAME: &str = "control";

choices! {
    /// The next step of the control thread.
    ControlAt {
        /// stop: clear RUN in the session's gate.
        CloseGate,
        /// stop: event count += 1.
        Notify,
        /// stop: wake one. (The daemon may wake more, up to a bound of its choice.)
        WakeOne,
        /// start: the gate's next generation.
        OpenGate,
        /// start: wake one that waits for it.
        WakeStarter,
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
        /// The session is set aside with its users: no verdict.
        Quarantined,
    }
}

/// The control thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) at: ControlAt,
    pulses_left: u8,
    /// The frame or slot that the drain has reached.
    index: u8,
    /// This pass of the drain saw a user, or a frame on loan.
    pub(super) user_seen: bool,
    /// The exit of a thread that is being settled.
    pub(super) exit: Exit,
    /// The evict, or the quarantine.
    pub(super) evict: Evict,
    /// The process's pidfd is readable and was not handled.
    pub(super) pidfd: bool,
    /// The process's end was settled.
    pub(super) reconciled: bool,
}

impl Control {
    /// A control thread at the start of the scenario.
    pub(super) fn new(scenario: &Scenario, first: ControlAt) -> Self {
        Self {
            at: first,
            pulses_left: scenario.session_pulses,
            index: 0,
            user_seen: false,
            exit: Exit::NONE,
            evict: Evict::new(scenario.evicted),
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
        self.evict.visit(bits);
        bits.flag(&mut self.pidfd);
        bits.flag(&mut self.reconciled);
    }
}

impl Explorer {
    /// The first step of a stop.
    pub(super) fn first_of_stop(&self) -> ControlAt {
        if self.scenario.is(Mutant::BellBeforeGate) {
            ControlAt::Notify
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
        if self.evict_steps(state, steps)? || self.ring_for_exit(state, steps) {
            return Ok(());
        }
        self.ask_to_evict(state, steps);
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
                    ControlAt::WakeOne
                } else {
                    ControlAt::Notify
                };
                next.session_gate = state.session_gate.stopped();
                note_stop(&mut next);
                "stop: close session gate"
            }
            ControlAt::Notify => {
                control.at = if bell_first {
                    ControlAt::CloseGate
                } else {
                    ControlAt::WakeOne
                };
                next.bell += 1;
                "stop: event count += 1"
            }
            ControlAt::WakeOne => {
                control.at = if control.pulses_left > 0 {
                    ControlAt::OpenGate
                } else {
                    ControlAt::TakeBox
                };
                self.wake(next, false, NAME, "stop: wake one", steps);
                return Ok(());
            }
            ControlAt::OpenGate => {
                control.pulses_left -= 1;
                control.at = ControlAt::WakeStarter;
                if !state.closed || scenario.is(Mutant::StartReopensEvicted) {
                    next.session_gate = state.session_gate.started();
                    for client in &mut next.client {
                        client.barred_session = false;
                    }
                }
                "start: open session gate"
            }
            ControlAt::WakeStarter => {
                control.at = self.first_of_stop();
                self.wake_starter(next, NAME, "start: wake one that waits for it", steps);
                return Ok(());
            }
            ControlAt::TakeBox => {
                // Earlier commands to the poller are done and answered first.
                let asked = matches!(state.control.exit.at, ExitAt::Asked | ExitAt::Answered);
                if state.poller.at != PollerAt::Idle || asked {
                    return Ok(());
                }
                next.poller.at = PollerAt::HandedOver;
                if scenario.quarantined {
                    control.at = ControlAt::Quarantined;
                    control.evict.at = self.first_of_evict();
                } else {
                    control.at = self.first_of_pass();
                }
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
                let counts = !control.reconciled && !self.is_evicted(state);
                if state.slot[usize::from(control.index)].count > 0 && counts {
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
                if !self.is_evicted(state) {
                    invariant::destroy(state)?;
                }
                control.at = ControlAt::Destroyed;
                "drain: no user is left: destroyed"
            }
            ControlAt::Destroyed | ControlAt::Quarantined => return Ok(()),
        };
        steps.push(NAME, action, next);
        Ok(())
    }

    pub(super) fn begin_pass(&self, next: &mut State) {
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
}
