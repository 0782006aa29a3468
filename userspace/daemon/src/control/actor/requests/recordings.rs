//! Requests about recordings: start, stop.

use onair_api::operations::{StartRecording, StopRecording};

use crate::control::action::Asked;
use crate::control::actor::Actor;
use crate::recorder::{CourseEvent, Recorded};
use crate::shares::Claim;

impl Actor {
    /// Starts a recording; answers once it takes packets.
    pub(crate) fn start_recording(&mut self, id: u64, asked: Asked<StartRecording>) {
        let claimed = self.claim(Claim::Recording(asked.caller.owner()));
        let Some(((), reply)) = asked.reply.or_refuse(claimed) else {
            return;
        };
        let session = &self.sessions[id];
        let of = Recorded {
            subject: session.subject(),
            document: session.document(),
            producer: session.producer(),
        };
        let (spec, config) = (*asked.input, &self.services.config);
        self.recorder
            .begin(spec, of, asked.caller.who, config, reply);
    }

    /// Ends a recording; answers once its files are complete.
    pub(crate) fn stop_recording(&mut self, asked: Asked<StopRecording>) {
        let found = self.find_recording(&asked.caller, &asked.target);
        let Some((id, reply)) = asked.reply.or_refuse(found) else {
            return;
        };
        match self.recorder.list.contains_key(&id) {
            true => self.course(id, CourseEvent::Stop(reply)),
            // It has ended already.
            false => reply.send(Ok(self.recorder.view(id).expect("just found"))),
        }
    }
}
