//! The steps of a client thread that found nothing and waits, or that waits for a start.

use super::super::*;
use ClientAt::*;

impl Explorer {
    pub(in super::super) fn wait(
        &self,
        now: &GateState,
        who: usize,
        next: &mut GateState,
        steps: &mut Steps<GateState>,
    ) -> Move {
        let timed = self.scenario.timed && who == 0;
        let (was, me) = (&now.client[who], &mut next.client[who]);
        let mut times_out = |action, at| {
            let mut late = *now;
            late.client[who].outcome = CallOutcome::TimedOut;
            late.client[who].at = at;
            steps.push(NAMES[who], action, late);
        };
        let (at, action) = match was.at {
            JoinCount => {
                next.waiters += 1;
                (Listen, "waiters += 1")
            }
            Listen => {
                me.event_count = now.event_count;
                if self.scenario.is(Mutant::TimeoutDropsWake) && was.woken && timed {
                    times_out("deadline passed after the wake", PartCount);
                }
                let blind = self.scenario.is(Mutant::NoRecheck) && !was.woken;
                let at = if blind { FutexWait } else { CheckGates };
                (at, "read event count")
            }
            CheckGates => (
                self.check_gates(now, was, me),
                "compare gates with snapshot",
            ),
            AskWhy => {
                me.outcome = match now.closed {
                    true => CallOutcome::Stale,
                    false => CallOutcome::Stopped,
                };
                (self.scenario.end_of_wait(), "read the state")
            }
            CheckDeadline if was.expired => {
                me.outcome = CallOutcome::TimedOut;
                (self.scenario.end_of_wait(), "deadline has passed")
            }
            CheckDeadline => {
                times_out("deadline passes", self.scenario.end_of_wait());
                (self.scenario.before_sleep(), "deadline is ahead")
            }
            JoinLate => {
                next.waiters += 1;
                (FutexWait, "waiters += 1, late")
            }
            FutexWait if now.event_count == was.event_count => (Asleep, "sleep"),
            FutexWait => (self.scenario.after_sleep(), "event count has moved"),
            Asleep if !timed => return Move::Blocked,
            Asleep => {
                me.expired = true;
                let at = if self.scenario.is(Mutant::TimeoutBeatsStop) {
                    me.outcome = CallOutcome::TimedOut;
                    self.scenario.end_of_wait()
                } else {
                    self.scenario.after_sleep()
                };
                (at, "timer fires")
            }
            PartLate => {
                next.waiters -= 1;
                (Listen, "waiters -= 1, early")
            }
            _ => return self.part(now, who, next),
        };
        next.client[who].at = at;
        Move::Step(action)
    }

    fn check_gates(&self, now: &GateState, was: &Client, me: &mut Client) -> ClientAt {
        let open = now.local_gate.is_open() && now.session_gate.is_open();
        let same = now.local_gate == was.local && now.session_gate == was.session;
        if self.scenario.either(Mutant::BitNotGen, open, same) {
            self.scenario.first_of_pop()
        } else if self.scenario.evicted || self.scenario.quarantined {
            AskWhy
        } else {
            me.outcome = CallOutcome::Stopped;
            self.scenario.end_of_wait()
        }
    }

    /// wait: waiters -= 1, and wakes all others if a stop ended it. They are two steps only if a
    /// thread may end between them.
    fn part(&self, now: &GateState, who: usize, next: &mut GateState) -> Move {
        let (was, me) = (&now.client[who], &mut next.client[who]);
        let told = matches!(was.outcome, CallOutcome::Stopped | CallOutcome::Stale);
        let passes_on = told && !self.scenario.is(Mutant::StopWakesOne);
        let parts = was.at == PartCount;
        if parts {
            next.waiters -= 1;
        }
        if parts && passes_on && self.scenario.thread_exits {
            me.at = PassOn;
            return Move::Step("waiters -= 1");
        }
        me.at = self.scenario.first_of_leave();
        if passes_on && next.waiters > 0 {
            return Move::Wake(WakeTarget::All, "wake the others");
        }
        Move::Step(if parts {
            "waiters -= 1"
        } else {
            "there are no others"
        })
    }

    pub(in super::super) fn wait_started(
        &self,
        now: &GateState,
        who: usize,
        next: &mut GateState,
    ) -> Move {
        let (was, me) = (&now.client[who], &mut next.client[who]);
        Move::Step(match was.at {
            StartLocal => {
                me.local = now.local_gate;
                me.at = StartSession;
                "wait_started: read local gate"
            }
            StartSession => {
                me.session = now.session_gate;
                me.at = StartState;
                "wait_started: read session gate"
            }
            StartState => {
                let is_stopped = !was.local.is_open();
                if now.closed || is_stopped || was.session.is_open() {
                    *me = was.returned();
                    // No thread ends in between: it counts as one step.
                    let passes_on = was.waiting && (now.closed || !is_stopped);
                    if passes_on && !self.scenario.is(Mutant::StartWakesOne) {
                        return Move::Wake(
                            WakeTarget::AllStarters,
                            "wait_started: wake the others",
                        );
                    }
                } else {
                    me.at = StartSleep;
                }
                "wait_started: read the state"
            }
            StartSleep => {
                me.waiting = true;
                let gates = (now.local_gate, now.session_gate);
                let moved = now.closed || gates != (was.local, was.session);
                me.at = if moved { StartLocal } else { StartAsleep };
                "wait_started: sleep"
            }
            _ => return Move::Blocked,
        })
    }
}

impl Scenario {
    /// Whether callers join the event count only after their last check.
    fn joins_late(&self) -> bool {
        self.is(Mutant::WaitersAfterRecheck) || self.is(Mutant::BothWaiters)
    }

    pub(in super::super) fn found_nothing(&self, was: &Client, timed: bool) -> ClientAt {
        match was.waiting {
            false if self.joins_late() => Listen,
            false => JoinCount,
            true if timed => CheckDeadline,
            true => self.before_sleep(),
        }
    }

    fn before_sleep(&self) -> ClientAt {
        if self.joins_late() {
            JoinLate
        } else {
            FutexWait
        }
    }

    /// The next step of a thread that was woken, or that found the event count changed.
    fn after_sleep(&self) -> ClientAt {
        if self.joins_late() { PartLate } else { Listen }
    }

    pub(in super::super) fn end_of_wait(&self) -> ClientAt {
        match self.joins_late() {
            true => self.first_of_leave(),
            false => PartCount,
        }
    }

    /// A wake ends the thread's sleep on the event count.
    pub(in super::super) fn end_sleep(&self, client: &mut Client) {
        client.at = self.after_sleep();
        client.forget();
        client.woken = self.is(Mutant::NoRecheck) || self.is(Mutant::TimeoutDropsWake);
    }
}
