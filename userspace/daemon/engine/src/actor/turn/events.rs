//! Handles the messages of the pollers, the probe and the helper threads.

use onair_dataplane::{Command, PollerEvent, Runtime};
use onair_probe::ProbeEvent;
use onair_session::shutdown::ShutdownEvent;
use onair_session::{AttachRefusal, Event, RetargetEvent, SessionCore};
use onair_settings::config::OnPollerDeath;

use crate::actor::Actor;
use crate::clients::inspection::Finding;
use crate::clients::probe_news::ProbeNews;
use crate::machine::EndCause;
use crate::session::poller_event;

impl Actor {
    /// Takes the next event of the pollers. Returns whether there was one.
    pub(crate) fn poller_event(&mut self) -> bool {
        let Some(event) = self.engine.services.machine.dataplane().events().pop() else {
            return false;
        };
        if let PollerEvent::Violation {
            session,
            attachment,
            what,
        } = &event
            && let Some(session) = self.engine.sessions.any(*session)
        {
            session.log_violation(&self.engine.services, *attachment, *what);
        }
        match poller_event(event) {
            Ok((session, event)) => self.engine.handle(session, event),
            Err(PollerEvent::HandedBack(runtime)) => self.handed_back(runtime),
            Err(PollerEvent::Refused { runtime, reason }) => {
                tracing::error!(%reason, "a poller refused a session");
                self.handed_back(runtime);
            }
            Err(PollerEvent::Retargeted { session }) => {
                self.engine.retarget_step(session, |it, services| {
                    it.change(services, RetargetEvent::Changed, None)
                });
            }
            Err(PollerEvent::Renewal { session }) => {
                if let Some((session, services)) = self.engine.with(session) {
                    session.renew_frames(services);
                }
            }
            Err(PollerEvent::TapBack { tap, .. }) => self.engine.taps().back(tap),
            Err(PollerEvent::TapRefused { session, tap }) => {
                self.engine.taps().refused(session, tap)
            }
            Err(other) => {
                self.engine.services.report(&other);
                if let PollerEvent::Died { poller, message } = other {
                    self.poller_lost(&self.engine.services.poller_name(poller), message);
                }
            }
        }
        true
    }

    /// Handles commands that were in transit to a poller that died.
    pub(crate) fn bounce(&mut self) {
        for command in self.engine.services.take_bounced() {
            match command {
                Command::Start(runtime) => self.handed_back(runtime),
                Command::Attach {
                    session,
                    lender,
                    frames,
                } => {
                    let reason = AttachRefusal::NoSession;
                    let refused = Event::AttachRefused {
                        lender,
                        frames,
                        reason,
                    };
                    self.engine.handle(session, refused);
                }
                _ => {}
            }
        }
    }

    /// A poller gave a session's runtime back, or did not take it.
    fn handed_back(&mut self, mut runtime: Box<Runtime>) {
        let engine = &mut self.engine;
        let id = runtime.session();
        engine.services.machine.dataplane_mut().returned(&runtime);
        engine.retarget_step(id, |it, services| {
            it.change(services, RetargetEvent::HandedBack, Some(&mut runtime))
        });
        // A start may wait for it.
        engine.sessions.look_for_source(&mut engine.services, id);
        engine.handle(id, Event::HandedBack(runtime));
        // At the daemon's end it leaves when it is destroyed: the next daemon may have joined by then.
        let stays = engine.ending.has_begun();
        if let Some((mut session, services)) = engine.with(id).filter(|_| !stays) {
            session.settle_groups(services);
        }
        let now = engine.services.machine.now();
        engine.ending.note(ShutdownEvent::HandedBack(id), now);
        // Before the session may be destroyed.
        engine.taps().handed_back(id);
        engine.examine_soon(id);
    }

    /// Without a poller the daemon continues, or shuts down in order, as configured.
    pub(in crate::actor) fn poller_lost(&self, name: &str, reason: String) {
        let shutdown = self.engine.services.machine.shutdown();
        if shutdown.config().on_poller_death == OnPollerDeath::Drain {
            let poller = name.to_owned();
            shutdown.begin(EndCause::PollerLost { poller, reason });
        }
    }

    /// Gives the event to those sessions.
    fn send_to_sessions(
        &mut self,
        wanted: impl Fn(&SessionCore<Runtime>) -> bool,
        event: impl Fn() -> Event<Runtime>,
    ) {
        let affected = self.engine.sessions.living().filter(|it| wanted(&it.core));
        let affected: Vec<u64> = affected.map(|session| session.id.0).collect();
        for id in affected {
            self.engine.handle(id, event());
        }
    }

    pub(crate) fn probe_events(&mut self, events: &[ProbeEvent]) {
        let news = ProbeNews::of(events);
        for tgid in news.replaced {
            let replaced = || Event::ProgramReplaced { tgid };
            self.send_to_sessions(|it| it.clients().has_process(tgid), replaced);
        }
        if news.lost > 0 {
            let lost = news.lost;
            if let Some(more) = self.lost_lines.note(self.engine.services.machine.now()) {
                tracing::warn!(
                    lost,
                    more,
                    "probe events were lost; the daemon reads the maps again"
                );
            }
            self.exits_lost = true;
            self.engine.examine_all_soon();
        }
        for (tgid, exits) in news.exits {
            let ended = || Event::ThreadsEnded {
                tgid,
                exits: exits.clone(),
            };
            self.send_to_sessions(|it| it.follows_threads_of(tgid), ended);
        }
    }

    /// A client changed its memory with a system call.
    pub(crate) fn memory_touched(&mut self) {
        for (session, attachment) in self.engine.services.machine.touched() {
            if self.engine.sessions.get(session).is_some() {
                self.engine
                    .handle(session, Event::MemoryTouched(attachment));
            }
        }
    }

    /// Handles the answer of a helper thread.
    pub(crate) fn found(&mut self, finding: Finding) {
        match finding {
            Finding::Core { session, event } => {
                self.engine.handle(session, *event);
                self.engine.quarantine_ready_sessions();
            }
            Finding::Blockers {
                session,
                blockers,
                purpose,
            } => {
                if let Some((session, services)) = self.engine.with(session) {
                    session.named(services, purpose, blockers);
                }
            }
            Finding::Stopped {
                session,
                attachment,
                is_stopped,
            } => {
                if let Some(mut session) = self.engine.sessions.get_mut(session) {
                    session.traffic.note_stopped_client(attachment, is_stopped);
                }
            }
            Finding::Told => {}
            Finding::Several(findings) => findings.into_iter().for_each(|it| self.found(it)),
        }
    }
}
