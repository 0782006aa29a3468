//! The check whether the memory of an ended attachment is still in use: by the leaving thread, and
//! by every caller that returns and every guard that ends after it. Also the client's view of its
//! mappings.

use super::Explorer;
use super::client::{ClientAt, Outcome};
use super::invariant::Violation;
use super::scenario::Mutant;
use super::state::{CLIENTS, FRAMES, FrameState, Gate, Loan, State};
use crate::model::pack::{Bits, choices};

choices! {
    /// How the attachment ended for the client process.
    Deferred {
        /// It has not ended.
        Attached,
        /// The application ended it.
        ByHand,
        /// An answer reported it.
        FoundOut,
        /// The memory was released.
        LetGo,
    }
}

choices! {
    /// The next step of a check whether the memory is in use.
    LookAt {
        /// None, or not begun.
        Over,
        /// Read `deferred`.
        Deferred,
        /// Read the pins.
        Pins,
        /// Read the count of a slot.
        Callers,
        /// Read the pins again. No thread sets a pin at this point, so one step reads them all.
        PinsAgain,
        /// After an end that was found out: read the frame words. At this point no word becomes
        /// HELD.
        Words,
        /// Exchange `deferred` for "released", and replace `frames`.
        Frames,
        /// Replace `seg`.
        Seg,
    }
}

/// A check whether the memory is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) at: LookAt,
    /// Whether it has reached the second slot.
    pub(super) second: bool,
    pub(super) end: Deferred,
}

impl Look {
    pub(super) const OVER: Self = Self {
        at: LookAt::Over,
        second: false,
        end: Deferred::Attached,
    };

    pub(super) fn begin() -> Self {
        Self {
            at: LookAt::Deferred,
            ..Self::OVER
        }
    }

    pub(super) fn is_over(self) -> bool {
        self == Self::OVER
    }

    #[inline(always)]
    pub(super) fn visit(&mut self, bits: &mut impl Bits) {
        self.at.visit(bits);
        bits.flag(&mut self.second);
        self.end.visit(bits);
    }
}

impl Explorer {
    /// One step of a check; `mine` is the checking thread's.
    pub(super) fn look(
        &self,
        next: &mut State,
        mine: impl Fn(&mut State) -> &mut Look,
    ) -> Result<&'static str, Violation> {
        let scenario = &self.scenario;
        let mut look = *mine(next);
        let pinned = next.pins != [false; FRAMES] && !scenario.is(Mutant::LeaveIgnoresPins);
        let action = match look.at {
            LookAt::Over => "look: over",
            LookAt::Deferred => {
                look.end = next.deferred;
                look.at = match next.deferred {
                    Deferred::ByHand | Deferred::FoundOut => LookAt::Pins,
                    Deferred::Attached | Deferred::LetGo => LookAt::Over,
                };
                "look: read deferred"
            }
            LookAt::Pins => {
                look.at = if pinned {
                    LookAt::Over
                } else {
                    LookAt::Callers
                };
                "look: read the pins"
            }
            LookAt::Callers => {
                // A page of zeros counts no thread.
                let slot = next.slot[usize::from(look.second)];
                if slot.count > 0 && !next.seg_gone {
                    look.at = LookAt::Over;
                } else if look.second {
                    look.at = if scenario.is(Mutant::PinsBeforeCallers) {
                        self.after_pins(look.end)
                    } else {
                        LookAt::PinsAgain
                    };
                }
                look.second = !look.second;
                "look: read a count"
            }
            LookAt::PinsAgain => {
                look.at = if pinned {
                    LookAt::Over
                } else {
                    self.after_pins(look.end)
                };
                "look: read the pins again"
            }
            LookAt::Words => {
                let keeps = |state: FrameState| {
                    let asks = scenario.is(Mutant::LeaveAsksWords);
                    state == FrameState::Held || asks && state == FrameState::Revoked
                };
                let kept = next.word.iter().any(|word| keeps(word.state));
                look.at = if kept && !next.seg_gone {
                    LookAt::Over
                } else {
                    LookAt::Frames
                };
                "look: read the words"
            }
            LookAt::Frames => {
                if scenario.is(Mutant::LetGoNoCas) || next.deferred == look.end {
                    next.deferred = Deferred::LetGo;
                    look.at = LookAt::Seg;
                    if scenario.is(Mutant::SegBeforeFrames) && !next.seg_gone {
                        next.seg_gone = true;
                        look.at = LookAt::Seg;
                    } else {
                        self.replace_frames(next)?;
                    }
                } else {
                    look.at = LookAt::Over;
                }
                "look: claim to let go, replace frames"
            }
            LookAt::Seg => {
                if next.seg_gone {
                    self.replace_frames(next)?;
                }
                next.seg_gone = true;
                look.at = LookAt::Over;
                "replace seg"
            }
        };
        if look.at == LookAt::Over {
            look = Look::OVER;
        }
        *mine(next) = look;
        Ok(action)
    }

    fn after_pins(&self, end: Deferred) -> LookAt {
        if end == Deferred::FoundOut && !self.scenario.is(Mutant::FoundOutIgnoresWords)
            || self.scenario.is(Mutant::LeaveAsksWords)
        {
            LookAt::Words
        } else {
            LookAt::Frames
        }
    }

    pub(super) fn end(&self) -> Deferred {
        if self.scenario.found_out {
            Deferred::FoundOut
        } else {
            Deferred::ByHand
        }
    }

    /// From now on the frames read as zeros.
    fn replace_frames(&self, next: &mut State) -> Result<(), Violation> {
        if next.frames_gone {
            return Err(Violation::LetGoTwice);
        }
        next.frames_gone = true;
        for who in 0..CLIENTS {
            if !next.alive(who) {
                continue;
            }
            if next.borrows(who) {
                return Err(Violation::ZeroedUnderGuard);
            }
            let client = &next.client[who];
            let word = next.word[usize::from(client.lend.frame)];
            let held = word.state == FrameState::Held && word.serial == client.lend.serial;
            if self.scenario.found_out && client.at == ClientAt::Holding && held {
                return Err(Violation::ZeroedHandle);
            }
        }
        Ok(())
    }
}

