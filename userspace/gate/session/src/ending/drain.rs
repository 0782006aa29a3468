//! From stop to destroyed: examines the witnesses until they agree.
//!
//! A destroy asks one question again and again: does any thread or process still use this session? It ends with a
//! certificate, or with a refusal that names the users. The steps of one destroy:
//!
//! 1. *Begin* ([`Parts::begin_destroy`]). A destroy that also stops the session first checks the probe: if
//!    it is blind, the session could not be destroyed and would have been stopped for nothing. Then the gates
//!    close, the poller is told to hand the runtime back, and the session drains.
//! 2. *Prepare.* Before each examination the daemon does its own part: it settles what dead threads left, credits
//!    what came back, takes back what no caller took, and evicts clients that broke the protocol. Afterwards the
//!    witnesses see the clients' use alone.
//! 3. *Examine* (`together.rs`, with the order that makes the readings mean something): kicks armed, one barrier,
//!    W1, then W2, then W3.
//! 4. *Decide.* All say zero: the session ends, at once or in its turn of the daemon's shutdown. W1 says zero and
//!    W2 sees a caller: a disagreement, W4 is added, nothing is freed. Else it waits, or is refused.
//! 5. *Wait* for a reason to examine again: a kick (a caller left), a hang-up, a process's or a thread's end, the
//!    runtime, a helper thread's answer. Each arrives as an event. A kick dies with its sender, so there is also
//!    a rescan timer ([`Parts::tick`]), from 1 ms doubling to 100 ms.
//! 6. *Finish*, or *give up*. At the end each caller gets `ESTALE`, and the driver gets the evidence and the
//!    memory in one effect. A destroy that gives up leaves the session stopped, or running if the destroy had
//!    stopped it.
//!
//! *With a deadline or without.* With one, step 5 repeats until then. Without one, a user is reason to refuse:
//! but not while a helper thread looks, because until it has answered a dead thread looks like a user, and not
//! while the poller has time to hand the runtime back.
//!
//! *Abort* has evicted all clients before. It waits for the poller only: the probe has no veto, and the
//! certificate says what it saw.
//!
//! *A client must not keep the daemon busy.* It can kick as often as it likes; after four kicks without effect
//! its kicks wait for the next rescan. A destroy that waits looks for dead threads only once something delays it
//! (after 15 ms, or 63 ms if the probe watches all clients): until then the callers that the stop woke need the
//! cores to leave.
//!
//! *A stalled poller* may never hand the runtime back. Then W3 is never zero and the destroy gives up at once.
//!
//! Read on in `witness/mod.rs` (the verdict), `clients/dead_threads.rs`, `quarantine.rs` (the way out if users
//! never leave), `docs/certificates.md`.

use std::time::Duration;

use onair_api::{EvictionCause, Operation, Problem, ProblemCode, Reading, Says, StepName, Verdict};
use onair_ipc::memory::AttachmentState;
use onair_mutant::mutant;

use crate::boundary::effect::{Effect, Named};
use crate::boundary::event::Destroy;
use crate::boundary::facts::PollerFact;
use crate::boundary::note::Note;
use crate::boundary::retired::RetiredMemory;
use crate::boundary::runtime::Runtime;
use crate::boundary::ticket::{Answer, Ticket};
use crate::ending::together::advance_all;
use crate::lifecycle::Refusal;
use crate::running::refuse_starts;
use crate::state::clients::attachment::{Attachment, Leaving};
use crate::state::rescan::Due;
use crate::state::{Issue, Parts, Turn};
use crate::witness;
use crate::witness::readings::{Member, WitnessReadings};

/// Pause between two rescans from which on they also look for threads that ended inside a call: 15 ms
/// after the first of them, or 63 ms if the probe watches all clients. A busy machine needs some time to
/// let hundreds of callers leave.
const SWEEP_PAUSE: Duration = Duration::from_millis(16);
const SWEEP_PAUSE_WATCHED: Duration = Duration::from_millis(64);

