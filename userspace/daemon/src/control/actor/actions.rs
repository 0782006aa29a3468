//! Handles each request of an operator on the control socket, and answers it.

use onair_session::{Answer, Event};
use onair_types::{Problem, ProblemCode, SessionList};

use super::Actor;
use crate::control::action::Action;
use crate::session::Session;

impl Actor {
    pub(super) fn action(&mut self, action: Action) {
        // A requester that is gone needs no answer: every `send` below may fail for that reason.
        match action {
            Action::Create {
                caller,
                spec,
                reply,
            } => self.create(&caller, *spec, None, reply),
            Action::List { reply } => {
                let all = self.sessions.values().chain(self.quarantined.values());
                let mut sessions: Vec<_> = all.map(Session::view).collect();
                sessions.sort_by_key(|it| it.id);
                reply.send(Ok(SessionList { sessions }));
            }
            Action::Show {
                caller,
                session,
                reply,
            } => {
                let found = self.find_any(&caller, &session);
                reply.send(found.map(|id| self.any(id).view()));
            }
            Action::Stop {
                caller,
                session,
                reply,
            } => match self.find(&caller, &session) {
                Ok(id) => {
                    let reply = self.persist_desired_state(id, false, reply);
                    self.handle(id, Event::Stop);
                    let view = self.sessions.get(&id).map(Session::view);
                    self.handle(id, Event::Examine);
                    let gone = || Problem::new(ProblemCode::StaleSession, "destroyed meanwhile");
                    reply.send(view.ok_or_else(gone));
                }
                Err(problem) => {
                    reply.send(Err(problem));
                }
            },
            Action::Start {
                caller,
                session,
                reply,
            } => match self
                .find(&caller, &session)
                .and_then(|id| self.not_ending(id))
            {
                Ok(id) => {
                    let reply = self.persist_desired_state(id, true, reply);
                    self.handle(id, Event::Start(reply));
                }
                Err(problem) => {
                    reply.send(Err(problem));
                }
            },
            Action::Destroy {
                caller,
                session,
                reply,
            } => self.destroy(&caller, &session, None, reply),
            Action::DestroyWait {
                caller,
                session,
                deadline,
                deadline_ms,
                reply,
            } => self.destroy(&caller, &session, Some((deadline, deadline_ms)), reply),
            Action::Flush {
                caller,
                session,
                wait,
                reply,
            } => match self.find(&caller, &session) {
                Ok(id) => self.handle(id, Event::Flush(wait, reply)),
                Err(problem) => {
                    reply.send(Err(problem));
                }
            },
            Action::Evict {
                caller,
                session,
                attachment,
                reply,
            } => self.evict(&caller, &session, Some(attachment), Answer::One(reply)),
            Action::EvictAll {
                caller,
                session,
                reply,
            } => self.evict(&caller, &session, None, Answer::All(reply)),
            Action::Abort {
                caller,
                session,
                reply,
            } => self.abort(&caller, &session, reply),
            Action::Quarantine {
                caller,
                session,
                reply,
            } => self.quarantine(&caller, &session, reply),
            Action::Record {
                caller,
                session,
                spec,
                reply,
            } => self.record(&caller, &session, *spec, reply),
            Action::Recordings { session, reply } => {
                reply.send(Ok(self.recordings(session.as_ref())));
            }
            Action::Recording {
                caller,
                recording,
                reply,
            } => {
                reply.send(self.recording(&caller, &recording));
            }
            Action::StopRecording {
                caller,
                recording,
                reply,
            } => self.stop_recording(&caller, &recording, reply),
            Action::Blockers {
                caller,
                session,
                reply,
            } => match self.find_any(&caller, &session) {
                Ok(id) => self.list_blockers(id, reply),
                Err(problem) => {
                    reply.send(Err(problem));
                }
            },
            Action::Verdict {
                caller,
                session,
                reply,
            } => match self.find_any(&caller, &session) {
                Ok(id) => self.handle(id, Event::Verdict(reply)),
                Err(problem) => {
                    reply.send(Err(problem));
                }
            },
            Action::Certificate {
                caller,
                session,
                reply,
            } => {
                reply.send(self.certificate(&caller, &session));
            }
            Action::Certificates { query, reply } => {
                reply.send(Ok(self.services.archive.list(&query)));
            }
            Action::Subscribe {
                caller,
                session,
                kinds,
                after,
                reply,
            } => {
                reply.send(self.subscribe(&caller, session, kinds, after));
            }
            Action::Metrics { reply } => {
                reply.send(Ok(self.metrics()));
            }
            Action::Config { reply } => {
                reply.send(Ok(Box::new(self.active_config())));
            }
            Action::Reload { loaded, reply } => {
                reply.send(Ok(Box::new(self.reload(loaded))));
            }
            Action::Health { reply } => {
                reply.send(Ok(Box::new(self.health())));
            }
        }
    }
}
