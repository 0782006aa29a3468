//! From stop to destroyed: examines the witnesses until they agree.

use std::time::{Duration, Instant};

use onair_ipc::fence::Fence;
use onair_ipc::memory::State;
use onair_mutant::mutant;
use onair_types::{
    Certificate, EventKind, Operation, Problem, ProblemCode, Reading, Says, StepName, Timestamp,
    Verdict,
};

use super::attachment::Attachment;
use super::lifecycle::Refusal;
use super::{Destroy, Session, certificate};
use crate::inspector::Finding;
use crate::pending_reclaim::{PendingReclaim, RetiredMemory};
use crate::services::Services;
use crate::witness::{self, counters, ownership};

/// Kicks without effect after which the client's kicks are answered only once per rescan.
const FRUITLESS: u32 = 4;

/// The result of an examination.
#[derive(Debug)]
pub enum Progress {
    /// The session continues.
    Lives,
    /// It can be destroyed when its turn in the shutdown comes.
    Ready,
    /// It is destroyed: its certificate, and the request.
    Destroyed(Box<Certificate>, Destroy),
    /// It was quarantined, and its last holder is gone.
    Freed,
}

impl Session {
    /// When the session must be examined again.
    pub fn wake_at(&self) -> Option<Instant> {
        let deadline = self
            .lifecycle
            .destroy()
            .and_then(|destroy| destroy.deadline);
        let times = [
            self.rescan.at,
            self.exits_at,
            self.sites_at,
            self.warnings.at(),
            self.evicted_clients.wake_at(),
            self.flushes.wake_at(),
            self.expires_at,
            deadline,
        ];
        times.into_iter().flatten().min()
    }

    /// A caller of `attachment` left while the session drains.
    pub fn kicked(&mut self, services: &mut Services, attachment: u64) -> Progress {
        let Some(kicker) = self.attachments.get_mut(&attachment) else {
            return Progress::Lives;
        };
        if kicker.fruitless_kicks >= FRUITLESS {
            return Progress::Lives;
        }
        kicker.fruitless_kicks += 1;
        self.advance(services)
    }

    /// Begins to destroy a stopped session.
    pub fn begin_destroy(&mut self, services: &mut Services, destroy: Destroy) -> Progress {
        if let Err(refusal) = self.lifecycle.check_destroy() {
            let problem = self.refusal(refusal);
            match refusal {
                Refusal::Running => self.refuse_with_blockers(services, destroy, problem),
                _ => refuse(destroy, problem),
            }
            return Progress::Lives;
        }
        if let Some(reason) = services.probe.refusal() {
            refuse(destroy, Problem::new(ProblemCode::ProbeBlind, reason));
            return Progress::Lives;
        }
        if !self.drain(destroy) {
            return Progress::Lives;
        }
        self.forget_sites();
        self.rescan.dead = true;
        self.rescan.begin();
        self.advance(services)
    }

    /// Starts draining; refuses `destroy` if the state does not allow it.
    pub(super) fn drain(&mut self, destroy: Destroy) -> bool {
        if let Err((refusal, destroy)) = self.lifecycle.begin_destroy(destroy) {
            refuse(destroy, self.refusal(refusal));
            return false;
        }
        self.audit.note(StepName::DestroyRequested);
        true
    }

    /// The problem that tells the requester why the session's state refuses.
    pub(super) fn refusal(&self, refusal: Refusal) -> Problem {
        let (code, what) = match refusal {
            Refusal::Running => (ProblemCode::Running, "is running: stop it first"),
            Refusal::Starting => (ProblemCode::Running, "is being started: stop it first"),
            Refusal::Draining => (ProblemCode::Draining, "is being destroyed"),
            Refusal::Quarantined => (ProblemCode::Quarantined, "is quarantined"),
            Refusal::Destroyed => (ProblemCode::StaleSession, "was destroyed"),
        };
        Problem::new(code, format!("session {} {what}", self.spec.name))
    }

