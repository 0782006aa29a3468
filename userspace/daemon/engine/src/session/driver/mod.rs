//! Drives the session's core: answers its questions, and executes its effects.
//!
//! A session's core (`onair-session`) decides, and does nothing: it knows no clock, no socket, no poller. The
//! driver does, and decides nothing. Each event of a session comes through [`Session::handle`]:
//!
//! 1. *Facts* ([`Facts`]) are what the core must know before it starts: the time, the timeouts, the poller's
//!    state, the requesters that have gone. They are read once, so the core sees one moment.
//! 2. *Event.* The core takes it and changes its state. In between it may ask the [`View`]: the kernel's map of
//!    blocked callers, or whether a process is ending. Only bounded questions go there, because the control
//!    thread waits for the answer.
//! 3. *Effects.* The core returns a list. The driver executes it in order and to the end before this session gets
//!    another event: the core has counted on all of it. After a stop, for example, the callers are woken before
//!    the poller is told to finish its frame, because they wait.
//! 4. *Progress* says what the actor must do beyond the session (`Actor::follow`): examine it together with
//!    others, tell the shutdown that it is ready, or remove it.
//!
//! *Slow questions are effects*: [`Effect::LookAtThreads`], [`Effect::LookAtSites`], [`Effect::NameUsers`]. A
//! helper thread of the inspector reads the client's files in `/proc`, which the client can make slow or endless.
//! The answer comes as an event. If it is late, the event says that nothing is known, never that there is no
//! user.
//!
//! *Examinations wait for the end of the turn* ([`Effect::Examine`]). Then [`Session::examine_together`] shows
//! all cores that are due to the same barrier and the same walk of the kernel's map: both cost as much for one
//! session as for several.
//!
//! *Replies stay here.* The core knows a request as a [`Ticket`](onair_session::Ticket); the reply lies in
//! `requests.rs`. So the core can be recorded and replayed: facts, events, answers and effects are values
//! (`cargo xtask sim --trace FILE`).
//!
//! *The end.* [`Effect::Destroyed`] carries the evidence and all memory. The driver writes the certificate, asks
//! W4, and frees the memory or keeps it until no process has it (`certificate.rs`). The actor then removes the
//! session, and answers the requester when the certificate is on disk, or late and with `durable` false: a crash
//! must not lose a certificate that an answer promised.
//!
//! Read on in `onair_session::dispatch` (event by event), `actor/turn` (where events come from),
//! `notes.rs` (what is logged and published).

mod notes;
pub(super) mod requests;

use onair_api::{Certificate, Problem, ProblemCode, Reading, SessionId, Via, Who};
use onair_dataplane::Runtime;
use onair_ipc::frames::FrameMemory;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::slot::SlotReading;
use onair_mutant::mutant;
use onair_session::{
    AttachRefusal, Effect, Event, Examination, Examined, Facts, Moment, Note, PollerCommand,
    RetiredMemory, SiteFinding, SiteQuestion, ThreadQuestion, Timeouts, View, Walk,
    examine_together,
};
use onair_settings::config::ms;

use super::{Session, certificate};
use crate::clients::inspection::{Finding, Inspection, InspectionTask, Sites, site_finding};
use crate::clients::processes::Processes;
use crate::mapping;
use crate::services::Services;
use crate::services::reply::Reply;

/// Result of an event.
#[derive(Debug)]
pub enum Progress {
    /// Nothing is left to do beyond the session.
    Lives,
    /// The client was not attached: the caller refuses it.
    NotAdmitted(AttachRefusal),
    /// It is to be examined, with others that are.
    Due,
    /// It can be destroyed when its turn comes.
    Ready,
    /// It is not destroyed, and stays stopped.
    GaveUp,
    /// It is quarantined: its certificate, so far.
    Quarantined(Box<Certificate>),
    /// It is destroyed: its certificate, how the request came, and where the answer goes.
    Destroyed(Box<Certificate>, Via, Reply<Box<Certificate>>),
    /// It was quarantined, and its last holder is gone.
    Freed,
}

impl Session {
    /// Handles an event, and does what follows from it.
    pub fn handle(&mut self, services: &mut Services, event: Event<Runtime>) -> Progress {
        let facts = self.facts(services);
        let view = DriverView {
            services,
            session: self.id,
        };
        let effects = self.core.handle(event, facts, &view);
        self.execute_all(services, effects)
    }

    /// Quarantines a stopped session: its certificate, so far.
    ///
    /// # Errors
    /// Those of the core.
    pub fn quarantine(
        &mut self,
        services: &mut Services,
        who: Who,
    ) -> Result<Box<Certificate>, Problem> {
        self.core.life().check_quarantine()?;
        match self.handle(services, Event::Quarantine(who)) {
            Progress::Quarantined(certificate) => Ok(certificate),
            _ => {
                let what = "the session was not quarantined";
                Err(Problem::new(ProblemCode::Internal, what))
            }
        }
    }