impl Parts {
    /// Begins to destroy a stopped session, or one that `destroy` stops.
    pub(crate) fn begin_destroy<R: Runtime>(&mut self, turn: &mut Turn<R>, mut destroy: Destroy) {
        // First: with the runtime on a stalled poller W3 never says zero, and the stop would be for nothing.
        if let PollerFact::Stalled(why) = &turn.facts.poller
            && turn.life.runtime().is_none()
        {
            let problem = turn
                .life
                .not_destroyed(ProblemCode::PollerDown, &format!("it is on {why}"));
            return turn.refuse_with_users(destroy, problem);
        }
        destroy.stops &= turn.life.lifecycle.is_running();
        if destroy.stops {
            if let Err(problem) = turn.view.check_probe() {
                return turn.effects.answer([destroy.refuse(problem)]);
            }
            self.stop(turn);
        }
        if let Err(refusal) = turn.life.lifecycle.check_destroy() {
            let problem = turn.life.refusal(refusal);
            match refusal {
                Refusal::Running => turn.refuse_with_users(destroy, problem),
                _ => turn.effects.answer([destroy.refuse(problem)]),
            }
            return;
        }
        // Also for a session that was stopped before.
        if let Err(problem) = turn.view.check_probe() {
            return turn.effects.answer([destroy.refuse(problem)]);
        }
        let (waits_for_turn, waits) = (destroy.waits_for_turn, destroy.deadline.is_some());
        if !turn.drain(destroy) {
            return;
        }
        self.site_schedule.forget(turn.now());
        let now = turn.now();
        if waits {
            // Do not scan yet: a scan takes some 20 µs a thread, on the cores on which woken callers leave.
            // Dead threads are looked for when something delays the session.
            turn.life.rescan.begin(now);
        } else {
            self.dead_threads.look_soon(turn);
        }
        if waits_for_turn {
            turn.effects.push(Effect::Examine);
        } else {
            self.advance(turn);
        }
    }

    /// Evicts all clients and destroys the session; waits only for the poller.
    pub(crate) fn abort<R: Runtime>(&mut self, turn: &mut Turn<R>, destroy: Destroy) {
        if let Some(other) = turn.life.lifecycle.withdraw_destroy() {
            let problem = Problem::new(ProblemCode::StaleSession, "the session is aborted");
            turn.effects.answer([other.refuse(problem)]);
        }
        let evicted = self.clients.evictable();
        // Before the gates close: a caller that wakes up then learns that the close is final.
        for attachment in evicted.iter().filter_map(|it| self.clients.get(*it)) {
            attachment.memory.set_state(AttachmentState::Revoked);
        }
        self.stop(turn);
        if !turn.drain(destroy) {
            return;
        }
        for number in evicted {
            self.clients
                .evict_one(turn, number, EvictionCause::Requested);
        }
        turn.step(StepName::Evicted);
        turn.life.rescan.begin(turn.now());
        self.advance(turn);
    }

    /// Does what is due because time passed, and has the witnesses examined.
    pub(crate) fn tick<R: Runtime>(&mut self, turn: &mut Turn<R>) {
        let now = turn.now();
        if self.wake_at(turn.life).is_none_or(|at| at > now) {
            return;
        }
        self.expire(turn);
        turn.effects.answer(self.flushes.expire(now));
        if self.warnings.at().is_some_and(|at| at <= now) {
            if self.is_used(turn) || turn.life.is_draining() {
                let after = self.warnings.warn(now);
                turn.effects.push(Effect::NameUsers(Named::Warning(after)));
            } else {
                self.warnings.end();
            }
        }
        // A rescan gives each client its four kicks anew.
        self.clients.forgive_kicks();
        if self.site_schedule.again.take(now) {
            self.answer_verdicts(turn);
        }
        turn.life.rescan.again(now);
        if !turn.life.lifecycle.is_running() {
            // The caller that a stop woke may have ended before it woke the others.
            for attachment in self.clients.attached.values() {
                turn.effects.wake(&attachment.memory);
            }
        }
        self.clients.sweep_disconnected(turn);
        self.clients.evicted.sweep(turn, now);
        // Something delays it: check whether the holder still exists. The probe has told of the ends of
        // watched threads before, unless it lost them.
        let is_watched = |it: &Attachment| it.watched.is_some();
        let sweep_from = match self.clients.attached.values().all(is_watched) {
            true => SWEEP_PAUSE_WATCHED,
            false => SWEEP_PAUSE,
        };
        self.dead_threads.look |= turn.life.rescan.pause >= sweep_from;
        turn.effects.push(Effect::Examine);
    }

