//! The control thread: stops and starts the session, drains it, destroys it. Its reaction to deaths
//! is in `deaths`; evict and quarantine are in `evict`.

use super::*;
use ControlAt::*;

plain! {
    /// The next step of the control thread: stop and start; take the poller's box; drain; the
    /// session is destroyed, or set aside with its users.
    enum ControlAt {
        Pulse,
        TakeBox,
        ArmKick, Settle, ReadCount, ReadAck, Decide,
        Destroyed, Quarantined,
    }

    struct Control {
        at: ControlAt,
        /// Its place in [`Scenario::session_pulse`].
        step: usize,
        pulses_left: u8,
        /// The frame or slot that the drain has reached.
        index: usize,
        /// This pass of the drain saw a user, or a frame on loan.
        user_seen: bool,
        /// The exit of a thread that is being settled.
        exit: Exit,
        /// The evict, or the quarantine.
        evict: Evict,
        /// The process's pidfd is readable and was not handled.
        pidfd: bool,
        /// The process's end was settled.
        reconciled: bool,
    }
}

impl Control {
    /// Whether the drain waits for an event.
    fn waits(&self) -> bool {
        self.at == Decide && self.user_seen
    }
}

impl Explorer {
    pub(super) fn control(
        &self,
        now: &GateState,
        next: &mut GateState,
        steps: &mut Steps<GateState>,
    ) -> Result<Move, Violation> {
        if let Some(at) = now.control.evict.at {
            return self.evict(at, now, next);
        }
        if matches!(now.control.exit.at, ExitAt::Notify | ExitAt::WakeOne) {
            return Ok(notify_exit(now, next));
        }
        self.ask_to_evict(now, steps);
        self.settle_deaths(now, steps)?;
        match now.control.at {
            _ if !self.scenario.destroyed => Ok(Move::Blocked),
            Pulse => Ok(self.pulse(now, next)),
            TakeBox => Ok(self.take_box(now, next)),
            _ => self.drain(now, next),
        }
    }

    /// stop, start; the last stop is followed by the drain.
    fn pulse(&self, now: &GateState, next: &mut GateState) -> Move {
        let (table, at) = (self.scenario.session_pulse(), now.control.step);
        let (moved, after) = self.scenario.take_step(table, at, now, next);
        let control = &mut next.control;
        control.step = after.unwrap_or(0);
        control.pulses_left -= u8::from(after.is_none());
        if table[at] == Op::WakeOne && control.pulses_left == 0 {
            control.at = TakeBox;
            control.step = 0;
        }
        moved
    }

    /// The poller hands its box over, between two bursts.
    fn take_box(&self, now: &GateState, next: &mut GateState) -> Move {
        // Earlier commands to the poller are done and answered first.
        let asked = matches!(now.control.exit.at, ExitAt::Asked | ExitAt::Answered);
        if now.poller.at.is_some() || asked {
            return Move::Blocked;
        }
        next.poller.handed_over = true;
        if self.scenario.quarantined {
            next.control.at = Quarantined;
            next.control.evict.at = Some(0);
        } else {
            next.control.at = self.scenario.first_of_pass();
        }
        Move::Step("take the poller's box")
    }

    fn drain(&self, now: &GateState, next: &mut GateState) -> Result<Move, Violation> {
        let control = &mut next.control;
        let slot = now.slot[now.control.index.min(CLIENTS - 1)];
        let action = match now.control.at {
            // And the heavy fence: see `store_buffer` and loom.
            ArmKick => {
                control.at = self.scenario.either(Mutant::ArmAfterLook, Decide, Settle);
                next.kick = true;
                "drain: arm the kick"
            }
            Settle => {
                self.settle_frame(now, next)?;
                "drain: settle a frame"
            }
            ReadCount => {
                let counts = !control.reconciled && !self.scenario.is_evicted(now);
                if slot.count > 0 && counts {
                    control.at = ReadAck;
                } else {
                    self.next_slot(control);
                }
                "drain: read a count"
            }
            ReadAck => {
                let of_this = slot.ack == now.session_gate;
                let of_any = slot.ack.word != 0 && self.scenario.is(Mutant::AckAnyStop);
                let honoured =
                    !self.scenario.shared_slot || self.scenario.is(Mutant::AckOnSharedSlot);
                control.user_seen |= !(honoured && (of_this || of_any));
                self.next_slot(control);
                "drain: read an acknowledgement"
            }
            Decide if control.user_seen => {
                if !now.message {
                    return Ok(Move::Blocked);
                }
                next.message = false;
                self.begin_pass(next);
                "drain: kicked"
            }
            Decide => {
                if !self.scenario.is_evicted(now) {
                    check_destroy(now)?;
                }
                control.at = Destroyed;
                "drain: no user is left: destroyed"
            }
            _ => return Ok(Move::Blocked),
        };
        Ok(Move::Step(action))
    }

