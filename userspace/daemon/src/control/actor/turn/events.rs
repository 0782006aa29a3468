//! Handles the messages of the pollers and the probe, and the readers of the events.

use std::collections::{BTreeMap, BTreeSet};

use onair_api::{EventName, Problem, SessionRef};
use onair_dataplane::{Command, PollerEvent, Runtime};
use onair_ipc::frames::FrameMemory;
use onair_ipc::lender::Lender;
use onair_probe::ProbeEvent;
use onair_session::{AttachRefusal, Event, Exit, SessionCore};

use crate::access::authority::Caller;
use crate::config::OnPollerDeath;
use crate::control::actor::Actor;
use crate::events::{Interest, LastSeen, Subscription};
use crate::shutdown::Cause;

impl Actor {
    /// Takes the next event of the pollers. Returns whether there was one.
    pub(crate) fn poller_event(&mut self) -> bool {
        let Some(event) = self.services.events.pop() else {
            return false;
        };
        match event {
            PollerEvent::HandedBack(runtime) => self.handed_back(runtime),
            PollerEvent::LenderBack {
                session, lender, ..
            } => self.handle(session, Event::LenderBack(lender)),
            PollerEvent::Refused { runtime, reason } => {
                tracing::error!(%reason, "a poller refused a session");
                self.handed_back(runtime);
            }
            PollerEvent::AttachRefused {
                session,
                lender,
                frames,
                reason,
            } => self.attach_refused(session, lender, frames, reason),
            PollerEvent::Violation {
                session,
                attachment,
                what,
            } => {
                tracing::error!(session, attachment, ?what, "a client broke the protocol");
                self.handle(session, Event::Violated(attachment));
            }
            PollerEvent::Evicted { session, evicted } => {
                self.handle(session, Event::Evicted(evicted));
            }
            PollerEvent::Flushed { session, flushed } => {
                self.handle(session, Event::Flushed(flushed));
            }
            PollerEvent::Retargeted { session } => self.retargeted(session),
            PollerEvent::LinkRefused { session, feed } => {
                if let Some((mut session, services)) = self.with(session) {
                    session.place_feed(services, feed);
                }
            }
            PollerEvent::TapBack { tap, .. } => self.tap_back(tap),
            PollerEvent::TapRefused { session, tap } => self.tap_refused(session, tap),
            PollerEvent::ThreadCredited {
                session,
                attachment,
                ticket,
                frames,
            } => {
                let credited = Event::ThreadCredited {
                    attachment,
                    ticket,
                    frames,
                };
                self.handle(session, credited);
            }
            other => {
                self.services.report(&other);
                self.poller_died(&other);
            }
        }
        true
    }

    /// Handles commands that were in transit to a poller that died.
    pub(crate) fn bounce(&mut self) {
        for command in self.services.take_bounced() {
            match command {
                Command::Start(runtime) => self.handed_back(runtime),
                Command::Attach {
                    session,
                    lender,
                    frames,
                } => self.attach_refused(session, lender, frames, AttachRefusal::NoSession),
                _ => {}
            }
        }
    }

    /// A poller gave a session's runtime back, or did not take it.
    fn handed_back(&mut self, mut runtime: Box<Runtime>) {
        let id = runtime.session();
        self.services.dataplane.returned(&runtime);
        self.retarget_here(&mut runtime);
        // A start may wait for it.
        self.look_for_source(id, Some(&mut runtime));
        self.handle(id, Event::HandedBack(runtime));
        self.disconnect_quarantined(id);
        // Before the session may be destroyed.
        self.taps_handed_back(id);
        self.examine_soon(id);
    }

    fn attach_refused(
        &mut self,
        session: u64,
        lender: Box<Lender>,
        frames: Option<FrameMemory>,
        reason: AttachRefusal,
    ) {
        let refused = Event::AttachRefused {
            lender,
            frames,
            reason,
        };
        self.handle(session, refused);
    }

    /// Adds a reader of the events. The session that it names exists, or has left a certificate.
    pub(crate) fn subscribe(
        &mut self,
        caller: &Caller,
        session: Option<SessionRef>,
        kinds: BTreeSet<EventName>,
        after: Option<LastSeen>,
    ) -> Result<Subscription, Problem> {
        if let Some(session) = &session
            && let Err(problem) = self.find(caller, session)
        {
            let certificate = self.services.archive.find(session).ok_or(problem)?;
            caller.require(Some(certificate.requester.uid))?;
        }
        let interest = Interest {
            grant: caller.grant,
            session,
            kinds,
        };
        self.services.hub.subscribe(interest, after)
    }

    /// Without a poller the daemon continues, or shuts down in order, as configured.
    fn poller_died(&self, event: &PollerEvent) {
        let PollerEvent::Died { poller, message } = event else {
            return;
        };
        if self.shutdown.config().on_poller_death == OnPollerDeath::Drain {
            let name = self.services.poller_name(*poller);
            self.shutdown.begin(Cause::PartEnded {
                part: format!("poller {name}"),
                reason: message.clone(),
            });
        }
    }

    /// Gives the event to those sessions.
    fn send_to_sessions(
        &mut self,
        wanted: impl Fn(&SessionCore<Runtime>) -> bool,
        event: impl Fn() -> Event<Runtime>,
    ) {
        let affected = self.sessions.living().filter(|it| wanted(&it.core));
        let affected: Vec<u64> = affected.map(|session| session.id.0).collect();
        for id in affected {
            self.handle(id, event());
        }
    }

    pub(crate) fn probe_events(&mut self, events: &[ProbeEvent]) {
        // Hundreds of threads may end together. The slots of a client are read once for all its
        // threads, and each session is examined once, after all messages of the turn.
        let mut exits = BTreeMap::<u32, Vec<Exit>>::new();
        for event in events {
            match *event {
                ProbeEvent::Exit {
                    tgid,
                    ns_tid,
                    own_tid,
                    ..
                } => {
                    let tid = ns_tid;
                    exits.entry(tgid).or_default().push(Exit { own_tid, tid });
                }
                ProbeEvent::Exec { tgid, .. } => {
                    let replaced = || Event::ProgramReplaced { tgid };
                    self.send_to_sessions(|it| it.has_client(tgid), replaced);
                }
                ProbeEvent::Overrun { lost } => {
                    tracing::warn!(
                        lost,
                        "probe events were lost; the daemon reads the maps again"
                    );
                    self.exits_lost = true;
                    let all: Vec<u64> = self.sessions.ids().collect();
                    all.into_iter().for_each(|id| self.examine_soon(id));
                }
            }
        }
        for (tgid, exits) in exits {
            let ended = || Event::ThreadsEnded {
                tgid,
                exits: exits.clone(),
            };
            self.send_to_sessions(|it| it.follows_threads_of(tgid), ended);
        }
    }
}
