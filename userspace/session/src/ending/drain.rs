//! From stop to destroyed: examines the witnesses until they agree.
//!
//! A destroy asks one question again and again: does any thread or process still use this session? It ends with a
//! certificate, or with a refusal that names the users. The steps of one destroy:
//!
//! 1. *Begin* ([`SessionCore::begin_destroy`]). A destroy that also stops the session first checks the probe: if
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
//!    a rescan timer ([`SessionCore::tick`]), from 1 ms doubling to 100 ms.
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

use onair_api::{Operation, Problem, ProblemCode, Reading, Says, StepName, Verdict};
use onair_ipc::memory::AttachmentState;
use onair_mutant::mutant;

use crate::boundary::effect::{Effect, Named};
use crate::boundary::event::Destroy;
use crate::boundary::facts::PollerFact;
use crate::boundary::note::Note;
use crate::boundary::retired::RetiredMemory;
use crate::boundary::runtime::Runtime;
use crate::boundary::ticket::Ticket;
use crate::certificate::Issue;
use crate::ending::together::{Member, advance_all};
use crate::lifecycle::Refusal;
use crate::running::refuse_starts;
use crate::state::clients::attachment::Attachment;
use crate::state::rescan::Due;
use crate::state::{SessionCore, Turn};
use crate::witness;
use crate::witness::readings::WitnessReadings;

/// Kicks without effect after which the client's kicks are answered only once per rescan.
const FRUITLESS: u32 = 4;
/// Pause between two rescans from which on they also look for threads that ended inside a call: 15 ms
/// after the first of them, or 63 ms if the probe watches all clients. A busy machine needs some time to
/// let hundreds of callers leave.
const SWEEP_PAUSE: Duration = Duration::from_millis(16);
const SWEEP_PAUSE_WATCHED: Duration = Duration::from_millis(64);

impl<R: Runtime> SessionCore<R> {
    /// A caller of `attachment` left while the session drains.
    pub(crate) fn kicked(&mut self, turn: &mut Turn<'_, R>, attachment: u64) {
        let Some(kicker) = self.clients.attached.get_mut(&attachment) else {
            return;
        };
        if kicker.fruitless_kicks >= FRUITLESS || mutant!("drain: a kick changes nothing") {
            return;
        }
        kicker.fruitless_kicks += 1;
        turn.effects.push(Effect::Examine);
    }

    /// Begins to destroy a stopped session, or one that `destroy` stops.
    pub(crate) fn begin_destroy(&mut self, turn: &mut Turn<'_, R>, mut destroy: Destroy) {
        if let PollerFact::Stalled(why) = &turn.facts.poller
            && self.runtime().is_none()
        {
            let problem = self.not_destroyed(ProblemCode::PollerDown, &format!("it is on {why}"));
            return refuse_with_users(turn, destroy, problem);
        }
        destroy.stops &= self.lifecycle.is_running();
        if destroy.stops {
            if let Err(problem) = turn.view.check_probe() {
                return turn.effects.answer([destroy.refuse(problem)]);
            }
            self.stop(turn);
        }
        if let Err(refusal) = self.lifecycle.check_destroy() {
            let problem = self.refusal(refusal);
            match refusal {
                Refusal::Running => refuse_with_users(turn, destroy, problem),
                _ => turn.effects.answer([destroy.refuse(problem)]),
            }
            return;
        }
        if let Err(problem) = turn.view.check_probe() {
            return turn.effects.answer([destroy.refuse(problem)]);
        }
        let (waits_for_turn, waits) = (destroy.waits_for_turn, destroy.deadline.is_some());
        if !self.drain(turn, destroy) {
            return;
        }
        self.forget_sites(turn);
        let now = turn.now();
        if waits {
            // Callers that the stop woke want to leave on the cores that a look would take, some 20 µs a
            // thread. Dead ones are looked for when something delays the session.
            self.rescan.begin(now);
        } else {
            self.rescan.look_for_dead(now);
        }
        if waits_for_turn {
            turn.effects.push(Effect::Examine);
        } else {
            self.advance(turn);
        }
    }

    /// Starts draining; refuses `destroy` if the state does not allow it.
    pub(crate) fn drain(&mut self, turn: &mut Turn<'_, R>, destroy: Destroy) -> bool {
        if let Err((refusal, destroy)) = self.lifecycle.begin_destroy(destroy) {
            let refused = destroy.refuse(self.refusal(refusal));
            turn.effects.answer([refused]);
            return false;
        }
        self.audit.note(StepName::DestroyRequested, turn.moment());
        true
    }