    /// Examines the witnesses and acts on the result.
    pub(crate) fn advance<R: Runtime>(&mut self, turn: &mut Turn<R>) {
        advance_all(&mut [Member::new(self, turn)]);
    }

    /// All memory of a session that has ended and to which no runtime refers. Answers the requests
    /// that still wait for the session.
    pub(crate) fn take_memory<R: Runtime>(&mut self, turn: &mut Turn<R>) -> RetiredMemory {
        if !mutant!("destroy: open requests are left") {
            for request in self.verdicts.drain(..) {
                let what = format!("session {} was destroyed", turn.life.name);
                let problem = Problem::new(ProblemCode::StaleSession, what);
                turn.effects
                    .answer([Answer::Verdict(request, Err(problem))]);
            }
            for how in std::mem::take(&mut self.clients.leaving).into_values() {
                if let Leaving::Detach(request) = how {
                    turn.effects.answer([Answer::Detached(request, Ok(()))]);
                }
            }
        }
        let memory = self.memory(turn.life);
        self.clients.attached.clear();
        self.clients.evicted.list.clear();
        turn.life.retired = RetiredMemory::default();
        self.frames = None;
        memory
    }
}

impl<R: Runtime> Member<'_, '_, R> {
    /// Does what comes before the witnesses are read. Returns whether they are: the session is
    /// stopped, and not quarantined.
    pub(crate) fn prepare(&mut self) -> bool {
        if self.turn.life.is_quarantined() {
            // The end of a thread changes nothing any more: the session waits for processes.
            self.parts.dead_threads.exits = Due::default();
            self.parts.advance_quarantine(self.turn);
            return false;
        }
        self.parts
            .dead_threads
            .settle_exits(self.turn, &mut self.parts.clients);
        // Also in a session that was started meanwhile: what a dead thread took is the client's until it is credited.
        if std::mem::take(&mut self.parts.dead_threads.look) {
            self.parts
                .dead_threads
                .look_at_all(self.turn, &mut self.parts.clients);
        }
        if self.turn.life.lifecycle.is_running() {
            if !self.parts.clients.awaits_a_release() {
                self.turn.life.rescan.end();
            }
            return false;
        }
        if let PollerFact::Stalled(why) = &self.turn.facts.poller {
            // It may never hand the runtime back.
            let starts = self.turn.life.lifecycle.take_starts();
            let refused = refuse_starts(starts, ProblemCode::PollerDown, why);
            self.turn.effects.answer(refused);
        }
        self.turn.end_abandoned_wait();
        self.parts.clients.settle(self.turn);
        self.parts.clients.evict_violators(self.turn);
        true
    }

