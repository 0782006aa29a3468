//! Recordings: starts, watches and ends them, on request and with their sessions.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use onair_api::{
    EventKind, Problem, ProblemCode, RecordingEnd, RecordingList, RecordingName, RecordingRef,
    RecordingSpec, RecordingState, RecordingView, SessionRef, Timestamp,
};
use onair_dataplane::Tap;

use super::operators::shutting_down;
use crate::access::authority::Caller;
use crate::config::ms;
use crate::control::actor::Actor;
use crate::diagnostics::growth::Growth;
use crate::recorder::{
    About, Launch, Launched, Phase, RecorderEvent, RecordingFailure, RunningRecording,
};
use crate::session::Untapped;
use onair_session::Reply;

/// Pause between two checks of running recordings: degraded, or at their own end.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// Why a recording is degraded that drops packets while its disk works.
const TOO_SLOW: &str = "packets come faster than they are written: use a faster disk, a larger \
    recorder.ring_mb, or a snap length";

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

    fn not_launched(&mut self, id: u64, problem: Problem) {
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

    /// Handles an event from a thread of the recorder.
    pub(crate) fn recorder_event(&mut self, event: RecorderEvent) {
        match event {
            RecorderEvent::Launched {
                recording,
                result: Ok(launched),
            } => self.launched(recording, *launched),
            RecorderEvent::Launched {
                recording,
                result: Err(problem),
            } => self.not_launched(recording, *problem),
            RecorderEvent::Ended { recording, failure } => self.recording_over(recording, failure),
            RecorderEvent::Pictured { snapshot, result } => self.pictured(snapshot, result),
            RecorderEvent::Found(views) => {
                views
                    .into_iter()
                    .for_each(|it| self.recorder.remember(None, it));
            }
        }
    }

    fn launched(&mut self, id: u64, launched: Launched) {
        let Launched { active, producer } = launched;
        let Some(entry) = self.recorder.list.get_mut(&id) else {
            return;
        };
        entry.started_at = Timestamp::now();
        let before = std::mem::replace(&mut entry.phase, Phase::Running(active));
        let session = entry.about.session.0;
        let started = EventKind::RecordingStarted {
            recording: entry.about.id,
            recording_name: entry.about.name.clone(),
            format: entry.about.format,
            requester: entry.starter.clone(),
        };
        self.services.hub.publish(entry.subject(), started);
        tracing::info!(
            recording = %entry.about.name, session = %entry.about.session_name,
            format = %entry.about.format, "recording"
        );
        let mut end = None;
        if let Some(mut session) = self.sessions.get_mut(session) {
            session.tap(&mut self.services, Tap::new(id, producer));
        } else {
            drop(producer);
            end = Some(RecordingEnd::SessionEnded);
        }
        if let Phase::Starting { reply, end: asked } = before {
            end = asked.or(end);
            if let (Some(reply), Some(view)) = (reply, self.recorder.view(id)) {
                reply.send(Ok(view));
            }
        }
        if self.ending.is_some() {
            end = Some(RecordingEnd::Shutdown);
        }
        self.recorder.look_at = Instant::now();
        if let Some(end) = end {
            self.end_recording(id, end);
        }
    }

    /// Ends a recording: from here on it takes no packets. The first reason counts.
    pub(crate) fn end_recording(&mut self, id: u64, why: RecordingEnd) {
        let Some(entry) = self.recorder.list.get_mut(&id) else {
            return;
        };
        let active = match &mut entry.phase {
            Phase::Starting { end, .. } => {
                end.get_or_insert(why);
                return;
            }
            Phase::Running(active) => active.clone(),
            Phase::Cut { .. } | Phase::Finishing(_) => return,
        };
        active.stop_accepting();
        entry.end = Some(why);
        entry.ended_at = Some(Timestamp::now());
        let until = Instant::now() + ms(self.services.config.timeouts.quiesce_ms);
        entry.phase = Phase::Cut { active, until };
        self.fetch_tap(id);
    }

    /// Takes the tap of a cut recording if it is here, and starts finishing the recording. During
    /// shutdown a tap comes back with its session, after all that the session sends or receives, so
    /// that the manifest counts each packet.
    fn fetch_tap(&mut self, id: u64) {
        let Some(entry) = self.recorder.list.get(&id) else {
            return;
        };
        if !matches!(entry.phase, Phase::Cut { .. }) {
            return;
        }
        let session = entry.about.session.0;
        let ask = self.ending.is_none();
        let session = self.sessions.any_mut(session);
        let untapped = session.map_or(Untapped::Nowhere, |mut it| {
            it.untap(&mut self.services, id, ask)
        });
        match untapped {
            // Dropped on this thread, which may free memory.
            Untapped::Here(tap) => {
                drop(tap);
                self.finish_recording(id);
            }
            Untapped::Nowhere => self.finish_recording(id),
            Untapped::Awaited => {}
        }
    }

    fn finish_recording(&mut self, id: u64) {
        let Some(entry) = self.recorder.list.get_mut(&id) else {
            return;
        };
        let Phase::Cut { active, .. } = &entry.phase else {
            return;
        };
        let (active, why) = (active.clone(), entry.end);
        entry.phase = Phase::Finishing(active.clone());
        let events = self.recorder.events.clone();
        active.finish(why.unwrap_or(RecordingEnd::Stopped), move |failure| {
            // A control thread that has ended needs no message.
            let recording = id;
            let _ = events.send(RecorderEvent::Ended { recording, failure });
        });
    }

    fn recording_over(&mut self, id: u64, failure: Option<RecordingFailure>) {
        let failure = failure.map(|failure| failure.to_string());
        let Some(entry) = self.recorder.list.get_mut(&id) else {
            return;
        };
        let Phase::Finishing(active) = &entry.phase else {
            return;
        };
        let active = active.clone();
        entry.reason.clone_from(&failure);
        self.recorder.settle(&active);
        let Some(mut view) = self.recorder.view(id) else {
            return;
        };
        view.state = match &failure {
            Some(_) => RecordingState::Failed,
            None => RecordingState::Finished,
        };
        view.reason = failure;
        let Some(entry) = self.recorder.list.remove(&id) else {
            return;
        };
        let ended = EventKind::RecordingEnded {
            recording: view.id,
            recording_name: view.name.clone(),
            state: view.state,
            end: view.end.unwrap_or(RecordingEnd::Stopped),
            reason: view.reason.clone(),
            counts: view.counts.clone(),
        };
        self.services.hub.publish(entry.subject(), ended);
        for (_, reply) in entry.stops {
            reply.send(Ok(view.clone()));
        }
        self.recorder.remember(Some(entry.owner), view);
    }

    /// A tap came back from a poller.
    pub(crate) fn tap_back(&mut self, tap: Box<Tap>) {
        let id = tap.recording();
        // Dropped on this thread, which may free memory.
        drop(tap);
        self.snapshots.tapped_no_more(id);
        self.finish_recording(id);
    }

    /// A poller no longer had the session: it is here, or with a poller again.
    pub(crate) fn tap_refused(&mut self, session: u64, tap: Box<Tap>) {
        let id = tap.recording();
        match self.sessions.any_mut(session) {
            Some(mut session) => session.tap(&mut self.services, tap),
            None => drop(tap),
        }
        self.snapshot_tap_refused(id);
        self.fetch_tap(id);
    }

    /// A session was handed back, and its taps with it.
    pub(crate) fn taps_handed_back(&mut self, session: u64) {
        self.snapshot_taps_handed_back(session);
        for id in self.recorder.of_session(session) {
            if self.ending.is_some() {
                self.end_recording(id, RecordingEnd::Shutdown);
            }
            self.fetch_tap(id);
        }
    }

    /// A session is gone or quarantined.
    pub(crate) fn end_recordings_of(&mut self, session: u64) {
        for id in self.recorder.of_session(session) {
            self.end_recording(id, RecordingEnd::SessionEnded);
            self.fetch_tap(id);
        }
    }

    /// The daemon exits: no recording takes packets any more.
    pub(crate) fn end_recordings(&mut self) {
        let all: Vec<u64> = self.recorder.list.keys().copied().collect();
        for id in all {
            self.end_recording(id, RecordingEnd::Shutdown);
        }
    }

    /// Applies timeouts and limits to recordings.
    pub(crate) fn watch_recordings(&mut self, now: Instant) {
        let ids: Vec<u64> = self.recorder.list.keys().copied().collect();
        let is_look = self.recorder.look_at <= now;
        for id in ids {
            self.expire_stops(id, now);
            match &self.recorder.list[&id].phase {
                Phase::Running(_) if is_look => self.look_at_recording(id, now),
                // Its message was lost with the thread that had it.
                Phase::Finishing(active) if is_look && active.is_over() => {
                    let failure = active.failure();
                    self.recording_over(id, failure);
                }
                // Its poller does not answer: its counts end with what is known.
                Phase::Cut { until, .. } if *until <= now => self.finish_recording(id),
                _ => {}
            }
        }
        if is_look {
            self.recorder.look_at = now + LOOK_PAUSE;
        }
    }

    /// Publishes when it becomes degraded and when it recovers, and ends it if it has reached its
    /// end.
    fn look_at_recording(&mut self, id: u64, now: Instant) {
        let Some(entry) = self.recorder.list.get_mut(&id) else {
            return;
        };
        let Some(active) = entry.active() else { return };
        let look = active.look();
        let drops = entry.ring_full.lasts(look.ring_full, now);
        let too_slow = (drops && look.end.is_none()).then(|| TOO_SLOW.to_owned());
        let reason = look.reason.or(too_slow);
        let (recording, recording_name) = (entry.about.id, entry.about.name.clone());
        let kind = match (&entry.reason, &reason) {
            (before, Some(reason)) if before.as_ref() != Some(reason) => {
                tracing::warn!(recording = %entry.about.name, reason, "a recording is degraded");
                Some(EventKind::RecordingDegraded {
                    recording,
                    recording_name,
                    reason: reason.clone(),
                })
            }
            (Some(_), None) => {
                tracing::info!(recording = %entry.about.name, "a recording goes on");
                Some(EventKind::RecordingResumed {
                    recording,
                    recording_name,
                })
            }
            _ => None,
        };
        entry.reason = reason;
        if let Some(kind) = kind {
            self.services.hub.publish(entry.subject(), kind);
        }
        if let Some(end) = look.end {
            self.end_recording(id, end);
        }
    }

    /// Tells each session which of its recordings do not keep all packets.
    pub(crate) fn note_degraded_recordings(&mut self) {
        let mut degraded: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for entry in self.recorder.list.values() {
            if let Some(detail) = entry.degraded() {
                let session = entry.about.session.0;
                degraded.entry(session).or_default().push(detail);
            }
        }
        self.sessions.change_each(|session| {
            let its = degraded.remove(&session.id.0);
            session.note_degraded_recordings(its.unwrap_or_default());
        });
    }

    fn expire_stops(&mut self, id: u64, now: Instant) {
        let Some(entry) = self.recorder.list.get_mut(&id) else {
            return;
        };
        let late = |(until, _): &mut (Instant, _)| *until <= now;
        for (_, reply) in entry.stops.extract_if(.., late) {
            let detail = format!(
                "recording {} has ended, but its files are not complete yet",
                entry.about.name
            );
            reply.send(Err(Problem::new(ProblemCode::DeadlinePassed, detail)));
        }
    }
}