    /// Does what is due because time passed, and has the witnesses examined.
    pub(crate) fn tick(&mut self, turn: &mut Turn<'_, R>) {
        let now = turn.now();
        if self.wake_at().is_none_or(|at| at > now) {
            return;
        }
        self.expire(turn);
        turn.effects.answer(self.flushes.expire(now));
        if self.warnings.at().is_some_and(|at| at <= now) {
            self.warn_of_users(turn, now);
        }
        self.clients.forgive_kicks();
        if self.site_schedule.again.take(now) {
            self.answer_verdicts(turn);
        }
        self.rescan.again(now);
        if !self.lifecycle.is_running() {
            // The caller that a stop woke may have ended before it woke the others.
            for attachment in self.clients.attached.values() {
                turn.effects.wake(&attachment.memory);
            }
        }
        self.sweep_disconnected(turn);
        self.sweep_evicted_clients(turn, now);
        // Something delays it: check whether the holder still exists. The probe has told of the ends of
        // watched threads before, unless it lost them.
        let is_watched = |it: &Attachment| it.watched.is_some();
        let sweep_from = match self.clients.attached.values().all(is_watched) {
            true => SWEEP_PAUSE_WATCHED,
            false => SWEEP_PAUSE,
        };
        self.rescan.dead |= self.rescan.pause >= sweep_from;
        turn.effects.push(Effect::Examine);
    }

    /// Examines the witnesses and acts on the result.
    pub(crate) fn advance(&mut self, turn: &mut Turn<'_, R>) {
        advance_all(&mut [Member::new(self, turn)]);
    }

    /// Does what comes before the witnesses are read. Returns whether they are: the session is
    /// stopped, and not quarantined.
    pub(crate) fn prepare(&mut self, turn: &mut Turn<'_, R>) -> bool {
        if self.is_quarantined() {
            // The end of a thread changes nothing any more: the session waits for processes.
            self.rescan.exits = Due::default();
            self.advance_quarantine(turn);
            return false;
        }
        self.settle_exits(turn);
        if self.lifecycle.is_running() {
            if !self.clients.awaits_a_release() {
                self.rescan.end();
            }
            return false;
        }
        if let PollerFact::Stalled(why) = &turn.facts.poller {
            // It may never hand the runtime back.
            let starts = self.lifecycle.take_starts();
            let refused = refuse_starts(starts, ProblemCode::PollerDown, why);
            turn.effects.answer(refused);
        }
        self.end_abandoned_wait(turn);
        self.settle(turn.view);
        self.evict_violators(turn);
        if std::mem::take(&mut self.rescan.dead) {
            self.look_for_dead_threads(turn);
        }
        true
    }

    /// Acts on what the witnesses said.
    pub(crate) fn conclude(&mut self, turn: &mut Turn<'_, R>, readings: Vec<Reading>) {
        self.answer_verdicts(turn);
        let users = readings.iter().map(|reading| reading.users).sum();
        if users < std::mem::replace(&mut self.rescan.users, users) {
            self.clients.forgive_kicks();
        }
        let found = witness::verdict(&readings);
        let seen = WitnessReadings::of(&readings);
        let awaits_users = !seen.no_caller_or_loan() || seen.probe == Says::Users;
        let awaited_users = std::mem::replace(&mut self.rescan.awaits_users, awaits_users);
        let is_late = awaits_users && !awaited_users && self.is_draining();
        if is_late && !mutant!("drain: ends of threads are not made up for") {
            // The thread of the late caller may have ended since, which was not followed.
            self.look_for_dead_threads(turn);
        }
        if seen.no_caller_or_loan() && !found.disagreement {
            // The time when W1 was read, not the time when the others had been read too.
            let mut then = turn.moment();
            then.monotonic_ns = readings.first().map_or(0, |slots| slots.at_monotonic_ns);
            self.audit.note(StepName::LastUserLeft, then);
            if self.lifecycle.destroy().is_none() && !self.clients.awaits_a_release() {
                self.rescan.end();
            }
        }
        if self.lifecycle.destroy().is_some() {
            self.decide(turn, readings, seen, found);
        }
    }

