//! Requests about recordings: start, list, stop.

use std::time::Instant;

use onair_api::{
    Problem, ProblemCode, RecordingEnd, RecordingList, RecordingName, RecordingRef, RecordingSpec,
    RecordingView, SessionRef, Timestamp,
};

use super::operators::shutting_down;
use crate::access::authority::Caller;
use crate::control::actor::Actor;
use crate::diagnostics::growth::Growth;
use crate::recorder::{About, Launch, Phase, RunningRecording};
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
            None => self.default_name(session.spec.name.as_str()),
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

    /// Session name and time, so that the files of one session sort in order.
    fn default_name(&self, session: &str) -> RecordingName {
        let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
        let digits: String = now.chars().filter(char::is_ascii_digit).collect();
        let (date, time) = digits.split_at(digits.len().min(8));
        // With the longest number of a second recording in the same second it has 63 characters.
        let session = &session[..session.len().min(40)];
        let plain = format!("{session}-{date}t{time}z");
        let numbered = (2..).map(|number| format!("{plain}-{number}"));
        let mut names = std::iter::once(plain.clone()).chain(numbered);
        names
            .find_map(|name| {
                let name: RecordingName = name.parse().ok()?;
                (!self.recorder.has(&name)).then_some(name)
            })
            .expect("there are fewer recordings than numbers")
    }

    fn launch(&mut self, launch: Launch, caller: &Caller, reply: Reply<RecordingView>) {
        let about = launch.about.clone();
        let entry = RunningRecording {
            starter: caller.who.clone(),
            owner: self.sessions[about.session.0].owner.uid,
            started_at: Timestamp::now(),
            ended_at: None,
            end: None,
            reason: None,
            ring_full: Growth::default(),
            stops: Vec::new(),
            phase: Phase::Starting {
                reply: Some(reply),
                end: None,
            },
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
        if let Phase::Starting {
            reply: Some(reply), ..
        } = entry.phase
        {
            reply.send(Err(problem.clone()));
        }
        for (_, stop) in entry.stops {
            stop.send(Err(problem.clone()));
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
        let until = Instant::now() + self.services.config.recorder.finish();
        let Some(entry) = self.recorder.list.get_mut(&id) else {
            // It has ended already.
            let view = self.recorder.view(id).expect("just found");
            reply.send(Ok(view));
            return;
        };
        entry.stops.push((until, reply));
        self.end_recording(id, RecordingEnd::Stopped);
    }
}
