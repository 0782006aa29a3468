//! Does what the courses of recordings say: files, events, answers. What concerns the sessions is
//! left to their owner.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use onair_api::{
    EventKind, Problem, ProblemCode, RecordingEnd, RecordingSpec, RecordingView, SessionId,
    Timestamp, Who,
};
use onair_engine::events::{Hub, Subject};
use onair_engine::services::reply::Reply;
use onair_settings::access::peer::has_no_share;
use onair_settings::config::{Config, ms};
use onair_settings::diagnostics::rate_limit::LinesOf;

use super::active::{About, Active};
use super::course::{Course, CourseEvent, CourseLimits, CourseStep};
use super::launch::Launch;
use super::list::{Recorder, RunningRecording};
use super::{RecorderEvent, naming};

/// What is left to do of a step.
#[derive(Debug)]
pub enum Remainder {
    /// Give this event to the recording's course.
    Event(CourseEvent<Arc<Active>>),
    /// Take the recording's tap from its session, or ask for it.
    FetchTap,
}

/// The session to record.
#[derive(Debug)]
pub struct Recorded {
    /// The session, as the subject of events.
    pub subject: Subject,
    /// Its specification, for the manifest.
    pub document: serde_json::Value,
    /// Name of the producer: the port and the polling thread.
    pub producer: String,
}

impl Recorder {
    /// Begins a recording for `starter`, which is answered once it takes packets. If it cannot be
    /// started, the answer says why.
    pub fn begin(
        &mut self,
        spec: RecordingSpec,
        of: Recorded,
        starter: Who,
        config: &Config,
        reply: Reply<RecordingView>,
    ) {
        let Recorded {
            subject,
            document,
            producer,
        } = of;
        let name = match &spec.name {
            Some(name) if self.has_running(name) => {
                let detail = format!("a recording named {name} exists");
                return reply.send(Err(Problem::new(ProblemCode::NameTaken, detail)));
            }
            Some(name) => name.clone(),
            None => {
                let session = subject.name.as_str();
                naming::default_name(session, SystemTime::now(), |it| self.has(it))
            }
        };
        let about = About {
            id: self.next_id(),
            name,
            session: subject.session,
            session_name: subject.name,
            format: spec.format,
        };
        let id = about.id.0;
        let lines = LinesOf {
            uid: starter.uid,
            lines: self.lines.clone(),
        };
        let launch = Launch {
            about: about.clone(),
            lines: lines.clone(),
            session_spec: document,
            producer,
            folder: self.folder.clone(),
            ring_bytes: usize::try_from(config.recorder.ring_mb << 20).unwrap_or(usize::MAX),
            min_free_bytes: config.recorder.min_free_bytes(has_no_share(starter.uid)),
            timeout: config.recorder.finish(),
            spec,
        };
        let entry = RunningRecording {
            starter,
            lines,
            owner: subject.owner,
            started_at: Timestamp::now(),
            ended_at: None,
            course: Course::new(reply),
            about,
        };
        self.list.insert(id, entry);
        let begun = launch.begin(&self.live, &self.threads, &self.ready, &self.events);
        if let Err(error) = begun {
            let detail = format!("cannot start a thread: {error}");
            self.not_launched(id, &Problem::new(ProblemCode::DiskFailed, detail));
        }
    }

    /// A recording could not be started.
    pub fn not_launched(&mut self, id: u64, problem: &Problem) {
        let Some(entry) = self.list.remove(&id) else {
            return;
        };
        if let Some(more) = entry.lines.note() {
            tracing::warn!(recording = %entry.about.name, %problem, more, "not recorded");
        }
        for reply in entry.course.refuse() {
            reply.send(Err(problem.clone()));
        }
    }

