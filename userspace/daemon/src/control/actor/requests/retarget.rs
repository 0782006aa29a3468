//! Gives sessions other addresses.

use onair_api::operations::RetargetSession;
use onair_api::{Problem, SessionSpec, SessionView};
use onair_dataplane::Runtime;

use crate::control::action::Asked;
use crate::control::actor::Actor;
use crate::services::reply::Reply;

impl Actor {
    pub(crate) fn retarget(&mut self, id: u64, asked: Asked<RetargetSession>) {
        let spec = self.retarget_spec(id, &asked);
        if let Some((spec, reply)) = asked.reply.or_refuse(spec) {
            let done = self
                .with(id)
                .and_then(|(mut session, services)| session.retarget(services, spec, reply));
            self.answer_retarget(id, done);
        }
    }

    fn retarget_spec(
        &self,
        id: u64,
        asked: &Asked<RetargetSession>,
    ) -> Result<SessionSpec, Problem> {
        let session = &self.sessions[id];
        let spec = asked.input.apply(&session.spec)?;
        self.check_service()?;
        session.check_retarget(&self.services, &spec)?;
        self.check_flow(&spec, asked.caller.attach, Some(id))?;
        Ok(spec)
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
        if let Some(reply) = done {
            let reply = self.persist_flow(id, reply);
            if let Some((session, _)) = self.with(id) {
                reply.send(Ok(session.view()));
            }
        }
    }
}