    /// Destroys the session, gives up, or waits.
    fn decide(
        &mut self,
        turn: &mut Turn<'_, R>,
        mut readings: Vec<Reading>,
        seen: WitnessReadings,
        found: witness::Finding,
    ) {
        let Some(destroy) = self.lifecycle.destroy() else {
            return;
        };
        let (operation, deadline) = (destroy.operation, destroy.deadline);
        let waits_for_turn = destroy.waits_for_turn;
        self.rescan.is_ready = false;
        if found.disagreement {
            self.add_mapping(turn, &mut readings);
        }
        self.note_disagreement(
            turn,
            found.disagreement.then_some((&readings[..], &found.reason)),
        );
        // An abort does not wait for users, which may be blocked: all clients are evicted, and the
        // memory that they map waits for W4. The certificate records the probe's reading.
        let aborts =
            operation == Operation::Abort && seen.no_caller_or_loan() && seen.pollers == Says::Zero;
        if found.destroyable || aborts {
            if waits_for_turn && !mutant!("drain: a session does not wait for its turn") {
                turn.effects.push(Effect::Ready);
                // It is examined in its turn.
                self.rescan.end();
                self.rescan.is_ready = true;
                return;
            }
            self.audit.note(StepName::Verdict, turn.moment());
            return self.finish(turn, readings);
        }
        if let PollerFact::Stalled(why) = &turn.facts.poller
            && seen.pollers != Says::Zero
        {
            let why = format!("it is on {why}");
            return self.give_up(turn, ProblemCode::PollerDown, why, readings);
        }
        // A destroy that does not wait for users is answered with what is seen after the request.
        if seen.probe == Says::Users || deadline.is_some() && seen.slots != Says::Zero {
            self.forget_sites(turn);
        } else {
            self.look_at_sites(turn);
        }
        let now = turn.now();
        let awaits_sites_only = seen.no_caller_or_loan()
            && seen.pollers == Says::Zero
            && seen.probe == Says::Unknown
            && self.is_looking_at_sites();
        if awaits_sites_only {
            // It is examined when the answer comes.
            self.rescan.end();
        } else if !mutant!("drain: without rescans once they have ended") {
            self.rescan.resume(now);
        }
        let code = match deadline {
            Some(deadline) if now < deadline => return,
            Some(_) if operation == Operation::Abort => ProblemCode::DataplaneBusy,
            Some(_) => ProblemCode::DeadlinePassed,
            None => match self.refuses_now(turn, seen, found.disagreement) {
                Some(code) => code,
                None => return,
            },
        };
        self.add_mapping(turn, &mut readings);
        self.give_up(turn, code, found.reason, readings);
    }

    /// Why a destroy that does not wait is refused now; `None` if an answer is on its way without
    /// which that cannot be said.
    fn refuses_now(
        &self,
        turn: &Turn<'_, R>,
        seen: WitnessReadings,
        disagreement: bool,
    ) -> Option<ProblemCode> {
        let now = turn.now();
        if seen.slots == Says::Zero && seen.pollers != Says::Zero {
            // The stop told the poller; the poller's use is not a user's.
            let quiesce = turn.facts.timeouts.quiesce;
            let since = self.lifecycle.returning_since();
            let is_over = since.is_none_or(|sent| now >= sent + quiesce);
            return is_over.then_some(ProblemCode::DataplaneBusy);
        }
        let awaits_helpers = self.is_looking_at_threads(now)
            || seen.probe == Says::Unknown && self.awaits_sites(now);
        if awaits_helpers {
            return None;
        }
        if seen.no_caller_or_loan() && !disagreement {
            // No user is known: it is the probe that cannot confirm it.
            return Some(ProblemCode::ProbeBlind);
        }
        Some(ProblemCode::Busy)
    }

    /// Its turn in the shutdown has come: a destroy that waited for it may end. Returns whether one
    /// waited.
    pub(crate) fn take_turn(&mut self) -> bool {
        let destroy = self.lifecycle.destroy_mut();
        destroy.is_some_and(|it| std::mem::take(&mut it.waits_for_turn))
    }

    /// After [`Self::take_turn`]: a destroy that has not ended waits again.
    pub(crate) fn return_turn(&mut self) {
        if let Some(destroy) = self.lifecycle.destroy_mut() {
            destroy.waits_for_turn = true;
        }
    }