    /// Examines the witnesses because time passed.
    pub fn tick(&mut self, services: &mut Services, now: Instant) -> Progress {
        if self.wake_at().is_none_or(|at| at > now) {
            return Progress::Lives;
        }
        self.expire(services, now);
        self.flushes.expire(now);
        if self.warnings.at().is_some_and(|at| at <= now) {
            self.warn_of_users(services, now);
        }
        for attachment in self.attachments.values_mut() {
            attachment.fruitless_kicks = 0;
        }
        if self.sites_at.is_some_and(|at| at <= now) {
            self.sites_at = None;
            self.answer_verdicts(services);
        }
        self.rescan.again();
        if !self.lifecycle.is_running() {
            // The caller that a stop woke may have ended before it woke the others.
            for attachment in self.attachments.values() {
                services.waking.enter(&attachment.memory);
            }
        }
        self.sweep_disconnected(services);
        self.sweep_evicted_clients(services, now);
        if self.rescan.pause >= Duration::from_millis(16) {
            // Something delays it: check whether the holder still exists.
            self.rescan.dead = true;
        }
        self.advance(services)
    }

    /// Examines the witnesses and acts on the result.
    pub fn advance(&mut self, services: &mut Services) -> Progress {
        if self.is_quarantined() {
            return self.advance_quarantine(services);
        }
        self.settle_exits(services);
        if self.lifecycle.is_running() {
            if !self.awaits_somebody() {
                self.rescan.end();
            }
            return Progress::Lives;
        }
        self.end_abandoned_wait();
        self.settle();
        self.evict_violators(services);
        if std::mem::take(&mut self.rescan.dead) {
            self.look_for_dead_threads(services);
        }
        let readings = self.read(services, self.lifecycle.destroy().is_some());
        self.answer_verdicts(services);
        let users = readings.iter().map(|reading| reading.users).sum();
        if users < std::mem::replace(&mut self.rescan.users, users) {
            for attachment in self.attachments.values_mut() {
                attachment.fruitless_kicks = 0;
            }
        }
        let found = witness::verdict(&readings);
        let says = |name: &str| {
            let reading = readings.iter().find(|reading| reading.name == name);
            reading.map(|reading| reading.says)
        };
        let zero = |name: &str| says(name) == Some(Says::Zero);
        if zero(witness::SLOTS) && zero(witness::LEDGER) && !found.disagreement {
            // The time when W1 was read, not the time when the others had been read too.
            let seen = readings.first().map_or(0, |slots| slots.at_monotonic_ns);
            self.audit.note_at(StepName::LastUserLeft, seen);
            if self.lifecycle.destroy().is_none() && !self.awaits_somebody() {
                self.rescan.end();
            }
        }
        let asked = self.lifecycle.destroy();
        let asked = asked.map(|it| (it.deadline, it.operation));
        let Some((deadline, operation)) = asked else {
            return Progress::Lives;
        };
        self.note_disagreement(found.disagreement.then_some((&readings[..], &found.reason)));
        // An abort does not wait for users, which may be blocked: all clients are evicted, and the
        // memory that they map waits for W4. The certificate records the probe's reading.
        let aborts = operation == Operation::Abort
            && [witness::SLOTS, witness::LEDGER, witness::POLLERS]
                .into_iter()
                .all(zero);
        if found.destroyable || aborts {
            if self.lifecycle.destroy().is_some_and(|it| it.waits_for_turn) {
                return Progress::Ready;
            }
            self.audit.note(StepName::Verdict);
            return self.finish(services, readings);
        }
        // A destroy that does not wait for users is answered with what is seen after the request.
        let waits = deadline.is_some();
        if says(witness::PROBE) == Some(Says::Users) || waits && !zero(witness::SLOTS) {
            self.forget_sites();
        } else {
            self.look_at_sites(services);
        }
        let is_unknown = says(witness::PROBE) == Some(Says::Unknown);
        let now = Instant::now();
        let quiesce_over = self.lifecycle.returning_since().is_none_or(|sent| {
            now >= sent + Duration::from_millis(services.config.timeouts.quiesce_ms)
        });
        let only_the_poller = zero(witness::SLOTS) && !zero(witness::POLLERS);
        let code = match deadline {
            Some(deadline) if now < deadline => return Progress::Lives,
            Some(_) if operation == Operation::Abort => ProblemCode::DataplaneBusy,
            Some(_) => ProblemCode::DeadlinePassed,
            // The stop told the poller; the poller's use is not a user's.
            None if only_the_poller && !quiesce_over => return Progress::Lives,
            None if only_the_poller => ProblemCode::DataplaneBusy,
            // Helper threads are looking, and answer soon.
            None if self.is_looking_at_threads() => return Progress::Lives,
            None if is_unknown && self.awaits_sites() => return Progress::Lives,
            None if zero(witness::SLOTS) && zero(witness::LEDGER) && !found.disagreement => {
                // No user is known: it is the probe that cannot confirm it.
                ProblemCode::ProbeBlind
            }
            None => ProblemCode::Busy,
        };
        self.give_up(services, code, found.reason, readings);
        Progress::Lives
    }