    /// Acts on what the witnesses said.
    pub(crate) fn conclude(&mut self, readings: Vec<Reading>) {
        self.parts.answer_verdicts(self.turn);
        let users = readings.iter().map(|reading| reading.users).sum();
        // Fewer users: some kick had an effect.
        if users < std::mem::replace(&mut self.turn.life.rescan.users, users) {
            self.parts.clients.forgive_kicks();
        }
        let found = witness::verdict(&readings);
        let seen = WitnessReadings::of(&readings);
        let awaits_users = !seen.no_caller_or_loan() || seen.probe == Says::Users;
        let awaited_users =
            std::mem::replace(&mut self.turn.life.rescan.awaits_users, awaits_users);
        let is_late = awaits_users && !awaited_users && self.turn.life.is_draining();
        if is_late && !mutant!("drain: ends of threads are not made up for") {
            // The thread of the late caller may have ended since, which was not followed.
            self.parts
                .dead_threads
                .look_at_all(self.turn, &mut self.parts.clients);
        }
        if seen.no_caller_or_loan() && !found.disagreement {
            // The time when W1 was read, not the time when the others had been read too.
            let mut then = self.turn.moment();
            then.monotonic_ns = readings.first().map_or(0, |slots| slots.at_monotonic_ns);
            self.turn.life.audit.note(StepName::LastUserLeft, then);
            if self.turn.life.lifecycle.destroy().is_none()
                && !self.parts.clients.awaits_a_release()
            {
                self.turn.life.rescan.end();
            }
        }
        if self.turn.life.lifecycle.destroy().is_some() {
            self.decide(readings, seen, found);
        }
    }

    /// Destroys the session, gives up, or waits.
    fn decide(
        &mut self,
        mut readings: Vec<Reading>,
        seen: WitnessReadings,
        found: witness::Finding,
    ) {
        let Some(destroy) = self.turn.life.lifecycle.destroy() else {
            return;
        };
        let (operation, deadline) = (destroy.operation, destroy.deadline);
        let waits_for_turn = destroy.waits_for_turn;
        self.turn.life.rescan.is_ready = false;
        if found.disagreement {
            self.add_mapping(&mut readings);
        }
        self.note_disagreement(found.disagreement.then_some((&readings[..], &found.reason)));
        // An abort does not wait for users, which may be blocked: all clients are evicted, and the
        // memory that they map waits for W4. The certificate records the probe's reading.
        let aborts =
            operation == Operation::Abort && seen.no_caller_or_loan() && seen.pollers == Says::Zero;
        if found.destroyable || aborts {
            // In a shutdown sessions end in the order of their priorities.
            if waits_for_turn && !mutant!("drain: a session does not wait for its turn") {
                self.turn.effects.push(Effect::Ready);
                // It is examined in its turn.
                self.turn.life.rescan.end();
                self.turn.life.rescan.is_ready = true;
                return;
            }
            self.turn.step(StepName::Verdict);
            return self.finish(readings);
        }
        if let PollerFact::Stalled(why) = &self.turn.facts.poller
            && seen.pollers != Says::Zero
        {
            let why = format!("it is on {why}");
            return self.give_up(ProblemCode::PollerDown, why, readings);
        }
        // A destroy that does not wait for users is answered with what is seen after the request.
        if seen.probe == Says::Users || deadline.is_some() && seen.slots != Says::Zero {
            self.parts.site_schedule.forget(self.turn.now());
        } else {
            self.parts
                .site_schedule
                .look(self.turn, &mut self.parts.clients);
        }
        let now = self.turn.now();
        let awaits_sites_only = seen.no_caller_or_loan()
            && seen.pollers == Says::Zero
            && seen.probe == Says::Unknown
            && self.parts.clients.is_looking_at_sites();
        if awaits_sites_only {
            // It is examined when the answer comes.
            self.turn.life.rescan.end();
        } else if !mutant!("drain: without rescans once they have ended") {
            self.turn.life.rescan.resume(now);
        }
        let code = match deadline {
            Some(deadline) if now < deadline => return,
            Some(_) if operation == Operation::Abort => ProblemCode::DataplaneBusy,
            Some(_) if operation != Operation::Destroy => ProblemCode::DeadlinePassed,
            // With a deadline it has waited for the daemon's own converter.
            _ => match self.refuses_now(seen, found.disagreement) {
                Some(code) => code,
                None => return,
            },
        };
        // A refusal reports all four witnesses.
        self.add_mapping(&mut readings);
        self.give_up(code, found.reason, readings);
    }

