//! A thread of the client: enter, pop, wait, leave, put.

use super::Explorer;
use super::invariant::{self, Violation};
use super::scenario::Mutant;
use super::state::{FrameState, FrameWord, Gate, Lend, State};
use crate::model::pack::{Bits, choices};
use crate::model::search::Steps;

/// Names of the client threads in a trace.
pub(super) const NAMES: [&str; 2] = ["T0", "T1"];

choices! {
    /// The next step of a client thread.
    ClientAt {
        /// In the application.
        Outside,
        /// enter: count += 1.
        Raise,
        /// enter: read the client's own gate.
        LoadLocalGate,
        /// enter: read the session's gate; past it when both were open.
        LoadSessionGate,
        /// enter, bounced: ack = session gate.
        Acknowledge,
        /// pop: read head.
        LoadHead,
        /// pop: read tail and entry, note the intent.
        ReadEntry,
        /// pop: READY → HELD.
        Take,
        /// pop: head = h + 1, won or lost.
        AdvanceHead,
        /// wait: waiters += 1.
        JoinBell,
        /// wait: read the bell.
        Listen,
        /// wait: compare the gates with the snapshot.
        CheckGates,
        /// wait: has the deadline passed?
        CheckDeadline,
        /// wait: sleep if the bell still has the value that was read.
        FutexWait,
        /// In the kernel.
        Asleep,
        /// wait: waiters -= 1.
        PartBell,
        /// leave: count -= 1.
        Lower,
        /// leave, put: read the kick.
        LookAtKick,
        /// leave, put: swap the kick to 0.
        TakeKick,
        /// leave, put: send the byte.
        SendKick,
        /// Back to the application.
        Return,
        /// The application has the frame; next is put: HELD → RELEASED.
        Holding,
        /// The application puts the same frame again.
        PutAgain,
        /// Mutants only: waiters += 1 after the last look.
        JoinLate,
        /// Mutants only: waiters -= 1 before the next look.
        PartLate,
        /// Mutant only: read the kick before the count goes down.
        LookAtKickEarly,
        /// Mutant only: claim the head before the frame.
        ClaimHead,
    }
}

choices! {
    /// What a call will return.
    Outcome {
        /// Not known yet, or no call.
        Open,
        /// A frame: [`Client::lend`].
        Taken,
        /// `EAGAIN`.
        Stopped,
        /// `ETIMEDOUT`.
        TimedOut,
    }
}

/// A client thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) at: ClientAt,
    pub(super) dead: bool,
    calls_left: u8,
    /// Snapshot of the client's own gate.
    pub(super) local: Gate,
    /// Snapshot of the session's gate.
    pub(super) session: Gate,
    /// The bell's value that will be slept on.
    bell: u8,
    /// The head that was read.
    head: u8,
    /// The entry that was read; the frame held once [`Outcome::Taken`].
    pub(super) lend: Lend,
    pub(super) outcome: Outcome,
    /// In the wait's loop: the first look found nothing.
    waiting: bool,
    /// This stop was acknowledged by an earlier call.
    already: bool,
    /// The time-out fired.
    expired: bool,
    /// Mutants only: a wake ended the sleep.
    woken: bool,
    /// Mutant only: what [`ClientAt::LookAtKickEarly`] saw.
    kick_seen: bool,
    // Ghosts: what the invariants need to know, and no thread reads.
    /// A stop came while the thread slept.
    pub(super) slept_at_stop: bool,
    /// A gate was closed during the call, or when it began.
    pub(super) stop_overlapped: bool,
    /// The local gate was closed when the call began, and was not opened since.
    pub(super) barred_local: bool,
    /// The same of the session's gate.
    pub(super) barred_session: bool,
}

impl Client {
    /// A thread in the application, with so many calls to make.
    pub(super) fn new(calls: u8) -> Self {
        Self {
            at: ClientAt::Outside,
            dead: false,
            calls_left: calls,
            local: Gate(0),
            session: Gate(0),
            bell: 0,
            head: 0,
            lend: Lend::NONE,
            outcome: Outcome::Open,
            waiting: false,
            already: false,
            expired: false,
            woken: false,
            kick_seen: false,
            slept_at_stop: false,
            stop_overlapped: false,
            barred_local: false,
            barred_session: false,
        }
    }

    /// A thread that exited: all that still matters is whether a frame had been delivered to it.
    pub(super) fn dead(outcome: Outcome) -> Self {
        Self {
            dead: true,
            outcome,
            ..Self::new(0)
        }
    }

