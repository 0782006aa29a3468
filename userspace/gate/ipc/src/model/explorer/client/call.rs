//! The steps of a client thread: enter, pop, leave, put. Waiting is in `wait`.

use super::super::*;
use ClientAt::*;

impl Explorer {
    pub(in super::super) fn client(
        &self,
        now: &GateState,
        who: usize,
        next: &mut GateState,
        steps: &mut Steps<GateState>,
    ) -> Result<Move, Violation> {
        if !now.alive(who) || self.stands_still(now, who) {
            return Ok(Move::Blocked);
        }
        let moved = match now.client[who].at {
            Outside | EnterSlot | LoadLocalGate | LoadSessionGate | Acknowledge => {
                self.enter(now, who, next)?
            }
            LoadTail | LoadHead | ReadEntry | ClaimHead | Take | AdvanceHead => {
                self.pop(now, who, next)
            }
            ExitSlot | LookAtKickEarly | LookAtKick | LookAtSlot0 | LookAtSlot1 | TakeKick
            | SendKick => self.leave(now, who, next),
            Return => self.come_back(now, who, next)?,
            Holding | PutAgain => self.put(now, who, next, steps)?,
            StartLocal | StartSession | StartState | StartSleep | StartAsleep => {
                self.wait_started(now, who, next)
            }
            _ => self.wait(now, who, next, steps),
        };
        next.client[who].forget();
        Ok(moved)
    }

    /// Whether a signal handler runs on thread `who`.
    fn stands_still(&self, now: &GateState, who: usize) -> bool {
        let nested = self.scenario.nested_call && now.client[1].at != Outside;
        who == 0 && (self.scenario.handler_runs(now) || nested)
    }

    fn enter(&self, now: &GateState, who: usize, next: &mut GateState) -> Result<Move, Violation> {
        let scenario = &self.scenario;
        let slot = scenario.slot_of(who);
        let (was, me) = (&now.client[who], &mut next.client[who]);
        Ok(Move::Step(match was.at {
            Outside if was.calls_left == 0 => return Ok(Move::Blocked),
            Outside => {
                me.calls_left -= 1;
                me.barred_local = !now.local_gate.is_open();
                me.barred_session = !now.session_gate.is_open();
                me.slept_at_end = now.closed && now.control.evict.done;
                me.stop_overlapped = me.barred_local || me.barred_session;
                me.at = EnterSlot;
                if !scenario.is(Mutant::IntentKept) {
                    next.slot[slot].intent = Loan::NONE;
                }
                if scenario.nested_call && who == 1 {
                    next.client[0].interrupt();
                }
                "begin a call, intent = none"
            }
            EnterSlot => {
                me.at = LoadLocalGate;
                me.already = scenario.nested_call && now.slot[slot].count > 0;
                next.slot[slot].count += 1;
                "count += 1"
            }
            LoadLocalGate => {
                me.local = now.local_gate;
                me.at = LoadSessionGate;
                "read local gate"
            }
            LoadSessionGate => {
                me.already = false;
                me.session = now.session_gate;
                if was.local.is_open() && me.session.is_open() {
                    if was.slept_at_end {
                        return Err(Violation::NotStale);
                    }
                    me.at = scenario.first_of_pop();
                } else {
                    me.outcome = CallOutcome::Stopped;
                    let acknowledges = (!scenario.shared_slot
                        || scenario.is(Mutant::AckOnSharedSlot))
                        && (!was.already || scenario.is(Mutant::AckWhenNested));
                    if me.session.is_open() || !acknowledges {
                        me.at = scenario.first_of_leave();
                    } else {
                        me.already = now.slot[slot].ack == me.session;
                        me.at = Acknowledge;
                    }
                }
                "read session gate"
            }
            _ => {
                me.at = scenario.first_of_leave();
                next.slot[slot].ack = was.session;
                "ack = session gate"
            }
        }))
    }

