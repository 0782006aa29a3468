//! The steps of a client thread: enter, pop, wait, leave, put.

use super::Explorer;
use super::client::{Client, ClientAt, Outcome};
use super::evict::{EvictAt, wake_starters};
use super::invariant::{self, Violation};
use super::look::Look;
use super::scenario::{Handles, Mutant};
use super::state::{FrameState, FrameWord, Loan, State};
use crate::model::search::Steps;

/// Names of the client threads in a trace.
pub(super) const NAMES: [&str; 2] = ["T0", "T1"];

impl Explorer {
    /// The steps of client thread `who`.
    pub(super) fn client_steps(
        &self,
        state: &State,
        who: usize,
        steps: &mut Steps<State>,
    ) -> Result<(), Violation> {
        if !state.alive(who) || self.stands_still(state, who) {
            return Ok(());
        }
        let scenario = &self.scenario;
        let timed = scenario.timed && who == 0;
        let slot = scenario.slot_of(who);
        let mut next = *state;
        let me = &mut next.client[who];
        let was = &state.client[who];

        let action = match was.at {
            ClientAt::Outside => {
                if was.calls_left == 0 {
                    return Ok(());
                }
                me.calls_left -= 1;
                me.barred_local = !state.seen_local_gate().is_open();
                me.barred_session = !state.seen_session_gate().is_open();
                me.slept_at_end =
                    state.closed && state.control.evict.at == EvictAt::Done || state.ctl_gone;
                me.stop_overlapped = me.barred_local || me.barred_session;
                me.at = ClientAt::Raise;
                if !scenario.is(Mutant::IntentKept) {
                    next.slot[slot].intent = Loan::NONE;
                }
                if scenario.nested_call && who == 1 {
                    next.client[0].interrupt();
                }
                "begin a call, intent = none"
            }
            ClientAt::Raise => {
                me.at = ClientAt::LoadLocalGate;
                // `already` doubles as "interrupted a call" until the gates are read.
                me.already = scenario.nested_call && state.slot[slot].count > 0;
                if !state.seg_gone {
                    next.slot[slot].count += 1;
                }
                "count += 1"
            }
            ClientAt::LoadLocalGate => {
                me.local = state.seen_local_gate();
                me.at = ClientAt::LoadSessionGate;
                "read local gate"
            }
            ClientAt::LoadSessionGate => {
                let nested = was.already;
                me.already = false;
                me.session = state.seen_session_gate();
                if was.local.is_open() && me.session.is_open() {
                    if was.slept_at_end {
                        return Err(Violation::NotStale);
                    }
                    me.at = self.first_of_pop();
                } else {
                    me.outcome = Outcome::Stopped;
                    let acknowledges = (!scenario.shared_slot
                        || scenario.is(Mutant::AckOnSharedSlot))
                        && (!nested || scenario.is(Mutant::AckWhenNested));
                    if me.session.is_open() || !acknowledges {
                        me.at = self.leave();
                    } else {
                        me.already = state.slot[slot].ack == me.session;
                        me.at = ClientAt::Acknowledge;
                    }
                }
                "read session gate"
            }
            ClientAt::Acknowledge => {
                me.at = self.leave();
                if !state.seg_gone {
                    next.slot[slot].ack = was.session;
                }
                "ack = session gate"
            }
            ClientAt::LoadTail => {
                me.tail = state.seen_tail();
                me.at = ClientAt::LoadHead;
                "read tail"
            }
            ClientAt::LoadHead => {
                me.head = state.head;
                me.at = ClientAt::ReadEntry;
                "read head"
            }
            ClientAt::ReadEntry => {
                let tail = if scenario.is(Mutant::TailBeforeHead) {
                    was.tail
                } else {
                    state.seen_tail()
                };
                if was.head >= tail {
                    me.at = self.found_nothing(was, timed);
                    me.waiting = true;
                    "ring is empty"
                } else {
                    let entry = state.ring[usize::from(was.head)];
                    let ready =
                        state.word[usize::from(entry.frame)] == FrameWord::ready(entry.serial);
                    me.lend = entry;
                    me.at = if scenario.is(Mutant::HeadFirst) {
                        ClientAt::ClaimHead
                    } else if ready {
                        ClientAt::Take
                    } else {
                        ClientAt::AdvanceHead
                    };
                    // Only the settlement of a thread's exit reads it.
                    if scenario.thread_exits && (ready || scenario.is(Mutant::IntendBeforeLook)) {
                        next.slot[slot].intent = entry;
                    }
                    if ready {
                        "entry is ready, intent = entry"
                    } else {
                        "entry is not ready"
                    }
                }
            }
            ClientAt::ClaimHead => {
                if state.head == was.head {
                    me.at = ClientAt::Take;
                    next.head = was.head + 1;
                } else {
                    me.at = self.first_of_pop();
                }
                "claim head"
            }
            ClientAt::Take => {
                let word = &mut next.word[usize::from(was.lend.frame)];
                let won = *word == FrameWord::ready(was.lend.serial) && !state.seg_gone;
                if won {
                    *word = FrameWord::held(was.lend.serial, slot_tag(slot));
                    me.outcome = Outcome::Taken;
                }
                me.at = match (scenario.is(Mutant::HeadFirst), won) {
                    (false, _) => ClientAt::AdvanceHead,
                    (true, true) => self.after_win(was),
                    (true, false) => self.first_of_pop(),
                };
                if won { "take: won" } else { "take: lost" }
            }
            ClientAt::AdvanceHead => {
                me.at = if was.outcome == Outcome::Taken {
                    self.after_win(was)
                } else {
                    me.lend = Loan::NONE;
                    self.first_of_pop()
                };
                next.head = was.head + 1;
                "head = h + 1"
            }
            ClientAt::Pin => {
                me.at = if scenario.is(Mutant::PinAfterLeave) {
                    ClientAt::LookAtKick
                } else {
                    self.end_of_pop(was)
                };
                next.pins[usize::from(was.lend.frame)] = true;
                "set the pin"
            }
            ClientAt::JoinBell => {
                me.at = ClientAt::Listen;
                next.waiters += 1;
                "waiters += 1"
            }
            ClientAt::Listen => {
                me.bell = state.bell;
                me.at = if scenario.is(Mutant::NoRecheck) && !was.woken {
                    ClientAt::FutexWait
                } else {
                    ClientAt::CheckGates
                };
                if scenario.is(Mutant::TimeoutDropsWake) && was.woken && timed {
                    let mut late = *state;
                    late.client[who].outcome = Outcome::TimedOut;
                    late.client[who].at = ClientAt::PartBell;
                    steps.push(NAMES[who], "deadline passed after the wake", late);
                }
                "read event count"
            }
            ClientAt::CheckGates => {
                let stopped = if scenario.is(Mutant::BitNotGen) {
                    !state.seen_local_gate().is_open() || !state.seen_session_gate().is_open()
                } else {
                    state.seen_local_gate() != was.local || state.seen_session_gate() != was.session
                };
                if stopped && self.may_close() {
                    me.at = ClientAt::AskWhy;
                } else if stopped {
                    me.outcome = Outcome::Stopped;
                    me.at = self.end_of_wait();
                } else {
                    me.at = self.first_of_pop();
                }
                "compare gates with snapshot"
            }
            ClientAt::AskWhy => {
                me.outcome = if state.seen_closed() {
                    Outcome::Stale
                } else {
                    Outcome::Stopped
                };
                me.at = self.end_of_wait();
                "read the state"
            }
            ClientAt::CheckDeadline => {
                if was.expired {
                    me.outcome = Outcome::TimedOut;
                    me.at = self.end_of_wait();
                    "deadline has passed"
                } else {
                    let mut late = *state;
                    late.client[who].outcome = Outcome::TimedOut;
                    late.client[who].at = self.end_of_wait();
                    steps.push(NAMES[who], "deadline passes", late);
                    me.at = self.before_sleep();
                    "deadline is ahead"
                }
            }
            ClientAt::JoinLate => {
                me.at = ClientAt::FutexWait;
                next.waiters += 1;
                "waiters += 1, late"
            }
            ClientAt::FutexWait => {
                if state.bell == was.bell {
                    me.at = ClientAt::Asleep;
                    "sleep"
                } else {
                    me.at = self.after_sleep();
                    "event count has moved"
                }
            }
            ClientAt::Asleep => {
                if !timed {
                    return Ok(());
                }
                me.expired = true;
                if scenario.is(Mutant::TimeoutBeatsStop) {
                    me.outcome = Outcome::TimedOut;
                    me.at = self.end_of_wait();
                } else {
                    me.at = self.after_sleep();
                }
                "timer fires"
            }
            ClientAt::PartLate => {
                me.at = ClientAt::Listen;
                next.waiters -= 1;
                "waiters -= 1, early"
            }
            ClientAt::PartBell => {
                let told = matches!(was.outcome, Outcome::Stopped | Outcome::Stale);
                let passes_on = told && !scenario.is(Mutant::StopWakesOne);
                next.waiters -= 1;
                // They are two steps only if a thread may end between them.
                if passes_on && scenario.thread_exits {
                    me.at = ClientAt::PassOn;
                } else {
                    me.at = self.leave();
                    me.forget();
                    if passes_on && next.waiters > 0 {
                        self.wake(
                            next,
                            true,
                            NAMES[who],
                            "waiters -= 1, wake the others",
                            steps,
                        );
                        return Ok(());
                    }
                }
                "waiters -= 1"
            }
            ClientAt::PassOn => {
                me.at = self.leave();
                me.forget();
                if state.waiters > 0 {
                    self.wake(next, true, NAMES[who], "wake the others", steps);
                    return Ok(());
                }
                "there are no others"
            }
            ClientAt::LookAtKickEarly => {
                me.kick_seen = state.seen_kick();
                me.at = ClientAt::Lower;
                "read kick, early"
            }
            ClientAt::Lower => {
                let bounced = was.outcome == Outcome::Stopped;
                let pins_late = scenario.is(Mutant::PinAfterLeave);
                me.at = if scenario.is(Mutant::KickBeforeSub) {
                    if was.kick_seen {
                        ClientAt::TakeKick
                    } else {
                        ClientAt::Return
                    }
                } else if was.already || (bounced && scenario.is(Mutant::UndoNoKick)) {
                    self.before_return(me)
                } else if pins_late && was.outcome == Outcome::Taken {
                    ClientAt::Pin
                } else {
                    ClientAt::LookAtKick
                };
                if !state.seg_gone {
                    next.slot[slot].count -= 1;
                }
                "count -= 1"
            }
            ClientAt::LookAtKick => {
                me.at = if state.seen_kick() {
                    ClientAt::TakeKick
                } else {
                    self.before_return(me)
                };
                "read kick"
            }
            ClientAt::TakeKick => {
                me.at = if state.seen_kick() {
                    ClientAt::SendKick
                } else {
                    self.before_return(me)
                };
                next.kick &= state.seg_gone;
                "swap kick to 0"
            }
            ClientAt::SendKick => {
                me.at = self.before_return(me);
                next.message = true;
                "send the byte"
            }
            ClientAt::LookAtEnd => {
                let action = self.look(&mut next, |state| &mut state.client[who].look)?;
                let me = &mut next.client[who];
                if me.look.is_over() {
                    me.at = ClientAt::Return;
                }
                action
            }
            ClientAt::Return if state.has_pinned_handle(who) => {
                next.pins[usize::from(was.lend.frame)] = false;
                me.look = Look::begin();
                me.at = ClientAt::LookAtEnd;
                "keep the handle: clear the pin"
            }
            ClientAt::Return => {
                // A call that bounced reads the state last.
                let bounced = was.outcome == Outcome::Stopped && !was.waiting;
                if bounced && state.seen_closed() {
                    me.outcome = Outcome::Stale;
                }
                let stopped = me.outcome == Outcome::Stopped;
                invariant::returned(me)?;
                if was.outcome == Outcome::Taken && state.frames_gone && state.borrows(who) {
                    return Err(Violation::ZeroedUnderGuard);
                }
                *me = Client {
                    kept: was.kept,
                    ..Client::new(was.calls_left)
                };
                if was.outcome == Outcome::Taken {
                    me.at = ClientAt::Holding;
                    me.outcome = Outcome::Taken;
                    me.lend = was.lend;
                } else if was.outcome == Outcome::Open && scenario.put_twice {
                    me.at = ClientAt::PutAgain;
                    me.lend = was.lend;
                } else if was.kept != Loan::NONE && was.calls_left == 0 {
                    me.at = ClientAt::Holding;
                    me.outcome = Outcome::Taken;
                    me.lend = was.kept;
                    me.kept = Loan::NONE;
                } else if stopped && scenario.waits_for_start {
                    me.at = ClientAt::StartLocal;
                }
                "return"
            }
            ClientAt::Holding
                if state.has_handles(who) && scenario.handles == Handles::Forgotten =>
            {
                return Ok(());
            }
            ClientAt::Holding
                if scenario.leaves
                    && !state.has_handles(who)
                    && !scenario.is(Mutant::UnpinAfterPut) =>
            {
                self.keep_frame(state, who, steps);
                next.pins[usize::from(was.lend.frame)] = false;
                me.at = ClientAt::Putting;
                "end the guard: clear the pin"
            }
            ClientAt::UnpinLate => {
                next.pins[usize::from(was.lend.frame)] = false;
                me.lend = Loan::NONE;
                me.at = ClientAt::LookAtKick;
                "clear the pin, late"
            }
            ClientAt::Holding | ClientAt::Putting => {
                if was.at == ClientAt::Holding {
                    self.keep_frame(state, who, steps);
                }
                let word = &mut next.word[usize::from(was.lend.frame)];
                let held = *word == FrameWord::held(was.lend.serial, slot_tag(slot));
                if held && !state.seg_gone {
                    word.state = FrameState::Released;
                } else if !state.seen_closed() {
                    return Err(Violation::PutLost);
                }
                me.outcome = Outcome::Open;
                let unpins_late = scenario.is(Mutant::UnpinAfterPut);
                if !scenario.put_twice && !unpins_late {
                    me.lend = Loan::NONE;
                }
                me.at = if scenario.is(Mutant::NoKickOnPut) {
                    ClientAt::Return
                } else if unpins_late {
                    ClientAt::UnpinLate
                } else {
                    ClientAt::LookAtKick
                };
                "put"
            }
            ClientAt::PutAgain => {
                let word = &state.word[usize::from(was.lend.frame)];
                let released = if scenario.is(Mutant::PutIgnoresSerial) {
                    word.state == FrameState::Held
                } else {
                    *word == FrameWord::held(was.lend.serial, slot_tag(slot))
                };
                if released {
                    return Err(Violation::StalePutReleased);
                }
                me.at = ClientAt::Outside;
                me.lend = Loan::NONE;
                "put again"
            }
            ClientAt::StartLocal => {
                me.local = state.seen_local_gate();
                me.at = ClientAt::StartSession;
                "wait_started: read local gate"
            }
            ClientAt::StartSession => {
                me.session = state.seen_session_gate();
                me.at = ClientAt::StartState;
                "wait_started: read session gate"
            }
            ClientAt::StartState => {
                let runs = was.local.is_open() && was.session.is_open();
                let passes_on = was.waiting && !scenario.is(Mutant::StartWakesOne);
                if state.seen_closed() || runs {
                    *me = Client {
                        kept: was.kept,
                        ..Client::new(was.calls_left)
                    };
                    // No thread ends in between: it counts as one step.
                    if passes_on {
                        wake_starters(&mut next);
                    }
                } else {
                    me.at = ClientAt::StartSleep;
                }
                "wait_started: read the state; woken and to leave, wake the others"
            }
            ClientAt::StartSleep => {
                me.waiting = true;
                let moved = state.seen_closed()
                    || state.seen_local_gate() != was.local
                    || state.seen_session_gate() != was.session;
                me.at = if moved {
                    ClientAt::StartLocal
                } else {
                    ClientAt::StartAsleep
                };
                "wait_started: sleep"
            }
            ClientAt::StartAsleep => return Ok(()),
        };
        next.client[who].forget();
        steps.push(NAMES[who], action, next);
        Ok(())
    }

