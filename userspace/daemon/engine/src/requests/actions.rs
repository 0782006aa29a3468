//! Serves each request on the control socket: finds its session, checks what the operation needs, and
//! gives the session its event.

use onair_api::operations::{ApiOperation, EvictAttachment, Method};
use onair_api::{Problem, SessionRef};
use onair_session::{Event, EvictionTicket};
use onair_settings::access::authority::Caller;
use onair_settings::config::ms;

use crate::engine::Engine;
use crate::events::Interest;
use crate::inputs::{Action, Asked};
use crate::machine::EndCause;
use crate::reload;
use crate::requests::groups::Groups;
use crate::session::converted;
use crate::shares::Claim;

/// A precondition of an operation.
#[derive(Clone, Copy, Debug)]
enum Need {
    /// The session is not in quarantine, and the request's condition holds.
    Living,
    /// The daemon does not shut down.
    Service,
    /// The session's frames are of packets, not of another session.
    Packets,
    /// The session sends.
    Sends,
}

use Need::{Living, Packets, Sends, Service};

impl Need {
    /// Whether session `id` of `engine` has it.
    fn check(self, engine: &Engine, id: u64) -> Result<(), Problem> {
        match self {
            Living => Ok(()),
            Service => engine.check_service(),
            Packets => converted::check_has_packets(&engine.any(id).spec),
            Sends => converted::check_sends(&engine.any(id).spec),
        }
    }
}

impl Engine {
    pub(crate) fn action(&mut self, action: Action) {
        match action {
            Action::ListSessions(it) => {
                let all = self.sessions.all().map(|session| (session.id, session));
                it.reply
                    .send(Ok(it.input.page(all, |it| it.shown().view())));
            }
            Action::CreateSession(it) => self.create(&it.caller, it.input, None, it.reply),
            Action::ShowSession(it) => self.on(it, &[], |engine, id, it| {
                it.reply.send(Ok(engine.any(id).shown().view()));
            }),
            Action::StopSession(it) => self.on(it, &[Living], |engine, id, it| {
                let session = &engine.sessions[id];
                let reply = session.persist_desired_state(&mut engine.services, false, it.reply);
                reply.send(engine.stop_session(id));
            }),
            Action::StartSession(it) => self.on(it, &[Living, Service], |engine, id, it| {
                let left = engine.sessions.leave_dead_thread(&mut engine.services, id);
                let ready = left.and_then(|()| engine.any(id).check_poller(&engine.services));
                if let Some(((), reply)) = it.reply.or_refuse(ready) {
                    let session = &engine.sessions[id];
                    let reply = session.persist_desired_state(&mut engine.services, true, reply);
                    engine.start_session(id, reply);
                }
            }),
            Action::RetargetSession(it) => self.on(it, &[Living], |engine, id, it| {
                engine.retargets().one(id, it);
            }),
            Action::RetargetSessions(it) => self.retargets().several(it),
            Action::DestroySession(it) => self.on(it, &[Living], |engine, id, it| {
                engine.begin_destroy(id, it.caller.who, None, false, it.reply);
            }),
            Action::DestroySessionWait(it) => self.on(it, &[Living], |engine, id, it| {
                let wait = ms(it.input.deadline_ms);
                let deadline = Some((it.at + wait, wait));
                engine.begin_destroy(id, it.caller.who, deadline, false, it.reply);
            }),
            Action::ListGroups(it) => {
                let clock = self.services.machine.dataplane().clock();
                it.reply.send(Ok(self.sessions.groups(clock)));
            }
            Action::CreateGroup(it) => self.groups().create(it),
            Action::ShowGroup(it) => self.groups().on(it, |groups, it, _| {
                let clock = groups.0.services.machine.dataplane().clock();
                let view = groups.0.sessions.group_view(&it.target, clock);
                it.reply.send(Ok(view));
            }),
            Action::StopGroup(it) => self.groups().on(it, Groups::stop),
            Action::StartGroup(it) => self.groups().on(it, Groups::start),
            Action::RetargetGroup(it) => self.groups().on(it, Groups::retarget),
            Action::DestroyGroup(it) => self.groups().on(it, Groups::destroy),
            Action::DestroyGroupWait(it) => self.groups().on(it, Groups::destroy_wait),
            Action::FlushSession(it) => self.on(it, &[Living, Sends], |engine, id, it| {
                let wait = ms(it.input.deadline_ms);
                engine.request(id, it.reply, |ticket| Event::Flush(wait, ticket));
            }),
            Action::EvictAttachment(it) => {
                let (session, attachment) = it.target;
                let found = self.seen_by(&it.caller).find(&session);
                if let Some((id, reply)) = it.reply.or_refuse(found) {
                    self.note_requester::<EvictAttachment>(&[id], &it.caller);
                    let one = |ticket| Event::Evict(Some(attachment), EvictionTicket::One(ticket));
                    self.request(id, reply, one);
                }
            }
            Action::EvictAll(it) => self.on(it, &[Living], |engine, id, it| {
                let all = |ticket| Event::Evict(None, EvictionTicket::All(ticket));
                engine.request(id, it.reply, all);
            }),
            Action::AbortSession(it) => self.on(it, &[Living], |engine, id, it| {
                engine.abort(id, it.caller.who, it.reply);
            }),
            Action::QuarantineSession(it) => self.on(it, &[Living], |engine, id, it| {
                engine.quarantine(id, it.caller.who, it.reply);
            }),
            Action::ListBlockers(it) => self.on(it, &[], |engine, id, it| {
                engine.any(id).blockers(&engine.services).list(it.reply);
            }),
            Action::ShowVerdict(it) => self.on(it, &[], |engine, id, it| {
                engine.request(id, it.reply, Event::Verdict);
            }),
            Action::DescribeSession(it) => self.on(it, &[Packets], |engine, id, it| {
                it.reply
                    .send(engine.any(id).shown().describe(&engine.services));
            }),
            Action::ShowPicture(it) => {
                self.on(it, &[Living, Service, Packets], |engine, id, it| {
                    engine.taps().show(id, it.caller.owner(), it.reply);
                });
            }
            Action::ShowTrace(it) => {
                let found = || self.seen_by(&it.caller).find(&it.target);
                let gone = || found().map(|_| String::new());
                let trace = self.sessions.trace(&it.target);
                it.reply.send(trace.map_or_else(gone, Ok));
            }
            Action::StartRecording(it) => {
                self.on(it, &[Living, Packets, Service], |engine, id, it| {
                    let claimed = engine.claim(Claim::Recording(it.caller.owner()));
                    if let Some(((), reply)) = it.reply.or_refuse(claimed) {
                        engine.taps().start(id, *it.input, it.caller.who, reply);
                    }
                });
            }
            Action::ListRecordings(it) => {
                let recordings = self.recorder.views(it.input.session.as_ref());
                it.reply.send(Ok(onair_api::RecordingList { recordings }));
            }
            Action::ShowRecording(it) => {
                let found = self.recorder.find_for(&it.caller, &it.target);
                let view = found.map(|id| self.recorder.view(id).expect("just found"));
                it.reply.send(view);
            }
            Action::StopRecording(it) => {
                let found = self.recorder.find_for(&it.caller, &it.target);
                if let Some((id, reply)) = it.reply.or_refuse(found) {
                    self.taps().stop(id, reply);
                }
            }
            Action::ShowCertificate(it) => {
                let found = self.seen_by(&it.caller).certificate(&it.target);
                it.reply.send(found);
            }
            Action::ListCertificates(it) => {
                it.reply.send(Ok(self.services.archive.list(&it.input)));
            }
            Action::Subscribe {
                caller,
                query,
                after,
                reply,
            } => {
                let (owner, session) = (caller.owner(), query.session.as_ref());
                let checked = session.map_or(Ok(()), |it| self.seen_by(&caller).check_audience(it));
                let interest = Interest {
                    grant: caller.grant,
                    session: query.session,
                    kinds: query.kinds.into_iter().collect(),
                };
                let hub = &mut self.services.hub;
                reply.send(checked.and_then(|()| hub.subscribe(owner, interest, after)));
            }
            Action::Metrics { reply } => reply.send(Ok(self.report().metrics())),
            Action::ShowConfig(it) => it.reply.send(Ok(self.report().active_config())),
            Action::ListPollers(it) => {
                let pollers = self.report().pollers();
                it.reply.send(Ok(onair_api::PollerList { pollers }));
            }
            Action::Reload { loaded, reply } => {
                let services = &mut self.services;
                reply.send(Ok(reload::apply(services, loaded)));
            }
            // No session starts after the check, as this thread starts them.
            Action::ShutDownIfIdle(it) => it.reply.send(self.report().check_idle().map(|()| {
                let shutdown = self.services.machine.shutdown();
                shutdown.begin(EndCause::Request(it.caller.who));
                shutdown.status()
            })),
            Action::ListArriving(it) => {
                let port = it.input.port.as_deref();
                it.reply.send(self.services.arriving(port));
            }
            Action::ShowHealth(it) => {
                it.reply.send(Ok(self.report().health(it.caller.grant)));
            }
        }
    }

