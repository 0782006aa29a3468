//! Handles the requests of clients on the attach socket.

use std::time::Duration;

use onair_api::{Certificate, Direction, Problem, SessionId, SessionRef, Who};
use onair_dataplane::Runtime;
use onair_session::Event;
use onair_settings::access::authority::Caller;

use crate::engine::Engine;
use crate::inputs::{Admission, AttachAction, ConnectionId, NoPlace, Reservation};
use crate::services::reply::Reply;
use crate::session::attachment::{ClientProcess, Watched};
use crate::session::converted;
use crate::sessions::stale;
use crate::shares::Claim;

impl Engine {
    pub(crate) fn attach_action(&mut self, action: AttachAction) {
        match action {
            AttachAction::Create {
                caller,
                connection,
                session,
                reply,
            } => self.create(&caller, *session, Some(connection), reply),
            AttachAction::ListMembers {
                caller,
                group,
                reply,
            } => {
                let members = self.check_service();
                let members = members.and_then(|()| self.seen_by(&caller).to_attach(&group));
                reply.send(members);
            }
            AttachAction::Reserve {
                caller,
                session,
                layout,
                fills,
                reply,
            } => {
                let wanted = (layout.as_deref(), fills);
                reply.send(Ok(self.reserve(&caller, &session, wanted)));
            }
            AttachAction::Release { session } => {
                if let Some(mut session) = self.sessions.get_mut(session) {
                    session.places.unreserve();
                }
            }
            AttachAction::Admit {
                session,
                client,
                watched,
                reply,
            } => {
                reply.send(self.admit(session, *client, watched.map(|it| *it)));
            }
            AttachAction::Detach { connection, reply } => {
                match self.sessions.carried_by(connection) {
                    Some((id, number)) => {
                        self.request(id, reply, |it| Event::Detach(number, it));
                    }
                    // The session was destroyed: only the client's part of detaching is left.
                    None => {
                        reply.send(Ok(()));
                    }
                }
            }
            AttachAction::Flush {
                connection,
                wait,
                reply,
            } => {
                let found = self.sessions.attached_by(connection);
                if let Some(((id, _), reply)) = reply.or_refuse(found) {
                    self.request(id, reply, |it| Event::Flush(wait, it));
                }
            }
            AttachAction::Destroy {
                connection,
                who,
                wait,
                reply,
            } => self.destroy_own(connection, who, wait, reply),
            AttachAction::Abort {
                connection,
                who,
                reply,
            } => {
                if let Some(((id, _), reply)) = reply.or_refuse(self.sessions.owned_by(connection))
                {
                    self.abort(id, who, reply);
                }
            }
            AttachAction::Kick { connection } => self.client_event(connection, Event::Kicked),
            AttachAction::HungUp {
                connection,
                attached,
            } => {
                if let Some((id, number)) = self.sessions.carried_by(connection)
                    && let Some((mut session, _)) = self.with(id)
                {
                    session.connected.hung_up(number, attached);
                }
                self.client_event(connection, Event::HungUp);
                self.creator_gone(connection);
                self.services.sweep_soon();
            }
            AttachAction::ProcessEnded { connection } => {
                self.client_event(connection, Event::ProcessEnded);
                self.creator_gone(connection);
                self.services.sweep_soon();
            }
            AttachAction::Left { connection } => self.creator_gone(connection),
        }
    }

    /// Gives the event of an attachment's number to its session.
    fn client_event(
        &mut self,
        connection: ConnectionId,
        event: impl FnOnce(u64) -> Event<Runtime>,
    ) {
        if let Some((id, number)) = self.sessions.carried_by(connection) {
            self.handle(id, event(number));
        }
    }

    fn admit(
        &mut self,
        session: u64,
        client: ClientProcess,
        watched: Option<Watched>,
    ) -> Result<Admission, Problem> {
        let Some(mut session) = self.sessions.get_mut(session) else {
            return Err(stale(&SessionId(session).into()));
        };
        self.attachments += 1;
        session.admit(&mut self.services, self.attachments, client, watched)
    }

    /// A client destroys the session that it created: the session core adopts the stop that the client did itself,
    /// undoes it if it refuses the destroy, and refuses if there was none.
    fn destroy_own(
        &mut self,
        connection: ConnectionId,
        who: Who,
        wait: Option<Duration>,
        reply: Reply<Box<Certificate>>,
    ) {
        let Some(((id, number), reply)) = reply.or_refuse(self.sessions.owned_by(connection))
        else {
            return;
        };
        let stops = self.any(id).is_stopped_by(number);
        let now = self.services.machine.now();
        let wait = wait.map(|wait| (now + wait, wait));
        self.begin_destroy(id, who, wait, stops, reply);
    }

    fn reserve(
        &mut self,
        caller: &Caller,
        session: &SessionRef,
        (layout, fills): (Option<&str>, bool),
    ) -> Result<Reservation, NoPlace> {
        self.check_service()?;
        let id = self.seen_by(caller).find_for_client(session)?;
        self.services.machine.check_probe()?;
        let id = match layout {
            Some(layout) => self.seen_by(caller).in_layout(id, layout)?,
            None => id,
        };
        if self.sessions[id].spec.direction == Direction::Send {
            self.claim(Claim::Sender(caller.owner()))?;
        }
        let is_converter = converted::is_converter(&caller.who);
        let fills = fills && (self.sessions[id].spec.is_local() || is_converter);
        if fills {
            self.sessions[id].check_filler()?;
        }
        let mut session = self.sessions.get_mut(id).expect("just found");
        let reserved = session.reserve(&self.services, caller.owner(), fills, is_converter);
        reserved.map_err(|problem| {
            let (spec, core) = (&session.spec, &session.core);
            NoPlace {
                problem: Box::new(problem),
                // A client that is leaving still takes a place.
                waits: session.places.are_taken(spec, core, false) && core.clients().is_settling(),
            }
        })?;
        Ok(Reservation {
            session: id,
            watching: self.services.machine.watching(),
            takes_place: !is_converter,
        })
    }
}
