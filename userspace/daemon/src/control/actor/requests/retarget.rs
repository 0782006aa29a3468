//! Gives sessions other addresses.

use crate::services::reply::Reply;
use onair_api::operations::RetargetSession;
use onair_api::{Problem, SessionSpec, SessionView};
use onair_dataplane::Runtime;

use crate::access::authority::Grant;
use crate::control::action::Asked;
use crate::control::actor::Actor;

impl Actor {
    pub(crate) fn retarget(&mut self, asked: Asked<RetargetSession>) {
        let found = self.find(&asked.caller, &asked.target);
        let wanted = found.and_then(|id| {
            let spec = asked.input.apply(&self.sessions[id].spec)?;
            self.check_retarget(id, &spec, asked.caller.attach)
                .map(|()| (id, spec))
        });
        let Some(((id, spec), reply)) = asked.reply.or_refuse(wanted) else {
            return;
        };
        let done = self
            .with(id)
            .and_then(|(mut session, services)| session.retarget(services, spec, reply));
        self.answer_retarget(id, done);
    }

    fn check_retarget(&self, id: u64, spec: &SessionSpec, seen: Grant) -> Result<(), Problem> {
        let id = self.not_ending(id)?;
        let session = &self.sessions[id];
        session.check_retarget(&self.services, spec)?;
        match self.listeners(spec).find(|it| it.id != session.id) {
            Some(other) => Err(other.has_the_flow(spec, seen)),
            None => Ok(()),
        }
    }

    /// A poller gave a session the addresses that it was to get.
    pub(crate) fn retargeted(&mut self, id: u64) {
        let done = self
            .with(id)
            .and_then(|(mut session, services)| session.retargeted(services));
        self.answer_retarget(id, done);
    }

    /// A poller gave `runtime` back, maybe without the addresses that it was to get.
    pub(crate) fn retarget_here(&mut self, runtime: &mut Runtime) {
        let id = runtime.session();
        let done = self
            .with(id)
            .and_then(|(mut session, services)| session.retarget_here(services, runtime));
        self.answer_retarget(id, done);
    }

    fn answer_retarget(&mut self, id: u64, done: Option<Reply<SessionView>>) {
        let Some(reply) = done else {
            return;
        };
        let reply = self.persist_flow(id, reply);
        if let Some((session, _)) = self.with(id) {
            reply.send(Ok(session.view()));
        }
    }
}