    /// Examines these sessions together, in their order, and does what follows. Returns what it
    /// came to for each that was examined.
    pub fn examine_together(
        sessions: Vec<&mut Self>,
        services: &mut Services,
        why: Examination,
    ) -> Vec<(SessionId, Progress)> {
        let mut sessions = sessions;
        let facts: Vec<_> = sessions.iter().map(|it| it.facts(services)).collect();
        let mut parts: Vec<_> = sessions
            .iter_mut()
            .map(|it| {
                let view = DriverView {
                    services,
                    session: it.id,
                };
                (&mut it.core, view)
            })
            .collect();
        let examined = parts.iter_mut().zip(facts);
        let examined = examined.map(|((core, view), facts)| Examined { core, facts, view });
        let done = examine_together(examined.collect(), why);
        drop(parts);
        let mut progress = Vec::with_capacity(done.len());
        for (id, effects) in done {
            if let Some(session) = sessions.iter_mut().find(|it| it.id == id) {
                progress.push((id, session.execute_all(services, effects)));
            }
        }
        progress
    }

    /// Facts that the core needs beside the event.
    fn facts(&self, services: &Services) -> Facts {
        let timeouts = &services.config.timeouts;
        let counted = self.stats.snapshot();
        let dropped = counted.frames_dropped_stop + counted.frames_dropped_detached;
        Facts {
            now: services.machine.now(),
            timeouts: Timeouts {
                quiesce: ms(timeouts.quiesce_ms),
                drain_warning: ms(timeouts.drain_warning_ms),
            },
            poller: services.poller_fact(self.home.poller()),
            sent_and_dropped: (counted.frames_sent, dropped),
            left: self.requests.left(),
        }
    }

    fn execute_all(&mut self, services: &mut Services, effects: Vec<Effect<Runtime>>) -> Progress {
        let mut progress = Progress::Lives;
        let mut effects = effects;
        if mutant!("engine: effects in the wrong order") {
            effects.reverse();
        }
        for effect in effects {
            // The last one counts: effects are in the order in which the session changed.
            if let Some(other) = self.execute(services, effect) {
                progress = other;
            }
        }
        progress
    }

    fn execute(&mut self, services: &mut Services, effect: Effect<Runtime>) -> Option<Progress> {
        match effect {
            Effect::Poller(order) => {
                if matches!(order, PollerCommand::Start(_)) {
                    self.settle_groups(services);
                }
                services.command(self.home.poller(), requests::command(self.id.0, order));
            }
            Effect::Wake(memory) => services.waking.enter(&memory),
            Effect::WakeNow => services.waking.turn(),
            Effect::Closed(number) => {
                if let Some(connected) = self.connected.get_mut(number) {
                    connected.close(services, self.id.0, number);
                }
            }
            Effect::Left(number) => {
                if let Some(connected) = self.connected.remove(number) {
                    self.former_clients
                        .note(&self.core, services, number, &connected.client);
                }
            }
            Effect::NotAdmitted(reason) => return Some(Progress::NotAdmitted(reason)),
            Effect::LookAtThreads(question) => look_at_threads(services, self.id.0, question),
            Effect::LookAtSites(question) => {
                let connected = self.connected.get(question.attachment);
                if let Some(watched) = connected.and_then(|it| it.watched.as_ref()) {
                    look_at_sites(services, self.id.0, &*watched.sites, question);
                }
            }
            Effect::NameUsers(named) => self.name_users(services, named),
            Effect::Answer(_) if mutant!("engine: an answer of the core is forgotten") => {}
            Effect::Answer(answer) => self.requests.answer(answer),
            Effect::Note(note) => {
                // After these two no destroy is in progress any more: a group that waits for it must know.
                let gave_up = matches!(note, Note::NotDestroyed { .. } | Note::Abandoned { .. });
                self.report(services, note);
                return gave_up.then_some(Progress::GaveUp);
            }
            Effect::Started(tickets) => {
                for ticket in tickets {
                    let view = self.shown().view();
                    self.requests.take(&ticket).send(Ok(view));
                }
            }
            Effect::Keep(memory) => {
                let now = services.machine.now();
                services.pending_reclaim.keep(now, self.charge(), memory);
            }
            Effect::Examine => return Some(Progress::Due),
            Effect::Ready => return Some(Progress::Ready),
            Effect::Quarantined(evidence) => {
                // It never runs again: the session that takes its name needs the room.
                self.home.room = None;
                // The users keep the memory: W4 and the final counts are added when it is freed.
                let mut certificate =
                    certificate::write(self, services, *evidence, &RetiredMemory::default());
                onair_certificate::seal(&mut certificate);
                services.archive.keep(certificate.clone());
                return Some(Progress::Quarantined(Box::new(certificate)));
            }
            Effect::Destroyed {
                evidence,
                retired,
                destroy,
            } => {
                let mut certificate = certificate::write(self, services, *evidence, &retired);
                certificate::conclude(&mut certificate, services, self.charge(), retired);
                self.connected.clear();
                let (via, reply) = (destroy.who.via, self.requests.take(&destroy.ticket));
                return Some(Progress::Destroyed(Box::new(certificate), via, reply));
            }
            Effect::Freed {
                counts,
                reconciled,
                evicted,
                retired,
            } => {
                let found = services.archive.find(&self.id.into()).cloned();
                match found {
                    Some(mut certificate) => {
                        certificate.counts = counts;
                        certificate.reconciled = reconciled;
                        certificate.evicted = evicted;
                        certificate::conclude(&mut certificate, services, self.charge(), retired);
                    }
                    // The memory waits for W4 also without its certificate.
                    None => {
                        let now = services.machine.now();
                        services.pending_reclaim.keep(now, self.charge(), retired);
                    }
                }
                self.connected.clear();
                return Some(Progress::Freed);
            }
        }
        None
    }
}

