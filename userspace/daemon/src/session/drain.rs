//! From stop to destroyed: examining the witnesses until they agree.

use std::time::{Duration, Instant};

use onair_api::{
    Certificate, EventKind, Problem, ProblemCode, Reading, Says, StepName, Timestamp, Verdict,
};
use onair_ipc::sync;

use super::{Destroy, Place, Session, certificate};
use crate::limbo::Remains;
use crate::services::Services;
use crate::witness::{self, counters, ownership};

/// First and longest pause between two looks that nothing asked for: the backstop for a kick that
/// was lost with its sender.
const RESCAN: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));
/// Kicks that change nothing before the client's kicks are only answered once a rescan.
const FRUITLESS: u32 = 4;

/// When a stopped session is looked at again without being asked to.
#[derive(Debug)]
pub(super) struct Rescan {
    at: Option<Instant>,
    pause: Duration,
    /// The next look also looks for threads that ended inside a call.
    pub(super) dead: bool,
    /// Users at the last look.
    users: u64,
}

impl Default for Rescan {
    fn default() -> Self {
        Self {
            at: None,
            pause: RESCAN.0,
            dead: false,
            users: 0,
        }
    }
}

impl Rescan {
    /// Starts over with the shortest pause.
    pub(super) fn begin(&mut self) {
        self.pause = RESCAN.0;
        self.at = Some(Instant::now() + self.pause);
    }

    /// The next look also looks for threads that ended inside a call.
    pub(super) fn look_for_dead(&mut self) {
        self.dead = true;
        self.begin();
    }

    fn again(&mut self) {
        self.pause = (self.pause * 2).min(RESCAN.1);
        self.at = Some(Instant::now() + self.pause);
    }

    fn end(&mut self) {
        self.at = None;
    }
}

/// What an examination came to.
#[derive(Debug)]
pub enum Progress {
    /// The session goes on.
    Lives,
    /// It is destroyed: its certificate, and who asked.
    Destroyed(Box<Certificate>, Destroy),
}

