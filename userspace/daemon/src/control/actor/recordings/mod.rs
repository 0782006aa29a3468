//! The course of a recording: it takes packets, is cut, and ends, by request or with its session.

mod watch;

use std::time::Instant;

use onair_api::{EventKind, RecordingEnd, RecordingState, Timestamp};
use onair_dataplane::Tap;

use super::Actor;
use crate::config::ms;
use crate::recorder::{Launched, Phase, RecorderEvent, RecordingFailure};
use crate::session::Untapped;

impl Actor {
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
        if self.ending.has_begun() {
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
        let ask = !self.ending.has_begun();
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
            if self.ending.has_begun() {
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
}