/// A helper thread looks at a client's sites.
fn look_at_sites(services: &Services, session: u64, sites: &dyn Sites, question: SiteQuestion) {
    let SiteQuestion {
        attachment,
        pid,
        asked_at,
    } = question;
    let look = sites.look();
    let finding = move |found, cost| Finding::Core {
        session,
        event: Box::new(Event::SitesLookedAt {
            attachment,
            asked_at,
            cost,
            found,
        }),
    };
    let found = finding;
    let limit = ms(services.config.timeouts.probe_sight_ms);
    let hangs = format!("reading it did not return within {limit:?}");
    services.machine.inspect(Inspection {
        about: u64::from(pid),
        limit,
        look: InspectionTask::Sites(
            look,
            Box::new(move |seen, cost| found(site_finding(seen), cost)),
        ),
        late: Box::new(move |_| finding(SiteFinding::Blind(hangs), limit)),
    });
}

/// A helper thread finds out which slots belong to threads that are gone.
fn look_at_threads(services: &Services, session: u64, question: ThreadQuestion) {
    let ThreadQuestion {
        attachment,
        pid,
        suspects,
        exits,
        limit,
    } = question;
    let finding = move |dead, again, cost| Finding::Core {
        session,
        event: Box::new(Event::ThreadsLookedAt {
            attachment,
            dead,
            again,
            cost,
        }),
    };
    let look = move |processes: &dyn Processes| {
        let began = processes.now();
        let threads = processes.threads(pid);
        let is_dead = |slot: &SlotReading| match &exits {
            None => !threads.has(slot.owner, slot.claimed_at),
            Some(exits) => exits.iter().any(|exit| {
                exit.own_tid == slot.owner
                    && !processes.goes_on(pid, exit.tid, slot.owner, slot.claimed_at)
            }),
        };
        let mut dead = suspects;
        dead.retain(is_dead);
        let again = !dead.is_empty() && processes.is_ending(pid);
        let cost = processes.now().saturating_duration_since(began);
        finding(dead, again, cost)
    };
    services.machine.inspect(Inspection {
        about: u64::from(pid),
        limit,
        look: InspectionTask::Alone(Box::new(look)),
        // Late: no thread is known to be dead, and the core asks again.
        late: Box::new(move |_| finding(Vec::new(), true, limit)),
    });
}

/// The world of one session's core.
struct DriverView<'a> {
    services: &'a Services,
    session: SessionId,
}

impl View for DriverView<'_> {
    fn moment(&self) -> Moment {
        self.services.machine.clock().moment()
    }

    fn check_probe(&self) -> Result<(), Problem> {
        self.services.machine.check_probe()
    }

    fn walk(&self, sessions: &[SessionId]) -> Box<dyn Walk + '_> {
        self.services.machine.walk(sessions)
    }

    fn blocked(&self) -> Vec<u64> {
        let waiters = self.services.machine.waiters(self.session.0);
        waiters.iter().map(|waiter| waiter.attachment).collect()
    }

    fn mapping(&self, memory: &RetiredMemory) -> Reading {
        let mut all = self.services.pending_reclaim.parts(self.session);
        all.clients.extend_from_slice(&memory.clients);
        all.own.extend_from_slice(&memory.own);
        mapping::of(&*self.services.machine, &all)
    }

    fn is_released(&self, words: &AttachmentMemory) -> bool {
        mapping::is_free(&*self.services.machine, words)
    }

    fn are_released(&self, frames: &FrameMemory) -> bool {
        mapping::are_free(&*self.services.machine, frames)
    }

    fn is_process_ending(&self, pid: u32) -> bool {
        self.services.machine.processes().is_ending(pid)
    }
}
