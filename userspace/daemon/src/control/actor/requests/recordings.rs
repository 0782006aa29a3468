//! Requests about recordings: start, list, stop.

use std::time::SystemTime;

use onair_api::{
    Problem, ProblemCode, RecordingList, RecordingRef, RecordingSpec, RecordingView, SessionRef,
    Timestamp,
};

use super::operators::shutting_down;
use crate::access::authority::Caller;
use crate::control::actor::Actor;
use crate::recorder::{About, Course, CourseEvent, Launch, RunningRecording, default_name};
use crate::services::reply::Reply;

impl Actor {
    /// Starts a recording; answers once it takes packets.
    pub(crate) fn record(
        &mut self,
        caller: &Caller,
        session: &SessionRef,
        spec: RecordingSpec,
        reply: Reply<RecordingView>,
    ) {
        let prepared = self.prepare(caller, session, spec);
        if let Some((launch, reply)) = reply.or_refuse(prepared) {
            self.launch(launch, caller, reply);
        }
    }

    fn prepare(
        &mut self,
        caller: &Caller,
        session: &SessionRef,
        spec: RecordingSpec,
    ) -> Result<Launch, Problem> {
        let id = self.find(caller, session)?;
        self.sessions[id].check_has_packets()?;
        if self.shutdown.is_shutting_down() {
            return Err(shutting_down());
        }
        self.check_recording(caller.owner())?;
        let config = &self.services.config.recorder;
        let session = &self.sessions[id];
        let name = match &spec.name {
            Some(name) if self.recorder.has_running(name) => {
                let detail = format!("a recording named {name} exists");
                return Err(Problem::new(ProblemCode::NameTaken, detail));
            }
            Some(name) => name.clone(),
            None => {
                let session = session.spec.name.as_str();
                default_name(session, SystemTime::now(), |it| self.recorder.has(it))
            }
        };
        Ok(Launch {
            about: About {
                id: self.recorder.next_id(),
                name,
                session: session.id,
                session_name: session.spec.name.clone(),
                format: spec.format,
            },
            session_spec: session.document(),
            producer: session.producer(),
            folder: self.recorder.folder.clone(),
            ring_bytes: usize::try_from(config.ring_mb << 20).unwrap_or(usize::MAX),
            min_free_bytes: config.min_free_mb << 20,
            timeout: config.finish(),
            spec,
        })
    }

    fn launch(&mut self, launch: Launch, caller: &Caller, reply: Reply<RecordingView>) {
        let about = launch.about.clone();
        let entry = RunningRecording {
            starter: caller.who.clone(),
            owner: self.sessions[about.session.0].owner.uid,
            started_at: Timestamp::now(),
            ended_at: None,
            course: Course::new(reply),
            about,
        };
        let id = entry.about.id.0;
        let recorder = &mut self.recorder;
        recorder.list.insert(id, entry);
        let begun = launch.begin(
            &recorder.live,
            &recorder.threads,
            &recorder.ready,
            &recorder.events,
        );
        if let Err(error) = begun {
            let detail = format!("cannot start a thread: {error}");
            self.not_launched(id, Problem::new(ProblemCode::DiskFailed, detail));
        }
    }

    pub(in crate::control::actor) fn not_launched(&mut self, id: u64, problem: Problem) {
        let Some(entry) = self.recorder.list.remove(&id) else {
            return;
        };
        tracing::warn!(recording = %entry.about.name, %problem, "not recorded");
        for reply in entry.course.refuse() {
            reply.send(Err(problem.clone()));
        }
    }

    /// Recordings of one session, or all.
    pub(crate) fn recordings(&self, session: Option<&SessionRef>) -> RecordingList {
        RecordingList {
            recordings: self.recorder.views(session),
        }
    }

    /// One recording.
    pub(crate) fn recording(
        &self,
        caller: &Caller,
        recording: &RecordingRef,
    ) -> Result<RecordingView, Problem> {
        let (id, owner) = self.recorder.find(recording)?;
        caller.require(owner)?;
        Ok(self.recorder.view(id).expect("just found"))
    }

    /// Ends a recording; answers once its files are complete.
    pub(crate) fn stop_recording(
        &mut self,
        caller: &Caller,
        recording: &RecordingRef,
        reply: Reply<RecordingView>,
    ) {
        let found = self.recorder.find(recording).and_then(|(id, owner)| {
            caller.require(owner)?;
            Ok(id)
        });
        let Some((id, reply)) = reply.or_refuse(found) else {
            return;
        };
        match self.recorder.list.contains_key(&id) {
            true => self.course(id, CourseEvent::Stop(reply)),
            // It has ended already.
            false => reply.send(Ok(self.recorder.view(id).expect("just found"))),
        }
    }
}
