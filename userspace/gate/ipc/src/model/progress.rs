//! Waiting for the progress of a frame: two callers that want different amounts of it, the poller, a local stop, and a
//! thread that exits where it was woken.
//!
//! The poller wakes one sleeper for one reason, and that may be the other one. So a caller that finds the event count
//! moved wakes the rest, once for each move. So does one that is woken and came after the move, before its wake-up: that
//! was for one that came earlier. The poller may pause after any step of the frame: then no later wake-up
//! hides a lost one. Memory is sequentially consistent; loom has the orderings.

use super::plain;
use super::search::{Model, Steps, is_caught, passes};

const CALLERS: usize = 2;
const NAMES: [&str; CALLERS] = ["T0", "T1"];
/// The bytes that each caller waits for: all of it, more than comes, or another frame, of which nothing comes.
const WANTS: [[u8; CALLERS]; 3] = [[2, 1], [3, 1], [ANOTHER, 1]];
const ANOTHER: u8 = u8::MAX;
/// Steps of the frame, before its end.
const ALL: u8 = 2;

plain! {
    enum At { Join, Listen, PassOn, CheckGate, Look, Ask, Notify, WakeOthers, LookAgain, Sleep, Asleep, Part, WakeAll, Returned, Dead, }

    struct Caller {
        at: At,
        heard: u8,
        slept: bool,
        /// A wake-up ended its sleep since it listened last.
        woken: bool,
        /// The move that it passed on last.
        passed: u8,
        /// The progress that it saw before it asked.
        saw: u8,
        /// It returned with so much of the frame.
        has: u8,
        stopped: bool,
    }

    /// The next part of a poller's step of the frame.
    enum Poller { Write, Tell, LookAtWanted, Notify, WakeOne, Paused, Done, }

    enum Other { Idle, Notify, WakeOne, Done, }

    struct State {
        /// In memory.
        bytes: u8,
        /// Value of the progress word.
        stands: u8,
        ended: bool,
        wanted: u8,
        event_count: u8,
        waiters: u8,
        closed: bool,
        poller: Poller,
        served: u8,
        stop: Other,
        /// The daemon's reaction to a thread's exit.
        exit: Other,
        caller: [Caller; CALLERS],
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Violation {
    /// A caller sleeps beside what it waits for.
    Asleep,
    /// A caller got more than is in memory.
    ReadAhead,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mutant {
    TellBeforeBytes,
    AskAfterLook,
    /// A caller writes over what another waits for, which stands by now, and tells it not.
    ReplaceTellsNone,
    WokenWakesNone,
    /// Nor does one that finds no move since it came.
    LatecomerWakesNone,
    EndWakesNone,
    StopWakesNone,
    ExitWakesNone,
    /// The poller looks at the wanted word before it stores the progress.
    LookBeforeTell,
}

struct Waiting {
    wants: [u8; CALLERS],
    mutant: Option<Mutant>,
    stops: bool,
    exits: bool,
}

impl Caller {
    fn wake(&mut self) {
        (self.at, self.woken) = (At::Listen, true);
    }
}

impl Waiting {
    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Each choice of one sleeper is a successor.
    fn wake_one(actor: &'static str, next: State, steps: &mut Steps<State>) {
        let sleeps = |who: &usize| next.caller[*who].at == At::Asleep;
        if !(0..CALLERS).any(|who| sleeps(&who)) {
            steps.push(actor, "wake one: none sleeps", next);
        }
        for who in (0..CALLERS).filter(sleeps) {
            let mut woken = next;
            woken.caller[who].wake();
            steps.push(actor, "wake one", woken);
        }
    }

    fn wake_all(mut next: State) -> State {
        for caller in &mut next.caller {
            if caller.at == At::Asleep {
                caller.wake();
            }
        }
        next
    }

    fn poller(&self, now: &State, steps: &mut Steps<State>) {
        let mut next = *now;
        let is_wanted = now.wanted > now.served && now.wanted <= now.stands;
        let action = match now.poller {
            Poller::Write if now.bytes == ALL => {
                next.ended = true;
                next.poller = match self.is(Mutant::EndWakesNone) {
                    true => Poller::Done,
                    false => Poller::Notify,
                };
                "the frame has ended"
            }
            Poller::Write if self.is(Mutant::TellBeforeBytes) => {
                next.stands += 1;
                next.poller = Poller::Tell;
                "progress, too early"
            }
            Poller::Write => {
                next.bytes += 1;
                next.poller = match self.is(Mutant::LookBeforeTell) {
                    true => Poller::LookAtWanted,
                    false => Poller::Tell,
                };
                "write bytes"
            }
            Poller::Tell if self.is(Mutant::TellBeforeBytes) => {
                next.bytes += 1;
                next.poller = Poller::LookAtWanted;
                "write bytes, too late"
            }
            Poller::Tell => {
                next.stands = now.bytes;
                next.poller = match self.is(Mutant::LookBeforeTell) {
                    true => Poller::Paused,
                    false => Poller::LookAtWanted,
                };
                "progress"
            }
            Poller::LookAtWanted if is_wanted => {
                (next.served, next.poller) = (now.wanted, Poller::Notify);
                "read what is wanted: reached"
            }
            Poller::LookAtWanted => {
                next.poller = match self.is(Mutant::LookBeforeTell) {
                    true => Poller::Tell,
                    false => Poller::Paused,
                };
                "read what is wanted: no more"
            }
            Poller::Notify => {
                next.event_count += 1;
                next.poller = Poller::WakeOne;
                "event count += 1"
            }
            Poller::WakeOne => {
                next.poller = match now.ended {
                    true => Poller::Done,
                    false => Poller::Paused,
                };
                if now.waiters > 0 {
                    return Self::wake_one("poller", next, steps);
                }
                "there are no waiters"
            }
            Poller::Paused => {
                next.poller = Poller::Write;
                // More may come, but no caller may rely on it.
                return steps.push_death("more of the frame comes", next);
            }
            Poller::Done => return,
        };
        steps.push("poller", action, next);
    }

    fn caller(&self, now: &State, who: usize, steps: &mut Steps<State>) -> Result<(), Violation> {
        let was = now.caller[who];
        let mut next = *now;
        let me = &mut next.caller[who];
        let stands = is_due(now, self.wants[who]);
        let action = match was.at {
            At::Join => {
                me.at = At::Listen;
                next.waiters += 1;
                "waiters += 1"
            }
            At::Listen => {
                // It came between the move and its wake-up, which is for one that came earlier.
                let is_late = was.woken && !self.is(Mutant::LatecomerWakesNone);
                let is_new = was.heard != now.event_count || is_late;
                let passes = was.slept
                    && is_new
                    && was.passed != now.event_count
                    && !self.is(Mutant::WokenWakesNone);
                (me.heard, me.woken) = (now.event_count, false);
                me.at = if passes { At::PassOn } else { At::CheckGate };
                "read event count"
            }
            At::PassOn => {
                (me.at, me.passed) = (At::CheckGate, now.event_count);
                if now.waiters > 1 {
                    next = Self::wake_all(next);
                }
                "wake the others"
            }
            At::CheckGate => {
                (me.stopped, me.at) = (now.closed, if now.closed { At::Part } else { At::Look });
                "compare the gate"
            }
            At::Look => {
                me.at = match self.wants[who] {
                    _ if stands => At::Part,
                    // What it asks for is in another word.
                    ANOTHER => At::LookAgain,
                    _ => At::Ask,
                };
                (me.saw, me.has) = (now.stands, if stands { now.stands } else { 0 });
                "look at the progress"
            }
            At::Ask => {
                let reached = now.wanted <= was.saw;
                let tells = reached && now.wanted > 0 && !self.is(Mutant::ReplaceTellsNone);
                me.saw = 0;
                me.at = match self.is(Mutant::AskAfterLook) {
                    true => At::Sleep,
                    false if tells => At::Notify,
                    false => At::LookAgain,
                };
                if reached || now.wanted > self.wants[who] {
                    next.wanted = self.wants[who];
                }
                "write what is wanted"
            }
            At::Notify => {
                me.at = At::WakeOthers;
                next.event_count += 1;
                "event count += 1, for another"
            }
            At::WakeOthers => {
                me.at = At::LookAgain;
                next = Self::wake_all(next);
                "wake the others: what one waited for stands"
            }
            At::LookAgain => {
                me.at = if stands { At::Part } else { At::Sleep };
                me.has = if stands { now.stands } else { 0 };
                "look at the progress again"
            }
            At::Sleep => {
                me.slept = true;
                let moved = was.heard != now.event_count;
                me.at = if moved { At::Listen } else { At::Asleep };
                "sleep"
            }
            At::Part => {
                if was.has > now.bytes {
                    return Err(Violation::ReadAhead);
                }
                me.at = if was.stopped {
                    At::WakeAll
                } else {
                    At::Returned
                };
                next.waiters -= 1;
                "waiters -= 1"
            }
            At::WakeAll => {
                me.at = At::Returned;
                next = Self::wake_all(next);
                "wake the others: stopped"
            }
            At::Asleep | At::Returned | At::Dead => return Ok(()),
        };
        steps.push(NAMES[who], action, next);
        Ok(())
    }

    /// The session's stop: it wakes one, which wakes the others.
    fn stopper(&self, now: &State, steps: &mut Steps<State>) {
        let mut next = *now;
        match now.stop {
            Other::Idle if self.stops => {
                (next.closed, next.stop) = (true, Other::Notify);
                steps.push_death("stop: close the gate", next);
            }
            Other::Notify => {
                next.event_count += 1;
                next.stop = match self.is(Mutant::StopWakesNone) {
                    true => Other::Done,
                    false => Other::WakeOne,
                };
                steps.push("control", "stop: event count += 1", next);
            }
            Other::WakeOne => {
                next.stop = Other::Done;
                Self::wake_one("control", next, steps);
            }
            Other::Idle | Other::Done => {}
        }
    }

    /// A thread exits, perhaps with a wake-up that it did not pass on.
    fn exit(&self, now: &State, steps: &mut Steps<State>) {
        let mut next = *now;
        match now.exit {
            Other::Idle if self.exits => {
                for who in 0..CALLERS {
                    let at = now.caller[who].at;
                    if !matches!(at, At::Join | At::Returned) {
                        let mut next = *now;
                        next.caller[who] = Caller {
                            at: At::Dead,
                            ..Caller::default()
                        };
                        next.exit = Other::Notify;
                        steps.push_death(["T0 exits", "T1 exits"][who], next);
                    }
                }
            }
            Other::Notify => {
                next.event_count += 1;
                next.exit = match self.is(Mutant::ExitWakesNone) {
                    true => Other::Done,
                    false => Other::WakeOne,
                };
                steps.push("control", "exit: event count += 1", next);
            }
            Other::WakeOne => {
                next.exit = Other::Done;
                Self::wake_one("control", next, steps);
            }
            Other::Idle | Other::Done => {}
        }
    }
}

fn is_due(now: &State, wants: u8) -> bool {
    wants != ANOTHER && (now.ended || now.stands >= wants)
}

impl Model for Waiting {
    type State = State;
    type Violation = Violation;

    fn initial(&self) -> State {
        State {
            poller: Poller::Paused,
            ..State::default()
        }
    }

    fn successors(&self, now: &State, steps: &mut Steps<State>) -> Result<(), Violation> {
        self.poller(now, steps);
        for who in 0..CALLERS {
            self.caller(now, who, steps)?;
        }
        self.stopper(now, steps);
        self.exit(now, steps);
        Ok(())
    }

    fn quiescent(&self, state: &State) -> Result<(), Violation> {
        let callers = state.caller.iter().zip(self.wants);
        for (caller, wants) in callers {
            if caller.at == At::Asleep && (state.closed || is_due(state, wants)) {
                return Err(Violation::Asleep);
            }
        }
        Ok(())
    }
}

fn waiting(wants: [u8; CALLERS], mutant: Option<Mutant>) -> Waiting {
    Waiting {
        wants,
        mutant,
        stops: true,
        exits: true,
    }
}

#[test]
fn progress_waited_for_by_two_then_none_sleeps_on_what_stands() {
    for wants in WANTS {
        passes(&waiting(wants, None));
    }
}

#[test]
fn progress_mutants_then_caught() {
    let [all, more, another] = WANTS;
    for (mutant, wants, violation) in [
        (Mutant::TellBeforeBytes, all, Violation::ReadAhead),
        (Mutant::AskAfterLook, all, Violation::Asleep),
        (Mutant::LookBeforeTell, all, Violation::Asleep),
        (Mutant::ReplaceTellsNone, all, Violation::Asleep),
        (Mutant::WokenWakesNone, all, Violation::Asleep),
        (Mutant::LatecomerWakesNone, another, Violation::Asleep),
        (Mutant::EndWakesNone, more, Violation::Asleep),
        (Mutant::StopWakesNone, all, Violation::Asleep),
        (Mutant::ExitWakesNone, all, Violation::Asleep),
    ] {
        let mut model = waiting(wants, Some(mutant));
        // What else wakes a sleeper could hide it.
        model.stops &= mutant == Mutant::StopWakesNone;
        model.exits &= mutant == Mutant::ExitWakesNone;
        is_caught(&model, violation);
    }
}