    /// Whether the attachment may be closed for good while its process lives.
    fn may_close(&self) -> bool {
        self.scenario.evicted || self.scenario.quarantined || self.scenario.leaves
    }

    /// Whether a signal handler runs on thread `who`.
    fn stands_still(&self, state: &State, who: usize) -> bool {
        who == 0
            && (self.handler_runs(state)
                || self.scenario.nested_call && state.client[1].at != ClientAt::Outside)
    }

    fn first_of_pop(&self) -> ClientAt {
        if self.scenario.is(Mutant::TailBeforeHead) {
            ClientAt::LoadTail
        } else {
            ClientAt::LoadHead
        }
    }

    fn found_nothing(&self, was: &Client, timed: bool) -> ClientAt {
        if !was.waiting {
            if self.scenario.joins_late() {
                ClientAt::Listen
            } else {
                ClientAt::JoinBell
            }
        } else if timed {
            ClientAt::CheckDeadline
        } else {
            self.before_sleep()
        }
    }

    fn before_sleep(&self) -> ClientAt {
        if self.scenario.joins_late() {
            ClientAt::JoinLate
        } else {
            ClientAt::FutexWait
        }
    }

    /// The next step of a thread that was woken, or that found the event count changed.
    pub(super) fn after_sleep(&self) -> ClientAt {
        if self.scenario.joins_late() {
            ClientAt::PartLate
        } else {
            ClientAt::Listen
        }
    }