    /// Its turn in the shutdown has come: destroys it if it has no users.
    pub fn end_in_turn(&mut self, services: &mut Services) -> Progress {
        let waiting = |destroy: &&mut Destroy| destroy.waits_for_turn;
        let Some(destroy) = self.lifecycle.destroy_mut().filter(waiting) else {
            return Progress::Lives;
        };
        destroy.waits_for_turn = false;
        let progress = self.advance(services);
        if let Some(destroy) = self.lifecycle.destroy_mut() {
            destroy.waits_for_turn = true;
        }
        progress
    }

    /// Ends the wait of a requester that has closed its connection. The session stays stopped: a
    /// client that leaves it from now on does not destroy it.
    fn end_abandoned_wait(&mut self) {
        let is_abandoned = self.lifecycle.destroy().is_some_and(|destroy| {
            // The daemon's own shutdown and an abort do not wait for an answer.
            destroy.operation == Operation::DestroyWait && destroy.reply.is_unwanted()
        });
        if is_abandoned && let Some(destroy) = self.lifecycle.withdraw_destroy() {
            self.audit.forget(StepName::DestroyRequested);
            tracing::info!(
                session = %self.id, name = %self.spec.name, requester = %destroy.who,
                "not destroyed: the requester closed the connection"
            );
        }
    }

    /// Whether the drain watches a process that may release its memory without a message.
    fn awaits_somebody(&self) -> bool {
        !self.evicted_clients.list.is_empty() || self.attachments.values().any(|it| it.disconnected)
    }

    fn give_up(
        &mut self,
        services: &Services,
        code: ProblemCode,
        reason: String,
        readings: Vec<Reading>,
    ) {
        let Some(destroy) = self.lifecycle.withdraw_destroy() else {
            return;
        };
        // Set by an abort: evicted clients stay evicted, and may be listed in another certificate.
        self.audit.forget(StepName::Evicted);
        tracing::warn!(session = %self.id, name = %self.spec.name, %code, reason, "not destroyed");
        let disagreement = witness::verdict(&readings).disagreement;
        let verdict = Verdict {
            destroyable: false,
            disagreement,
            reason: reason.clone(),
            at: Timestamp::now(),
            readings,
        };
        let name = &self.spec.name;
        let problem = Problem::new(code, format!("session {name} is not destroyed: {reason}"))
            .with_verdict(verdict);
        self.refuse_with_blockers(services, destroy, problem);
    }

    /// Arms the kicks, makes the callers' stores visible, settles what is here, and reads the
    /// witnesses: W1 first, so that a caller that follows the protocol and that W1 does not see is
    /// not in W2 either.
    pub(super) fn read(&mut self, services: &Services, ask_probe: bool) -> Vec<Reading> {
        let fence = Fence::with_kicks(self.attachments.values().map(|it| &*it.memory));
        self.settle();
        let lent = self.lent();
        let evicted_clients = self.evicted_clients.list.values();
        let mut readings = vec![
            counters::slots(
                &fence,
                self.attachments.values().map(|it| &*it.memory),
                evicted_clients.map(|it| &*it.attachment.memory),
            ),
            counters::ledger(lent),
        ];
        if ask_probe {
            let is_out = |attachment| self.evicted_clients.list.contains_key(&attachment);
            let reading = services.probe.witness(self.id.0, self.sites(), is_out);
            readings.push(reading);
        }
        readings.push(ownership::pollers(lent.is_some()));
        if ask_probe {
            readings.push(self.whole_view(&services.pending_reclaim).reading());
        }
        readings
    }