    fn pop(&self, now: &GateState, who: usize, next: &mut GateState) -> Move {
        let slot = self.scenario.slot_of(who);
        let (was, me) = (&now.client[who], &mut next.client[who]);
        Move::Step(match was.at {
            LoadTail => {
                me.tail = now.tail;
                me.at = LoadHead;
                "read tail"
            }
            LoadHead => {
                me.head = now.head;
                me.at = ReadEntry;
                "read head"
            }
            ReadEntry => return self.read_entry(now, who, next),
            ClaimHead => {
                if now.head == was.head {
                    me.at = Take;
                    next.head = was.head + 1;
                } else {
                    me.at = self.scenario.first_of_pop();
                }
                "claim head"
            }
            Take => {
                let (word, serial) = (&mut next.word[was.loan.at()], was.loan.serial);
                let won = *word == FrameWord::new(FrameState::Ready, serial, 0);
                if won {
                    *word = FrameWord::new(FrameState::Held, serial, tag(slot));
                    me.outcome = CallOutcome::Taken;
                }
                me.at = match (self.scenario.is(Mutant::HeadFirst), won) {
                    (false, _) => AdvanceHead,
                    (true, true) => self.scenario.end_of_pop(was),
                    (true, false) => self.scenario.first_of_pop(),
                };
                if won { "take: won" } else { "take: lost" }
            }
            _ => {
                me.at = if was.outcome == CallOutcome::Taken {
                    self.scenario.end_of_pop(was)
                } else {
                    me.loan = Loan::NONE;
                    self.scenario.first_of_pop()
                };
                next.head = was.head + 1;
                "head = h + 1"
            }
        })
    }

    /// pop: reads tail and entry, checks the frame word, and notes the intent if it is READY.
    fn read_entry(&self, now: &GateState, who: usize, next: &mut GateState) -> Move {
        let scenario = &self.scenario;
        let (was, me) = (&now.client[who], &mut next.client[who]);
        let tail = scenario.either(Mutant::TailBeforeHead, was.tail, now.tail);
        if was.head >= tail {
            me.at = scenario.found_nothing(was, scenario.timed && who == 0);
            me.waiting = true;
            return Move::Step("ring is empty");
        }
        let entry = now.ring[usize::from(was.head)];
        let ready = now.word[entry.at()] == FrameWord::new(FrameState::Ready, entry.serial, 0);
        me.loan = entry;
        me.at = if scenario.is(Mutant::HeadFirst) {
            ClaimHead
        } else if ready {
            Take
        } else {
            AdvanceHead
        };
        // Only the settlement of a thread's exit reads it.
        if scenario.thread_exits && (ready || scenario.is(Mutant::IntendBeforeLook)) {
            next.slot[scenario.slot_of(who)].intent = entry;
        }
        Move::Step(match ready {
            true => "entry is ready, intent = entry",
            false => "entry is not ready",
        })
    }

    fn leave(&self, now: &GateState, who: usize, next: &mut GateState) -> Move {
        let (was, me) = (&now.client[who], &mut next.client[who]);
        let bounced = was.outcome == CallOutcome::Stopped;
        let (at, action) = match was.at {
            LookAtKickEarly => {
                me.kick_seen = now.kick;
                (ExitSlot, "read kick, early")
            }
            ExitSlot => {
                next.slot[self.scenario.slot_of(who)].count -= 1;
                let at = if self.scenario.is(Mutant::KickBeforeSub) {
                    if was.kick_seen { TakeKick } else { Return }
                } else if was.already || bounced && self.scenario.is(Mutant::UndoNoKick) {
                    Return
                } else {
                    LookAtKick
                };
                (at, "count -= 1")
            }
            LookAtKick if now.kick => {
                next.kick = !self.scenario.is(Mutant::TakesThenLooks);
                (LookAtSlot0, "read kick")
            }
            LookAtKick => (Return, "read kick"),
            LookAtSlot0 if self.is_user(now, 0) => (Return, "read a slot: another will kick"),
            LookAtSlot0 => (LookAtSlot1, "read a slot"),
            LookAtSlot1 if self.is_user(now, 1) => (Return, "read a slot: another will kick"),
            LookAtSlot1 if self.scenario.is(Mutant::TakesThenLooks) => (SendKick, "read a slot"),
            LookAtSlot1 => (TakeKick, "read a slot"),
            TakeKick => {
                next.kick = false;
                let at = if now.kick { SendKick } else { Return };
                (at, "swap kick to 0")
            }
            _ => {
                next.message = true;
                (Return, "send the byte")
            }
        };
        next.client[who].at = at;
        Move::Step(action)
    }