    /// Whether the thread has passed both gates and may still touch the session's memory.
    pub(super) fn is_past_the_gates(&self) -> bool {
        use ClientAt::*;
        match self.at {
            LoadHead | ReadEntry | Take | AdvanceHead | JoinBell | Listen | CheckGates
            | CheckDeadline | FutexWait | Asleep | PartBell | JoinLate | PartLate | ClaimHead => {
                true
            }
            Lower | LookAtKickEarly | LookAtKick | TakeKick | SendKick | Return => {
                self.outcome == Outcome::Taken
            }
            Outside | Raise | LoadLocalGate | LoadSessionGate | Acknowledge | Holding
            | PutAgain => false,
        }
    }

    /// A signal interrupts the sleep: the kernel will restart the wait with the old value.
    pub(super) fn interrupt(&mut self) {
        if self.at == ClientAt::Asleep {
            self.at = ClientAt::FutexWait;
        }
    }

    #[inline(always)]
    pub(super) fn visit(&mut self, bits: &mut impl Bits) {
        self.at.visit(bits);
        bits.flag(&mut self.dead);
        bits.number(&mut self.calls_left, 2);
        self.local.visit(bits);
        self.session.visit(bits);
        bits.number(&mut self.bell, 4);
        bits.number(&mut self.head, 2);
        self.lend.visit(bits);
        self.outcome.visit(bits);
        bits.flag(&mut self.waiting);
        bits.flag(&mut self.already);
        bits.flag(&mut self.expired);
        bits.flag(&mut self.woken);
        bits.flag(&mut self.kick_seen);
        bits.flag(&mut self.slept_at_stop);
        bits.flag(&mut self.stop_overlapped);
        bits.flag(&mut self.barred_local);
        bits.flag(&mut self.barred_session);
    }
}

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
                me.barred_local = !state.local_gate.is_open();
                me.barred_session = !state.session_gate.is_open();
                me.stop_overlapped = me.barred_local || me.barred_session;
                me.at = ClientAt::Raise;
                next.slot[slot].intent = Lend::NONE;
                if scenario.nested_call && who == 1 {
                    next.client[0].interrupt();
                }
                "begin a call, intent = none"
            }
            ClientAt::Raise => {
                me.at = ClientAt::LoadLocalGate;
                // `already` doubles as "interrupted a call" until the gates are read.
                me.already = scenario.nested_call && state.slot[slot].count > 0;
                next.slot[slot].count += 1;
                "count += 1"
            }
            ClientAt::LoadLocalGate => {
                me.local = state.local_gate;
                me.at = ClientAt::LoadSessionGate;
                "read local gate"
            }
            ClientAt::LoadSessionGate => {
                let nested = was.already;
                me.already = false;
                me.session = state.session_gate;
                if was.local.is_open() && me.session.is_open() {
                    me.at = ClientAt::LoadHead;
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
                next.slot[slot].ack = was.session;
                "ack = session gate"
            }
            ClientAt::LoadHead => {
                me.head = state.head;
                me.at = ClientAt::ReadEntry;
                "read head"
            }
            ClientAt::ReadEntry if was.head >= state.tail => {
                me.at = self.found_nothing(was, timed);
                me.waiting = true;
                "ring is empty"
            }
            ClientAt::ReadEntry => {
                let entry = state.ring[usize::from(was.head)];
                me.lend = entry;
                me.at = if scenario.is(Mutant::HeadFirst) {
                    ClientAt::ClaimHead
                } else {
                    ClientAt::Take
                };
                next.slot[slot].intent = entry;
                "read entry, intent = entry"
            }
            ClientAt::ClaimHead => {
                if state.head == was.head {
                    me.at = ClientAt::Take;
                    next.head = was.head + 1;
                } else {
                    me.at = ClientAt::LoadHead;
                }
                "claim head"
            }
            ClientAt::Take => {
                let word = &mut next.word[usize::from(was.lend.frame)];
                let won = *word == FrameWord::ready(was.lend.serial);
                if won {
                    *word = FrameWord::held(was.lend.serial, slot_tag(slot));
                    me.outcome = Outcome::Taken;
                }
                me.at = match (scenario.is(Mutant::HeadFirst), won) {
                    (false, _) => ClientAt::AdvanceHead,
                    (true, true) => self.end_of_pop(was),
                    (true, false) => ClientAt::LoadHead,
                };
                if won { "take: won" } else { "take: lost" }
            }
            ClientAt::AdvanceHead => {
                me.at = if was.outcome == Outcome::Taken {
                    self.end_of_pop(was)
                } else {
                    ClientAt::LoadHead
                };
                next.head = was.head + 1;
                "head = h + 1"
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
                "read bell"
            }
            ClientAt::CheckGates => {
                let stopped = if scenario.is(Mutant::BitNotGen) {
                    !state.local_gate.is_open() || !state.session_gate.is_open()
                } else {
                    state.local_gate != was.local || state.session_gate != was.session
                };
                if stopped {
                    me.outcome = Outcome::Stopped;
                    me.at = self.end_of_wait();
                } else {
                    me.at = ClientAt::LoadHead;
                }
                "compare gates with snapshot"
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
                    "bell has moved"
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
                me.at = self.leave();
                next.waiters -= 1;
                "waiters -= 1"
            }
            ClientAt::LookAtKickEarly => {
                me.kick_seen = state.kick;
                me.at = ClientAt::Lower;
                "read kick, early"
            }
            ClientAt::Lower => {
                let bounced = was.outcome == Outcome::Stopped;
                me.at = if scenario.is(Mutant::KickBeforeSub) {
                    if was.kick_seen {
                        ClientAt::TakeKick
                    } else {
                        ClientAt::Return
                    }
                } else if was.already || (bounced && scenario.is(Mutant::UndoNoKick)) {
                    ClientAt::Return
                } else {
                    ClientAt::LookAtKick
                };
                next.slot[slot].count -= 1;
                "count -= 1"
            }
            ClientAt::LookAtKick => {
                me.at = if state.kick {
                    ClientAt::TakeKick
                } else {
                    ClientAt::Return
                };
                "read kick"
            }
            ClientAt::TakeKick => {
                me.at = if state.kick {
                    ClientAt::SendKick
                } else {
                    ClientAt::Return
                };
                next.kick = false;
                "swap kick to 0"
            }
            ClientAt::SendKick => {
                me.at = ClientAt::Return;
                next.message = true;
                "send the byte"
            }
            ClientAt::Return => {
                invariant::returned(was)?;
                *me = Client {
                    at: ClientAt::Outside,
                    ..Client::new(was.calls_left)
                };
                if was.outcome == Outcome::Taken {
                    me.at = ClientAt::Holding;
                    me.outcome = Outcome::Taken;
                    me.lend = was.lend;
                } else if was.outcome == Outcome::Open && scenario.put_twice {
                    me.at = ClientAt::PutAgain;
                    me.lend = was.lend;
                }
                "return"
            }
            ClientAt::Holding => {
                let word = &mut next.word[usize::from(was.lend.frame)];
                if *word == FrameWord::held(was.lend.serial, slot_tag(slot)) {
                    word.state = FrameState::Released;
                }
                me.outcome = Outcome::Open;
                if !scenario.put_twice {
                    me.lend = Lend::NONE;
                }
                me.at = if scenario.is(Mutant::NoKickOnPut) {
                    ClientAt::Return
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
                me.lend = Lend::NONE;
                "put again"
            }
        };
        steps.push(NAMES[who], action, next);
        Ok(())
    }

    /// Whether a signal handler runs on thread `who`.
    fn stands_still(&self, state: &State, who: usize) -> bool {
        who == 0
            && (self.handler_runs(state)
                || self.scenario.nested_call && state.client[1].at != ClientAt::Outside)
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

    /// Where a thread goes that was woken, or that found the bell moved.
    pub(super) fn after_sleep(&self) -> ClientAt {
        if self.scenario.joins_late() {
            ClientAt::PartLate
        } else {
            ClientAt::Listen
        }
    }

    fn end_of_pop(&self, was: &Client) -> ClientAt {
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

    /// `FUTEX_WAKE` on the bell by `actor`: every sleeper, or each choice of one.
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

    fn end_sleep(&self, client: &mut Client) {
        client.at = self.after_sleep();
        client.woken =
            self.scenario.is(Mutant::NoRecheck) || self.scenario.is(Mutant::TimeoutDropsWake);
    }
}

/// Ghosts: a gate was just closed.
pub(super) fn note_stop(state: &mut State) {
    for client in &mut state.client {
        match client.at {
            ClientAt::Outside | ClientAt::Holding | ClientAt::PutAgain => {}
            ClientAt::Asleep => {
                client.slept_at_stop = true;
                client.stop_overlapped = true;
            }
            _ => client.stop_overlapped = true,
        }
    }
}

fn slot_tag(slot: usize) -> u8 {
    u8::try_from(slot).expect("there are two slots")
}