    /// Frames on loan by the ledgers; `None` while a poller has them.
    pub(super) fn lent(&self) -> Option<u64> {
        let runtime = self.lifecycle.runtime()?;
        Some(runtime.lenders().map(|lender| lender.lent() as u64).sum())
    }

    /// All attachments that may have memory of the session mapped.
    pub(super) fn holders(&self) -> impl Iterator<Item = &Attachment> {
        let evicted_clients = self.evicted_clients.list.values().map(|it| &it.attachment);
        self.attachments.values().chain(evicted_clients)
    }

    /// All memory of the session that W4 is asked about.
    pub(super) fn retired_view(&self) -> RetiredMemory {
        let mut words = self.retired.words.clone();
        words.extend(self.holders().map(|it| it.memory.clone()));
        let mut frames = self.retired.frames.clone();
        frames.extend(self.frames.clone());
        frames.extend(self.holders().filter_map(|it| it.frames.clone()));
        RetiredMemory { words, frames }
    }

    /// The same, plus memory that attachments left behind and that was handed over while the
    /// session ran.
    pub(super) fn whole_view(&self, pending_reclaim: &PendingReclaim) -> RetiredMemory {
        let mut all = self.retired_view();
        if !mutant!("W4: leaves out what departed senders still map") {
            all.add(pending_reclaim.parts(self.id));
        }
        all
    }

    /// [`Self::retired_view`] of a session that has ended and to which no runtime refers. Answers
    /// the requests that still wait for the session.
    pub(super) fn take_retired(&mut self) -> RetiredMemory {
        self.answer_the_rest();
        let retired = self.retired_view();
        self.attachments.clear();
        self.evicted_clients.list.clear();
        self.retired = RetiredMemory::default();
        self.frames = None;
        retired
    }

    fn note_disagreement(&mut self, seen: Option<(&[Reading], &String)>) {
        let is_new = self
            .audit
            .disagree(seen.map(|(readings, note)| (readings, note.as_str())));
        if is_new {
            tracing::error!(
                session = %self.id, name = %self.spec.name,
                "the witnesses contradict each other; nothing is freed"
            );
        }
    }

    fn finish(&mut self, services: &mut Services, readings: Vec<Reading>) -> Progress {
        for attachment in self.attachments.values_mut() {
            attachment.close(State::Gone, services);
        }
        self.audit.note(StepName::Destroyed);
        let Some(destroy) = self.lifecycle.destroy() else {
            unreachable!("a session ends so only while it drains");
        };
        let issue = certificate::Issue {
            operation: destroy.operation,
            deadline_ms: destroy.deadline_ms,
            requester: destroy.who.clone(),
            readings,
        };
        let mut certificate = certificate::write(self, services, issue);
        let Some(destroy) = self.lifecycle.end() else {
            unreachable!("it drained a moment ago");
        };
        let retired = self.take_retired();
        if mutant!("session: leaks memory") {
            std::mem::forget(std::hint::black_box(vec![1_u8; 64 << 10]));
        }
        tracing::info!(session = %self.id, name = %self.spec.name, "destroyed");
        let destroyed = EventKind::Destroyed {
            operation: destroy.operation,
            requester: destroy.who.clone(),
        };
        self.tell(services, destroyed);
        certificate::conclude(&mut certificate, services, retired);
        Progress::Destroyed(Box::new(certificate), destroy)
    }

    /// The daemon exits while users remain: every caller gets `ESTALE`, and the clients keep their
    /// memory.
    pub fn abandon(&mut self, services: &mut Services) {
        for attachment in self.attachments.values_mut() {
            attachment.close(State::Gone, services);
        }
    }
}

impl Session {
    /// Refuses, and lists the users: a helper thread finds them and answers.
    fn refuse_with_blockers(&self, services: &Services, destroy: Destroy, problem: Problem) {
        self.name_blockers(services, move |blockers| {
            refuse(destroy, problem.with_blockers(blockers));
            Finding::Told
        });
    }
}

pub(super) fn refuse(destroy: Destroy, problem: Problem) {
    destroy.reply.send(Err(problem));
}