impl Session {
    /// When the session wants to be looked at again.
    pub fn wake_at(&self) -> Option<Instant> {
        let deadline = self.destroy.as_ref().and_then(|destroy| destroy.deadline);
        let times = [self.rescan.at, deadline, self.warnings.at()];
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

    /// Begins to destroy the session, which is stopped.
    pub fn begin_destroy(&mut self, services: &mut Services, destroy: Destroy) -> Progress {
        if self.destroy.is_some() {
            refuse(
                destroy,
                Problem::new(ProblemCode::Draining, "another destroy is under way"),
            );
            return Progress::Lives;
        }
        if self.running {
            let name = &self.spec.name;
            let problem = Problem::new(
                ProblemCode::Running,
                format!("session {name} is running: stop it first"),
            );
            refuse(destroy, problem.with_blockers(self.blockers(services)));
            return Progress::Lives;
        }
        if let Some(reason) = services.probe.refusal() {
            refuse(destroy, Problem::new(ProblemCode::ProbeBlind, reason));
            return Progress::Lives;
        }
        self.books.note(StepName::DestroyRequested);
        self.destroy = Some(destroy);
        self.rescan.dead = true;
        self.rescan.begin();
        self.advance(services)
    }

    /// Looks at the witnesses because time passed.
    pub fn tick(&mut self, services: &mut Services, now: Instant) -> Progress {
        if self.wake_at().is_none_or(|at| at > now) {
            return Progress::Lives;
        }
        if self.warnings.at().is_some_and(|at| at <= now) {
            self.warn_of_users(services, now);
        }
        for attachment in self.attachments.values_mut() {
            attachment.fruitless_kicks = 0;
        }
        self.rescan.again();
        self.sweep_disconnected(services);
        if self.rescan.pause >= Duration::from_millis(16) {
            // Something holds it up: look whether the holder still exists.
            self.rescan.dead = true;
        }
        self.advance(services)
    }

    /// Looks at the witnesses, and does what follows.
    pub fn advance(&mut self, services: &mut Services) -> Progress {
        if self.running {
            if !self.attachments.values().any(|it| it.disconnected) {
                self.rescan.end();
            }
            return Progress::Lives;
        }
        if std::mem::take(&mut self.rescan.dead) {
            self.bury_dead_threads(services);
        }
        let readings = self.read(services, self.destroy.is_some());
        let users = readings.iter().map(|reading| reading.users).sum();
        if users < std::mem::replace(&mut self.rescan.users, users) {
            for attachment in self.attachments.values_mut() {
                attachment.fruitless_kicks = 0;
            }
        }
        let found = witness::verdict(&readings);
        let zero = |name: &str| {
            readings
                .iter()
                .any(|reading| reading.name == name && reading.says == Says::Zero)
        };
        if zero(witness::SLOTS) && zero(witness::LEDGER) && !found.disagreement {
            // When W1 was read, not when the others had been read, too.
            let seen = readings.first().map_or(0, |slots| slots.at_monotonic_ns);
            self.books.note_at(StepName::LastUserLeft, seen);
            if self.destroy.is_none() && !self.attachments.values().any(|it| it.disconnected) {
                self.rescan.end();
            }
        }
        let Some(deadline) = self.destroy.as_ref().map(|destroy| destroy.deadline) else {
            return Progress::Lives;
        };
        self.note_disagreement(found.disagreement.then_some((&readings[..], &found.reason)));
        if found.destroyable {
            self.books.note(StepName::Verdict);
            return self.finish(services, readings);
        }
        let now = Instant::now();
        let quiesce_over = self.quiesce_sent.is_none_or(|sent| {
            now >= sent + Duration::from_millis(services.config.timeouts.quiesce_ms)
        });
        let only_the_poller = zero(witness::SLOTS) && !zero(witness::POLLERS);
        let code = match deadline {
            Some(deadline) if now < deadline => return Progress::Lives,
            Some(_) => ProblemCode::DeadlinePassed,
            // The poller was told at the stop; what it takes is its, not a user's.
            None if only_the_poller && !quiesce_over => return Progress::Lives,
            None if only_the_poller => ProblemCode::DataplaneBusy,
            None if zero(witness::SLOTS) && zero(witness::LEDGER) && !found.disagreement => {
                // Nobody is known to be there: it is the probe that cannot say so.
                ProblemCode::ProbeBlind
            }
            None => ProblemCode::Busy,
        };
        self.give_up(services, code, found.reason, readings);
        Progress::Lives
    }

    /// What each witness says now; nothing is changed but the kick that is armed.
    pub fn verdict(&mut self, services: &Services) -> Verdict {
        let readings = self.read(services, true);
        let mut found = witness::verdict(&readings);
        if self.running && found.disagreement {
            // The gates are open: a caller may have come after W1 was read, and before W2 was.
            found.disagreement = false;
            found.reason = "a caller came while the witnesses were asked".to_owned();
        }
        let running = self.running.then_some("the session is running; ");
        Verdict {
            destroyable: found.destroyable && !self.running,
            disagreement: found.disagreement,
            reason: format!("{}{}", running.unwrap_or_default(), found.reason),
            at: Timestamp::now(),
            readings,
        }
    }

    fn give_up(
        &mut self,
        services: &Services,
        code: ProblemCode,
        reason: String,
        readings: Vec<Reading>,
    ) {
        let Some(destroy) = self.destroy.take() else {
            return;
        };
        let blockers = self.blockers(services);
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
            .with_blockers(blockers)
            .with_verdict(verdict);
        refuse(destroy, problem);
    }

    /// Arms the kicks, makes the callers' stores visible, settles what is here, and reads the
    /// witnesses: W1 first, so that an honest caller whom W1 does not see is not in W2 either.
    fn read(&mut self, services: &Services, ask_probe: bool) -> Vec<Reading> {
        for attachment in self.attachments.values() {
            attachment.memory.arm_kick();
        }
        // SYNC: light-heavy
        sync::heavy();
        let lent = match std::mem::replace(&mut self.place, Place::Poller) {
            Place::Here(mut runtime) => {
                self.settle(&mut runtime);
                let lent = runtime
                    .lenders_mut()
                    .map(|lender| lender.lent() as u64)
                    .sum();
                self.place = Place::Here(runtime);
                Some(lent)
            }
            elsewhere => {
                self.place = elsewhere;
                None
            }
        };
        let mut readings = vec![
            counters::slots(self.attachments.values().map(|it| &*it.memory)),
            counters::ledger(lent),
        ];
        if ask_probe {
            let sights = self.attachments.values().map(|it| {
                let sight = it.watched.as_ref().map(|watched| &watched.armed.sight);
                (it.client.who.pid, sight)
            });
            let sighting = services.probe.witness(self.id.0, sights);
            readings.push(sighting.reading);
        }
        readings.push(ownership::pollers(lent.is_some()));
        if ask_probe {
            readings.push(self.remains_view().reading());
        }
        readings
    }

    /// Everything of the session that W4 is asked about.
    fn remains_view(&self) -> Remains {
        let mut words = self.departed.words.clone();
        words.extend(self.attachments.values().map(|it| it.memory.clone()));
        let mut frames = self.departed.frames.clone();
        frames.extend(self.frames.clone());
        frames.extend(self.attachments.values().filter_map(|it| it.frames.clone()));
        Remains { words, frames }
    }

    fn note_disagreement(&mut self, seen: Option<(&[Reading], &String)>) {
        let is_new = self
            .books
            .disagree(seen.map(|(readings, note)| (readings, note.as_str())));
        if is_new {
            tracing::error!(
                session = %self.id, name = %self.spec.name,
                "the witnesses contradict each other; nothing is freed"
            );
        }
    }

    fn finish(&mut self, services: &mut Services, readings: Vec<Reading>) -> Progress {
        let destroy = self.destroy.take().expect("only called with a request");
        let files = std::mem::take(&mut self.watched);
        for attachment in self.attachments.values_mut() {
            attachment.close(&services.probe, &services.bell);
        }
        let mut remains = std::mem::take(&mut self.departed);
        let holders: Vec<u32> = self
            .attachments
            .values()
            .map(|it| it.client.who.pid)
            .collect();
        for (_, attachment) in std::mem::take(&mut self.attachments) {
            remains.words.push(attachment.memory);
            remains.frames.extend(attachment.frames);
        }
        remains.frames.extend(self.frames.take());
        // The runtime refers to the frames: without it they are only the remains'.
        if let Place::Here(runtime) = std::mem::replace(&mut self.place, Place::Returning) {
            let lent = runtime.lenders().map(onair_ipc::lender::Lender::published);
            self.books.counts.frames_lent += lent.sum::<u64>();
        }
        self.books.note(StepName::Destroyed);
        let probe = services.probe_document(files);
        let bytes = remains.bytes();
        let certificate = certificate::write(
            self,
            &services.identity,
            &destroy,
            probe,
            readings,
            (bytes, holders),
        );
        services.limbo.keep(Some(self.id), remains);
        services.archive.keep(certificate.clone());
        tracing::info!(session = %self.id, name = %self.spec.name, "destroyed");
        let destroyed = EventKind::Destroyed {
            operation: destroy.operation,
            requester: destroy.who.clone(),
        };
        self.tell(services, destroyed);
        Progress::Destroyed(Box::new(certificate), destroy)
    }

    /// The daemon ends with users left: every caller gets `ESTALE`, their memory stays theirs.
    pub fn abandon(&mut self, services: &Services) {
        for attachment in self.attachments.values_mut() {
            attachment.close(&services.probe, &services.bell);
        }
    }
}

fn refuse(destroy: Destroy, problem: Problem) {
    // The requester may have gone.
    let _ = destroy.reply.send(Err(problem));
}