    /// Finds the session of a request and checks what the operation needs, in this order; then serves
    /// it. If something is missing, that is the answer.
    fn on<O: ApiOperation<Target = SessionRef>>(
        &mut self,
        asked: Asked<O>,
        needs: &[Need],
        serve: impl FnOnce(&mut Self, u64, Asked<O>),
    ) {
        let checked = self.check(&asked.caller, &asked.target, needs);
        match checked {
            Ok(id) => {
                self.note_requester::<O>(&[id], &asked.caller);
                serve(self, id, asked);
            }
            Err(problem) => asked.reply.send(Err(problem)),
        }
    }

    /// Charges the later work of a request that changes something to its user.
    pub(super) fn note_requester<O: ApiOperation>(&mut self, sessions: &[u64], caller: &Caller) {
        if O::ENTRY.method == Method::Get {
            return;
        }
        for id in sessions {
            if let Some((mut session, _)) = self.with(*id) {
                session.requested_by = caller.who.uid;
            }
        }
    }

    fn check(&self, caller: &Caller, session: &SessionRef, needs: &[Need]) -> Result<u64, Problem> {
        let seen = self.seen_by(caller);
        let id = match needs.first() {
            Some(Living) => seen.find(session)?,
            _ => seen.find_any(session)?,
        };
        needs.iter().try_for_each(|need| need.check(self, id))?;
        Ok(id)
    }

    /// Whether the daemon takes requests that begin something.
    ///
    /// # Errors
    /// `shutting_down`.
    pub(crate) fn check_service(&self) -> Result<(), Problem> {
        Ok(self.services.machine.shutdown().check_service()?)
    }
}