    /// The files of a recording exist. Returns its session, which is to get the tap.
    pub fn launched(&mut self, id: u64, hub: &mut Hub) -> Option<SessionId> {
        let entry = self.list.get_mut(&id)?;
        entry.started_at = Timestamp::now();
        let started = EventKind::RecordingStarted {
            recording: entry.about.id,
            recording_name: entry.about.name.clone(),
            format: entry.about.format,
            requester: entry.starter.clone(),
        };
        hub.publish(entry.subject(), started);
        if let Some(more) = entry.lines.note() {
            tracing::info!(
                recording = %entry.about.name, session = %entry.about.session_name,
                format = %entry.about.format, more, "recording"
            );
        }
        self.look_at = Instant::now();
        Some(entry.about.session)
    }

    /// Gives an event to a recording's course. Returns the steps, to be carried out in order.
    pub fn handle(
        &mut self,
        id: u64,
        event: CourseEvent<Arc<Active>>,
        config: &Config,
    ) -> Vec<CourseStep<Arc<Active>>> {
        let limits = CourseLimits {
            tap: ms(config.timeouts.quiesce_ms),
            finish: config.recorder.finish(),
        };
        let entry = self.list.get_mut(&id);
        entry.map_or_else(Vec::new, |it| {
            it.course.handle(event, Instant::now(), limits)
        })
    }

    /// Carries out a step, as far as no session is concerned.
    pub fn carry(
        &mut self,
        id: u64,
        step: CourseStep<Arc<Active>>,
        hub: &mut Hub,
    ) -> Option<Remainder> {
        let entry = self.list.get_mut(&id)?;
        let (recording, recording_name) = (entry.about.id, entry.about.name.clone());
        match step {
            CourseStep::Started(reply) => reply.send(Ok(entry.view(&self.folder))),
            CourseStep::End(why) => return Some(Remainder::Event(CourseEvent::End(why))),
            CourseStep::Cut(active) => {
                active.stop_accepting();
                entry.ended_at = Some(Timestamp::now());
            }
            CourseStep::FetchTap => return Some(Remainder::FetchTap),
            CourseStep::Finish(active, why) => {
                let events = self.events.clone();
                active.finish(why, move |failure| {
                    // A control thread that has ended needs no message.
                    let recording = id;
                    let _ = events.send(RecorderEvent::Ended { recording, failure });
                });
            }
            CourseStep::Look(active) => {
                return Some(Remainder::Event(CourseEvent::Looked(active.look())));
            }
            CourseStep::LookForEnd(active) => {
                if active.is_over() {
                    let failure = active.failure().map(|failure| failure.to_string());
                    return Some(Remainder::Event(CourseEvent::Over(failure)));
                }
            }
            CourseStep::Degraded(reason) => {
                if let Some(more) = entry.lines.note() {
                    tracing::warn!(recording = %recording_name, reason, more, "a recording is degraded");
                }
                let degraded = EventKind::RecordingDegraded {
                    recording,
                    recording_name,
                    reason,
                };
                hub.publish(entry.subject(), degraded);
            }
            CourseStep::Resumed => {
                if let Some(more) = entry.lines.note() {
                    tracing::info!(recording = %recording_name, more, "a recording goes on");
                }
                let resumed = EventKind::RecordingResumed {
                    recording,
                    recording_name,
                };
                hub.publish(entry.subject(), resumed);
            }
            CourseStep::Late(reply) => {
                let detail = format!(
                    "recording {recording_name} has ended, but its files are not complete yet"
                );
                reply.send(Err(Problem::new(ProblemCode::DeadlinePassed, detail)));
            }
            CourseStep::Ended(stops) => self.forget(id, stops, hub),
        }
        None
    }

    fn forget(&mut self, id: u64, stops: Vec<Reply<RecordingView>>, hub: &mut Hub) {
        let Some(entry) = self.list.remove(&id) else {
            return;
        };
        let view = entry.view(&self.folder);
        if let Some(active) = entry.active() {
            self.settle(active);
        }
        let ended = EventKind::RecordingEnded {
            recording: view.id,
            recording_name: view.name.clone(),
            state: view.state,
            end: view.end.unwrap_or(RecordingEnd::Stopped),
            reason: view.reason.clone(),
            counts: view.counts.clone(),
        };
        hub.publish(entry.subject(), ended);
        for reply in stops {
            reply.send(Ok(view.clone()));
        }
        self.remember(Some(entry.owner), view);
    }
}