impl State {
    /// Whether thread `who` has raw handles instead of guards.
    pub(super) fn has_handles(&self, who: usize) -> bool {
        who == 1 && self.handles
    }

    /// Whether a guard of thread `who` borrows a frame, or its call is about to return one.
    pub(super) fn borrows(&self, who: usize) -> bool {
        let client = &self.client[who];
        let taken = client.outcome == Outcome::Taken && client.at != ClientAt::Putting;
        !self.has_handles(who) && (taken || client.kept != Loan::NONE)
    }

    /// Whether thread `who` may still read the frame of `lend`: through a guard, or through a handle
    /// whose memory is mapped.
    pub(super) fn reads(&self, who: usize, lend: Loan) -> bool {
        let client = &self.client[who];
        client.has(lend)
            && client.at != ClientAt::Putting
            && !(self.has_handles(who) && self.frames_gone)
    }

    /// Whether thread `who` is about to return a handle whose pin is still set.
    pub(super) fn has_pinned_handle(&self, who: usize) -> bool {
        let client = &self.client[who];
        let taken = client.outcome == Outcome::Taken && self.has_handles(who);
        taken && self.pins[usize::from(client.lend.frame)]
    }

    /// Whether the client's process has unmapped its words.
    pub(super) fn has_let_go(&self) -> bool {
        self.ctl_gone && self.seg_gone
    }

    // The client's view of its mappings: zeros where a page was replaced.

    /// The client's own gate.
    pub(super) fn seen_local_gate(&self) -> Gate {
        if self.seg_gone {
            Gate(0)
        } else {
            self.local_gate
        }
    }

    /// The session's gate.
    pub(super) fn seen_session_gate(&self) -> Gate {
        if self.ctl_gone {
            Gate(0)
        } else {
            self.session_gate
        }
    }

    /// Entries of the ready ring.
    pub(super) fn seen_tail(&self) -> u8 {
        if self.ctl_gone { 0 } else { self.tail }
    }

    /// Whether the client knows that the attachment is closed for good.
    pub(super) fn seen_closed(&self) -> bool {
        self.closed || self.left || self.ctl_gone
    }

    /// The kick.
    pub(super) fn seen_kick(&self) -> bool {
        self.kick && !self.seg_gone
    }
}