    /// Ends the wait of a requester that has closed its connection. The session stays stopped: a
    /// client that leaves it from now on does not destroy it.
    fn end_abandoned_wait(&mut self, turn: &mut Turn<'_, R>) {
        let is_abandoned = self.lifecycle.destroy().is_some_and(|destroy| {
            destroy.ends_with_requester() && turn.facts.left.contains(&destroy.ticket.number())
        });
        if is_abandoned && let Some(destroy) = self.lifecycle.withdraw_destroy() {
            self.audit.forget(StepName::DestroyRequested);
            let requester = destroy.who;
            turn.effects.note(Note::Abandoned { requester });
        }
    }

    fn give_up(
        &mut self,
        turn: &mut Turn<'_, R>,
        code: ProblemCode,
        reason: String,
        readings: Vec<Reading>,
    ) {
        let Some(destroy) = self.lifecycle.withdraw_destroy() else {
            return;
        };
        // The next destroy has a time of its own.
        self.audit.forget(StepName::DestroyRequested);
        // Set by an abort: evicted clients stay evicted, and may be listed in another certificate.
        self.audit.forget(StepName::Evicted);
        turn.effects.note(Note::NotDestroyed {
            requester: destroy.who.clone(),
            code,
            reason: reason.clone(),
        });
        let disagreement = witness::verdict(&readings).disagreement;
        let verdict = Verdict {
            destroyable: false,
            disagreement,
            reason: reason.clone(),
            at: turn.moment().wall,
            readings,
        };
        let problem = self.not_destroyed(code, &reason).with_verdict(verdict);
        let stopped = destroy.stops;
        refuse_with_users(turn, destroy, problem);
        if stopped {
            self.start(turn, Ticket::unread());
        }
    }

    fn not_destroyed(&self, code: ProblemCode, reason: &str) -> Problem {
        let name = &self.name;
        Problem::new(code, format!("session {name} is not destroyed: {reason}"))
    }

    /// All memory of a session that has ended and to which no runtime refers. Answers the requests
    /// that still wait for the session.
    pub(crate) fn take_memory(&mut self, turn: &mut Turn<'_, R>) -> RetiredMemory {
        if !mutant!("destroy: open requests are left") {
            self.answer_the_rest(turn);
        }
        let memory = self.memory();
        self.clients.attached.clear();
        self.clients.evicted.list.clear();
        self.retired = RetiredMemory::default();
        self.frames = None;
        memory
    }

    fn note_disagreement(&mut self, turn: &mut Turn<'_, R>, seen: Option<(&[Reading], &String)>) {
        let seen = seen.map(|(readings, note)| (readings, note.as_str()));
        if self.audit.disagree(seen, turn.moment()) {
            turn.effects.note(Note::Contradicted);
        }
    }

    fn finish(&mut self, turn: &mut Turn<'_, R>, readings: Vec<Reading>) {
        if !mutant!("destroy: the clients are not told") {
            self.close_all(turn);
        }
        self.audit.note(StepName::Destroyed, turn.moment());
        let Some(destroy) = self.lifecycle.destroy() else {
            unreachable!("a session ends so only while it drains");
        };
        let evidence = self.evidence(
            turn.view,
            Issue {
                operation: destroy.operation,
                deadline_ms: destroy.deadline_ms,
                requester: destroy.who.clone(),
                readings,
            },
        );
        let Some(destroy) = self.lifecycle.end() else {
            unreachable!("it drained a moment ago");
        };
        let retired = self.take_memory(turn);
        if mutant!("session: leaks memory") {
            std::mem::forget(std::hint::black_box(vec![1_u8; 64 << 10]));
        }
        turn.effects.note(Note::Destroyed {
            operation: destroy.operation,
            requester: destroy.who.clone(),
        });
        turn.effects.push(Effect::Destroyed {
            evidence,
            retired,
            destroy,
        });
    }

    /// Every caller gets `ESTALE` from now on; the clients keep their memory.
    pub(crate) fn close_all(&self, turn: &mut Turn<'_, R>) {
        for attachment in self.clients.attached.values() {
            attachment.close(AttachmentState::Gone, &mut turn.effects);
        }
    }
}

/// Refuses with the list of the users, when a helper thread has named them.
pub(crate) fn refuse_with_users<R>(turn: &mut Turn<'_, R>, destroy: Destroy, problem: Problem) {
    let named = Named::Refusal(Box::new(destroy), Box::new(problem));
    turn.effects.push(Effect::NameUsers(named));
}
