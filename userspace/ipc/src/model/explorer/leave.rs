//! Leave: the client process ends its attachment while guards borrow frames and callers are inside.
//!
//! The leaving thread closes the gates and checks whether the memory is still in use. Every caller
//! that returns and every guard that ends after that makes the same check ([`Look`]), and the last
//! one releases the memory. Thread 1 may have raw handles instead of guards: nothing pins those.

use super::Explorer;
use super::call::NAMES;
use super::client::{Client, ClientAt, Outcome, note_stop};
use super::evict::wake_starters;
use super::invariant::Violation;
use super::look::{Deferred, Look, LookAt};
use super::scenario::{Mutant, Scenario};
use super::state::{FrameState, Loan, State};
use crate::model::pack::{Bits, choices};
use crate::model::search::Steps;

const NAME: &str = "leaver";

choices! {
    /// The next step of the thread that ends the attachment.
    LeaverAt {
        /// Not requested, or not yet; next: `left`, close the local gate and change it.
        CloseGate,
        /// Replace `ctl`.
        ReplaceCtl,
        /// event count += 1.
        Notify,
        /// wake all, also those that wait for a start.
        WakeAll,
        /// deferred = how it ended.
        Defer,
        /// The check.
        Look,
        /// It has left.
        Done,
    }
}

/// The thread that ends the attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaver {
    pub(super) at: LeaverAt,
    look: Look,
}

impl Leaver {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            at: if scenario.leaves {
                LeaverAt::CloseGate
            } else {
                LeaverAt::Done
            },
            look: Look::OVER,
        }
    }

    #[inline(always)]
    pub(super) fn visit(&mut self, bits: &mut impl Bits) {
        self.at.visit(bits);
        self.look.visit(bits);
    }
}

impl Explorer {
    /// The steps of the thread that ends the attachment.
    pub(super) fn leaver_steps(
        &self,
        state: &State,
        steps: &mut Steps<State>,
    ) -> Result<(), Violation> {
        let scenario = &self.scenario;
        if state.killed {
            return Ok(());
        }
        let rings_early = scenario.is(Mutant::RingBeforeCtl);
        let defers_early = scenario.is(Mutant::DeferBeforeCtl);
        let mut next = *state;
        let action = match state.leaver.at {
            LeaverAt::CloseGate => {
                next.left = true;
                next.local_gate = state.local_gate.left();
                note_stop(&mut next);
                next.leaver.at = if rings_early {
                    LeaverAt::Notify
                } else if defers_early {
                    LeaverAt::Defer
                } else {
                    LeaverAt::ReplaceCtl
                };
                "leave: close and move the local gate"
            }
            LeaverAt::ReplaceCtl => {
                next.ctl_gone = true;
                note_stop(&mut next);
                next.leaver.at = if rings_early {
                    LeaverAt::Defer
                } else {
                    LeaverAt::Notify
                };
                "leave: replace ctl"
            }
            LeaverAt::Notify => {
                next.bell += 1;
                next.leaver.at = LeaverAt::WakeAll;
                "leave: event count += 1"
            }
            LeaverAt::WakeAll => {
                next.leaver.at = if rings_early {
                    LeaverAt::ReplaceCtl
                } else if scenario.is(Mutant::DeferAfterLook) {
                    LeaverAt::Look
                } else {
                    LeaverAt::Defer
                };
                if scenario.is(Mutant::DeferAfterLook) {
                    next.leaver.look = Look {
                        at: LookAt::Pins,
                        end: Deferred::Attached,
                        second: false,
                    };
                }
                wake_starters(&mut next);
                self.wake(next, true, NAME, "leave: wake all", steps);
                return Ok(());
            }
            LeaverAt::Defer => {
                if state.deferred == Deferred::Attached {
                    next.deferred = self.end();
                }
                next.leaver.at = LeaverAt::Look;
                next.leaver.look = Look::begin();
                if scenario.is(Mutant::DeferAfterLook) {
                    next.leaver.at = LeaverAt::Done;
                    next.leaver.look = Look::OVER;
                } else if defers_early && !state.ctl_gone {
                    next.leaver.at = LeaverAt::ReplaceCtl;
                    next.leaver.look = Look::OVER;
                }
                "leave: deferred = the end"
            }
            LeaverAt::Look => {
                let action = self.look(&mut next, |state| &mut state.leaver.look)?;
                if next.leaver.look.is_over() {
                    let defers = scenario.is(Mutant::DeferAfterLook) && !next.seg_gone;
                    next.leaver.at = if defers {
                        LeaverAt::Defer
                    } else {
                        LeaverAt::Done
                    };
                }
                action
            }
            LeaverAt::Done => return Ok(()),
        };
        steps.push(NAME, action, next);
        Ok(())
    }

    /// The application may keep its frame, and call again.
    pub(super) fn keep_frame(&self, state: &State, who: usize, steps: &mut Steps<State>) {
        let was = &state.client[who];
        if self.scenario.keeps_frames && was.calls_left > 0 && was.kept == Loan::NONE {
            let mut kept = *state;
            kept.client[who] = Client {
                kept: was.lend,
                ..Client::new(was.calls_left)
            };
            steps.push(NAMES[who], "keep the frame", kept);
        }
    }

    /// After a frame was won: its pin, if the scenario has an end that depends on it.
    pub(super) fn after_win(&self, was: &Client) -> ClientAt {
        if self.scenario.leaves && !self.scenario.is(Mutant::PinAfterLeave) {
            ClientAt::Pin
        } else {
            self.end_of_pop(was)
        }
    }

    /// After a call or a put: the check whether to release the memory.
    pub(super) fn before_return(&self, me: &mut Client) -> ClientAt {
        let skips = match me.outcome {
            Outcome::Open => self.scenario.is(Mutant::NoLookOnPut),
            Outcome::Stopped if !me.waiting => self.scenario.is(Mutant::NoLookOnBounce),
            _ => self.scenario.is(Mutant::NoLookOnReturn),
        };
        if !self.scenario.leaves || skips {
            return ClientAt::Return;
        }
        me.look = Look::begin();
        ClientAt::LookAtEnd
    }

    /// E2: the client's process unmapped its words. The daemon settles what it still had.
    pub(super) fn let_go_event(
        &self,
        state: &State,
        steps: &mut Steps<State>,
    ) -> Result<(), Violation> {
        if !state.has_let_go() || state.control.reconciled || state.killed {
            return Ok(());
        }
        let mut next = *state;
        self.settle_process(state, &mut next)?;
        steps.push("control", "no process has the words: settle it", next);
        Ok(())
    }
}

/// Checks a final state: what an ended attachment keeps.
pub(super) fn quiescent(explorer: &Explorer, state: &State) -> Result<(), Violation> {
    let ended = matches!(state.deferred, Deferred::ByHand | Deferred::FoundOut);
    let died = state.killed || state.client.iter().any(|client| client.dead);
    if !ended || died || state.leaver.at != LeaverAt::Done {
        return Ok(());
    }
    let held = state.word.iter().any(|word| word.state == FrameState::Held);
    if held && explorer.scenario.found_out {
        return Ok(());
    }
    Err(Violation::NeverLetGo)
}