    fn begin_pass(&self, next: &mut GateState) {
        next.control.user_seen = false;
        next.control.index = 0;
        next.control.at = self.scenario.first_of_pass();
    }

    fn next_slot(&self, control: &mut Control) {
        control.index = (control.index + 1) % CLIENTS;
        control.at = match (control.index, self.scenario.is(Mutant::ArmAfterLook)) {
            (0, true) => ArmKick,
            (0, false) => Decide,
            _ => ReadCount,
        };
    }

    /// drain: one frame of the box. READY → FREE by compare-and-exchange, RELEASED credited.
    fn settle_frame(&self, now: &GateState, next: &mut GateState) -> Result<(), Violation> {
        let frame = now.control.index;
        let is = |state| now.is_loaned_and(frame, state);
        if is(FrameState::Ready) || is(FrameState::Released) {
            next.word[frame] = FrameWord::default();
            credit(next, now.loan(frame))?;
        } else if now.ledger[frame].loaned {
            next.control.user_seen = true;
        }
        next.control.index = (frame + 1) % FRAMES;
        if next.control.index == 0 {
            next.control.at = ReadCount;
        }
        Ok(())
    }

    /// Whether an event can be handled now: the control thread is between two turns of its own work
    /// and the poller, if it has the ledger, is between two bursts.
    pub(super) fn is_between(&self, now: &GateState) -> bool {
        let at = now.control.at;
        let op = self.scenario.session_pulse()[now.control.step];
        let pulses = at == Pulse && (now.control.step == 0 || op == Op::OpenSession);
        let turns = pulses || matches!(at, TakeBox | Quarantined);
        now.poller.at.is_none() && (turns || now.control.waits())
    }

    /// An event was handled: a waiting drain reads the witnesses again.
    pub(super) fn look_again(&self, now: &GateState, next: &mut GateState) {
        if now.control.waits() {
            self.begin_pass(next);
        }
    }

    pub(super) fn poller(
        &self,
        now: &GateState,
        next: &mut GateState,
        steps: &mut Steps<GateState>,
    ) -> Result<Move, Violation> {
        if let Some(at) = now.poller.at {
            let table = self.scenario.publish();
            let (moved, after) = self.scenario.take_step(table, at, now, next);
            next.poller.at = after;
            if after.is_none() {
                next.poller.loan = Loan::NONE;
            }
            return Ok(moved);
        }
        if now.poller.handed_over || self.scenario.is_revoking(now) {
            return Ok(Move::Blocked);
        }
        credit_released(now, steps)?;
        if now.poller.publishes_left == 0 || now.control.reconciled {
            return Ok(Move::Blocked);
        }
        self.loan(now, next)
    }

    /// Loans a free frame, or takes back the oldest one when all are on loan.
    fn loan(&self, now: &GateState, next: &mut GateState) -> Result<Move, Violation> {
        if let Some(frame) = (0..FRAMES).find(|&frame| !now.ledger[frame].loaned) {
            next.poller.publishes_left -= 1;
            let serial = self.scenario.publishes - next.poller.publishes_left;
            next.ledger[frame] = LedgerLine {
                loaned: true,
                serial,
            };
            next.word[frame] = FrameWord::new(FrameState::Ready, serial, 0);
            next.poller.loan = next.loan(frame);
            next.poller.at = Some(0);
            return Ok(Move::Step("lend a frame: word = READY"));
        }
        let oldest = (0..FRAMES)
            .min_by_key(|&frame| now.ledger[frame].serial)
            .expect("there are frames");
        let taken_back = match self.scenario.is(Mutant::ReclaimNoCas) {
            true => now.word[oldest].state != FrameState::Released,
            false => now.is_loaned_and(oldest, FrameState::Ready),
        };
        if !taken_back {
            return Ok(Move::Blocked);
        }
        next.word[oldest] = FrameWord::default();
        credit(next, now.loan(oldest))?;
        Ok(Move::Step("take back the oldest frame"))
    }
}

impl Scenario {
    /// The first step of a pass of the drain.
    fn first_of_pass(&self) -> ControlAt {
        self.either(Mutant::ArmAfterLook, Settle, ArmKick)
    }
}

plain! {
    struct Poller {
        /// Its place in [`Scenario::publish`]. `None` between two bursts: it may loan, credit, take
        /// back, or hand its box over.
        at: Option<usize>,
        publishes_left: u8,
        /// The loan that is being published.
        loan: Loan,
        /// The control thread has its box.
        handed_over: bool,
    }
}

/// Credits each frame whose word says RELEASED under the ledger's serial.
fn credit_released(now: &GateState, steps: &mut Steps<GateState>) -> Result<(), Violation> {
    for frame in (0..FRAMES).filter(|&it| now.is_loaned_and(it, FrameState::Released)) {
        let mut next = *now;
        next.word[frame] = FrameWord::default();
        credit(&mut next, now.loan(frame))?;
        steps.push(POLLER, "credit a released frame", next);
    }
    Ok(())
}