    /// Whether slot `at` counts a user, for a caller that leaves.
    fn is_user(&self, now: &GateState, at: usize) -> bool {
        let slot = now.slot[at];
        let acknowledged = slot.ack == now.session_gate && !self.scenario.shared_slot;
        slot.count > 0 && (!acknowledged || self.scenario.is(Mutant::AckedWillKick))
    }

    /// Back to the application, after a call or a put.
    fn come_back(
        &self,
        now: &GateState,
        who: usize,
        next: &mut GateState,
    ) -> Result<Move, Violation> {
        let (was, me) = (&now.client[who], &mut next.client[who]);
        // A call that bounced reads the state last.
        if was.outcome == CallOutcome::Stopped && !was.waiting && now.closed {
            me.outcome = CallOutcome::Stale;
        }
        let stopped = me.outcome == CallOutcome::Stopped;
        check_return(me)?;
        *me = was.returned();
        if was.outcome == CallOutcome::Taken {
            me.at = Holding;
            me.outcome = CallOutcome::Taken;
            me.loan = was.loan;
        } else if was.outcome == CallOutcome::Open && self.scenario.put_twice {
            me.at = PutAgain;
            me.loan = was.loan;
        } else if was.kept != Loan::NONE && was.calls_left == 0 {
            me.at = Holding;
            me.outcome = CallOutcome::Taken;
            me.loan = was.kept;
            me.kept = Loan::NONE;
        } else if stopped && self.scenario.waits_for_start {
            me.at = StartLocal;
        }
        Ok(Move::Step("return"))
    }

    fn put(
        &self,
        now: &GateState,
        who: usize,
        next: &mut GateState,
        steps: &mut Steps<GateState>,
    ) -> Result<Move, Violation> {
        let scenario = &self.scenario;
        let (was, me) = (&now.client[who], &mut next.client[who]);
        let word = &mut next.word[was.loan.at()];
        let slot = tag(scenario.slot_of(who));
        let held = *word == FrameWord::new(FrameState::Held, was.loan.serial, slot);
        if was.at == PutAgain {
            let blind = scenario.is(Mutant::PutIgnoresSerial) && word.state == FrameState::Held;
            if held || blind {
                return Err(Violation::StalePutReleased);
            }
            me.at = Outside;
            me.loan = Loan::NONE;
            return Ok(Move::Step("put again"));
        }
        // The application may keep its frame, and call again.
        if scenario.keeps_frames && was.calls_left > 0 && was.kept == Loan::NONE {
            let mut kept = *now;
            kept.client[who] = Client {
                kept: was.loan,
                ..Client::new(was.calls_left)
            };
            steps.push(NAMES[who], "keep the frame", kept);
        }
        if held {
            word.state = FrameState::Released;
        } else if !now.closed {
            return Err(Violation::PutLost);
        }
        me.outcome = CallOutcome::Open;
        if !scenario.put_twice {
            me.loan = Loan::NONE;
        }
        me.at = scenario.either(Mutant::NoKickOnPut, Return, LookAtKick);
        Ok(Move::Step("put"))
    }
}

impl Scenario {
    pub(in super::super) fn first_of_pop(&self) -> ClientAt {
        self.either(Mutant::TailBeforeHead, LoadTail, LoadHead)
    }

    pub(in super::super) fn first_of_leave(&self) -> ClientAt {
        self.either(Mutant::KickBeforeSub, LookAtKickEarly, ExitSlot)
    }

    fn end_of_pop(&self, was: &Client) -> ClientAt {
        match was.waiting {
            true => self.end_of_wait(),
            false => self.first_of_leave(),
        }
    }
}

fn tag(slot: usize) -> u8 {
    u8::try_from(slot).expect("there are two slots")
}
