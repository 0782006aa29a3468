//! Carries events to the courses of the recordings, and out what they say of taps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use onair_api::RecordingEnd;
use onair_dataplane::Tap;

use super::Actor;
use crate::recorder::{Active, CourseEvent, Launched, RecorderEvent, Remainder, RunningRecording};
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
            } => self.recorder.not_launched(recording, &problem),
            RecorderEvent::Ended { recording, failure } => {
                let failure = failure.map(|failure| failure.to_string());
                self.course(recording, CourseEvent::Over(failure));
            }
            RecorderEvent::Pictured { snapshot, result } => self.pictured(snapshot, result),
            RecorderEvent::Found(views) => {
                views
                    .into_iter()
                    .for_each(|it| self.recorder.remember(None, it));
            }
        }
    }

    /// Gives an event to a recording's course, and does what follows.
    pub(crate) fn course(&mut self, id: u64, event: CourseEvent<Arc<Active>>) {
        for step in self.recorder.handle(id, event, &self.services.config) {
            match self.recorder.carry(id, step, &mut self.services.hub) {
                Some(Remainder::Event(event)) => self.course(id, event),
                Some(Remainder::FetchTap) => self.fetch_tap(id),
                None => {}
            }
        }
    }

    fn launched(&mut self, id: u64, launched: Launched) {
        let Launched { active, producer } = launched;
        let Some(session) = self.recorder.launched(id, &mut self.services.hub) else {
            return;
        };
        let has_session = match self.sessions.get_mut(session.0) {
            Some(mut it) => {
                it.tap(&mut self.services, Tap::new(id, producer));
                true
            }
            None => {
                drop(producer);
                false
            }
        };
        let launched = CourseEvent::Launched {
            active,
            has_session,
            is_shutdown: self.ending.has_begun(),
        };
        self.course(id, launched);
    }

    /// Takes a recording's tap if it is here, else asks for it. During shutdown a tap comes back with its session,
    /// after all that the session sends or receives, so that the manifest counts each packet.
    fn fetch_tap(&mut self, id: u64) {
        let Some(entry) = self.recorder.list.get(&id) else {
            return;
        };
        let ask = !self.ending.has_begun();
        let session = self.sessions.any_mut(entry.about.session.0);
        let untapped = session.map_or(Untapped::Nowhere, |mut it| {
            it.untap(&mut self.services, id, ask)
        });
        match untapped {
            Untapped::Awaited => {}
            // A tap is dropped on this thread, which may free memory.
            Untapped::Here(_) | Untapped::Nowhere => self.course(id, CourseEvent::Untapped),
        }
    }

    /// A tap came back from a poller.
    pub(crate) fn tap_back(&mut self, tap: Box<Tap>) {
        let id = tap.recording();
        // Dropped on this thread, which may free memory.
        drop(tap);
        self.snapshots.untapped(id);
        self.course(id, CourseEvent::Untapped);
    }

    /// A poller no longer had the session: it is here, or with a poller again.
    pub(crate) fn tap_refused(&mut self, session: u64, tap: Box<Tap>) {
        let id = tap.recording();
        match self.sessions.any_mut(session) {
            Some(mut session) => session.tap(&mut self.services, tap),
            None => drop(tap),
        }
        self.snapshot_tap_refused(id);
        self.course(id, CourseEvent::TapMoved);
    }

    /// A session was handed back, and its taps with it.
    pub(crate) fn taps_handed_back(&mut self, session: u64) {
        self.snapshot_taps_handed_back(session);
        let is_shutdown = self.ending.has_begun();
        for id in self.recorder.of_session(session) {
            self.course(id, CourseEvent::HandedBack { is_shutdown });
        }
    }

    /// A session is gone or quarantined.
    pub(crate) fn end_recordings_of(&mut self, session: u64) {
        for id in self.recorder.of_session(session) {
            self.course(id, CourseEvent::SessionGone);
        }
    }

    /// The daemon exits: no recording takes packets any more.
    pub(crate) fn end_recordings(&mut self) {
        for id in self.recorder.ids() {
            self.course(id, CourseEvent::End(RecordingEnd::Shutdown));
        }
    }

    /// Applies timeouts and limits to recordings.
    pub(crate) fn watch_recordings(&mut self, now: Instant) {
        let is_look = self.recorder.begin_look(now);
        for id in self.recorder.ids() {
            self.course(id, CourseEvent::Time { is_look });
        }
    }

    /// Tells each session which of its recordings do not keep all packets.
    pub(crate) fn note_degraded_recordings(&mut self) {
        let mut degraded: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        let all = self.recorder.list.values();
        let all = all.filter_map(|it| Some((it.about.session.0, RunningRecording::degraded(it)?)));
        for (session, detail) in all {
            degraded.entry(session).or_default().push(detail);
        }
        self.sessions.change_each(|session| {
            let its = degraded.remove(&session.id.0);
            session.note_degraded_recordings(its.unwrap_or_default());
        });
    }
}