    pub(super) fn end_of_pop(&self, was: &Client) -> ClientAt {
        if was.waiting {
            self.end_of_wait()
        } else {
            self.leave()
        }
    }

    fn end_of_wait(&self) -> ClientAt {
        if self.scenario.joins_late() {
            self.leave()
        } else {
            ClientAt::PartBell
        }
    }

    fn leave(&self) -> ClientAt {
        if self.scenario.is(Mutant::KickBeforeSub) {
            ClientAt::LookAtKickEarly
        } else {
            ClientAt::Lower
        }
    }

    /// `FUTEX_WAKE` on the event count by `actor`: every sleeper, or each choice of one.
    pub(super) fn wake(
        &self,
        state: State,
        all: bool,
        actor: &'static str,
        action: &'static str,
        steps: &mut Steps<State>,
    ) {
        let sleeps = |who: &usize| state.alive(*who) && state.client[*who].at == ClientAt::Asleep;
        let sleepers = (0..state.client.len()).filter(sleeps);
        if all || sleepers.clone().next().is_none() {
            let mut next = state;
            for who in sleepers {
                self.end_sleep(&mut next.client[who]);
            }
            steps.push(actor, action, next);
        } else {
            for who in sleepers {
                let mut next = state;
                self.end_sleep(&mut next.client[who]);
                steps.push(actor, action, next);
            }
        }
    }

    /// `FUTEX_WAKE` of one on the session's gate or the state by the control thread: each choice.
    pub(super) fn wake_starter(
        &self,
        state: State,
        actor: &'static str,
        action: &'static str,
        steps: &mut Steps<State>,
    ) {
        let sleeps =
            |who: &usize| state.alive(*who) && state.client[*who].at == ClientAt::StartAsleep;
        let sleepers: Vec<usize> = (0..state.client.len()).filter(sleeps).collect();
        if sleepers.is_empty() {
            steps.push(actor, action, state);
        }
        for who in sleepers {
            let mut next = state;
            next.client[who].start_over();
            steps.push(actor, action, next);
        }
    }

    fn end_sleep(&self, client: &mut Client) {
        client.at = self.after_sleep();
        client.forget();
        client.woken =
            self.scenario.is(Mutant::NoRecheck) || self.scenario.is(Mutant::TimeoutDropsWake);
    }
}

fn slot_tag(slot: usize) -> u8 {
    u8::try_from(slot).expect("there are two slots")
}