    /// Why a destroy that does not wait is refused now; `None` if an answer is on its way without
    /// which that cannot be said.
    fn refuses_now(&self, seen: WitnessReadings, disagreement: bool) -> Option<ProblemCode> {
        let now = self.turn.now();
        if seen.slots == Says::Zero && seen.pollers != Says::Zero {
            // The stop told the poller; the poller's use is not a user's.
            let quiesce = self.turn.facts.timeouts.quiesce;
            let since = self.turn.life.lifecycle.returning_since();
            let is_over = since.is_none_or(|sent| now >= sent + quiesce);
            return is_over.then_some(ProblemCode::DataplaneBusy);
        }
        let awaits_helpers = self.parts.dead_threads.is_looking(&self.parts.clients, now)
            || seen.probe == Says::Unknown
                && self
                    .parts
                    .site_schedule
                    .is_awaited(&self.parts.clients, now);
        if awaits_helpers {
            return None;
        }
        if seen.no_caller_or_loan() && !disagreement {
            // No user is known: it is the probe that cannot confirm it.
            return Some(ProblemCode::ProbeBlind);
        }
        Some(ProblemCode::Busy)
    }

    fn give_up(&mut self, code: ProblemCode, reason: String, readings: Vec<Reading>) {
        let Some(destroy) = self.turn.life.lifecycle.withdraw_destroy() else {
            return;
        };
        // The next destroy has a time of its own.
        self.turn.life.audit.forget(StepName::DestroyRequested);
        // Set by an abort: evicted clients stay evicted, and may be listed in another certificate.
        self.turn.life.audit.forget(StepName::Evicted);
        self.turn.effects.note(Note::NotDestroyed {
            requester: destroy.who.clone(),
            code,
            reason: reason.clone(),
        });
        let disagreement = witness::verdict(&readings).disagreement;
        let verdict = Verdict {
            destroyable: false,
            disagreement,
            reason: reason.clone(),
            at: self.turn.moment().wall,
            readings,
        };
        let problem = self
            .turn
            .life
            .not_destroyed(code, &reason)
            .with_verdict(verdict);
        let stopped = destroy.stops;
        self.turn.refuse_with_users(destroy, problem);
        // The refused destroy had stopped it: its users go on.
        if stopped {
            self.parts.start(self.turn, Ticket::unread());
        }
    }

    fn note_disagreement(&mut self, seen: Option<(&[Reading], &String)>) {
        let seen = seen.map(|(readings, note)| (readings, note.as_str()));
        if self.turn.life.audit.disagree(seen, self.turn.moment()) {
            self.turn.effects.note(Note::Contradicted);
        }
    }

    fn finish(&mut self, readings: Vec<Reading>) {
        if !mutant!("destroy: the clients are not told") {
            self.parts.clients.close_all(&mut self.turn.effects);
        }
        self.turn.step(StepName::Destroyed);
        let Some(destroy) = self.turn.life.lifecycle.destroy() else {
            unreachable!("a session ends so only while it drains");
        };
        let issue = Issue {
            operation: destroy.operation,
            deadline_ms: destroy.deadline_ms,
            requester: destroy.who.clone(),
            readings,
        };
        // Before the memory is taken: the evidence counts its bytes and names its holders.
        let evidence = issue.evidence(self.parts, self.turn);
        let Some(destroy) = self.turn.life.lifecycle.end() else {
            unreachable!("it drained a moment ago");
        };
        let retired = self.parts.take_memory(self.turn);
        if mutant!("session: leaks memory") {
            std::mem::forget(std::hint::black_box(vec![1_u8; 64 << 10]));
        }
        self.turn.effects.note(Note::Destroyed {
            operation: destroy.operation,
            requester: destroy.who.clone(),
        });
        self.turn.effects.push(Effect::Destroyed {
            evidence,
            retired,
            destroy,
        });
    }
}
