//! Carries out the steps of recordings' lifecycles: files, events, answers. The steps that concern sessions are left to
//! [`crate::taps`].

use onair_api::{
    EventKind, Problem, ProblemCode, RecordingEnd, RecordingSpec, RecordingView, SessionId,
    Timestamp, Who,
};
use onair_record::{Manifest, Request};
use onair_settings::access::peer::has_no_share;
use onair_settings::config::ms;
use onair_settings::diagnostics::rate_limit::LinesOf;

use super::lifecycle::{LifecycleEvent, LifecycleLimits, LifecycleStep, RecordingLifecycle};
use super::list::{Active, Recorder, RunningRecording};
use super::naming;
use crate::events::Subject;
use crate::machine::{About, Launch};
use crate::services::Services;
use crate::services::reply::Reply;

/// The part of a step that the caller still has to do.
#[derive(Debug)]
pub enum Remainder {
    /// Give this event to the recording's lifecycle.
    Event(LifecycleEvent<Active>),
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
    /// It comes back after a restart, and its recordings go on.
    pub is_persistent: bool,
}

impl Recorder {
    /// Begins a recording for `starter`, which is answered once it takes packets. If it cannot be
    /// started, the answer says why.
    pub fn begin(
        &mut self,
        spec: RecordingSpec,
        of: Recorded,
        starter: Who,
        services: &mut Services,
        reply: Reply<RecordingView>,
    ) {
        let Recorded {
            subject,
            document,
            producer,
            is_persistent,
        } = of;
        let now = services.machine.clock().wall();
        let name = match &spec.name {
            Some(name) if self.has_running(name) => {
                let detail = format!("a recording named {name} exists");
                return reply.send(Err(Problem::new(ProblemCode::NameTaken, detail)));
            }
            Some(name) => name.clone(),
            None => {
                let session = subject.name.as_str();
                naming::default_name(session, now.0, |it| self.has(it))
            }
        };
        let about = About {
            id: self.next_id(),
            name,
            session: subject.session,
            session_name: subject.name,
            format: spec.format,
        };
        let request = Request {
            spec,
            starter,
            owner: subject.owner,
        };
        let entry = self.entry(about, &request, now, RecordingLifecycle::new(reply));
        let launch = Launch {
            request: is_persistent.then(|| request.clone()),
            ..launch(&entry, request.spec, (document, producer), services)
        };
        self.launch(entry, launch, services);
    }

    /// Goes on with a recording of an earlier daemon, whose session came back as `of`.
    pub fn go_on(
        &mut self,
        manifest: Box<Manifest>,
        request: Request,
        view: RecordingView,
        of: Recorded,
        services: &mut Services,
    ) {
        let about = About {
            id: view.id,
            name: view.name.clone(),
            session: of.subject.session,
            session_name: of.subject.name,
            format: view.format,
        };
        let lifecycle = RecordingLifecycle::new(Reply::unread());
        let mut entry = self.entry(about, &request, view.started_at, lifecycle);
        entry.before = Some(Box::new(view));
        // Readers of the files have one specification: that of the first ones.
        let label = manifest.session.as_ref();
        let document = label.map_or(of.document, |it| it.spec.clone());
        let launch = Launch {
            request: Some(request.clone()),
            continues: Some(manifest),
            ..launch(&entry, request.spec, (document, of.producer), services)
        };
        self.launch(entry, launch, services);
    }

    fn entry(
        &self,
        about: About,
        request: &Request,
        started_at: Timestamp,
        lifecycle: RecordingLifecycle<Active>,
    ) -> RunningRecording {
        let lines = LinesOf {
            uid: request.starter.uid,
            lines: self.lines.clone(),
        };
        RunningRecording {
            about,
            starter: request.starter.clone(),
            owner: request.owner,
            lines,
            started_at,
            ended_at: None,
            lifecycle,
            before: None,
        }
    }

    fn launch(&mut self, entry: RunningRecording, launch: Launch, services: &mut Services) {
        let id = entry.about.id.0;
        self.list.insert(id, entry);
        let begun = services.machine.recordings().launch(launch);
        if let Err(error) = begun {
            let detail = format!("cannot start a thread: {error}");
            let problem = Problem::new(ProblemCode::DiskFailed, detail);
            self.not_launched(id, &problem, services);
        }
    }

    /// A recording of an earlier daemon does not go on, for this cause, and not later either.
    pub fn conclude(
        &mut self,
        manifest: Box<Manifest>,
        view: RecordingView,
        cause: RecordingEnd,
        services: &mut Services,
    ) {
        tracing::warn!(
            recording = %view.name, session = %view.session_name, %cause,
            "a recording of an earlier daemon does not go on"
        );
        self.remember(None, view);
        let begun = services.machine.recordings().conclude(manifest, cause);
        if let Err(error) = begun {
            tracing::warn!(%error, "cannot start a thread: the next start looks at the recording again");
        }
    }

    /// A recording could not be started.
    pub fn not_launched(&mut self, id: u64, problem: &Problem, services: &mut Services) {
        let Some(mut entry) = self.list.remove(&id) else {
            return;
        };
        if let Some(mut view) = entry.before.take() {
            view.reason = Some(format!("it does not go on: {}", problem.detail));
            let ended = ended(&view);
            services.hub.publish(entry.subject(), ended);
            self.remember(Some(entry.owner), *view);
        }
        if let Some(more) = entry.lines.note() {
            tracing::warn!(recording = %entry.about.name, %problem, more, "not recorded");
        }
        for reply in entry.lifecycle.refuse() {
            reply.send(Err(problem.clone()));
        }
    }

    /// The files of a recording exist. Returns its session, which is to get the tap.
    pub fn launched(&mut self, id: u64, services: &mut Services) -> Option<SessionId> {
        let entry = self.list.get_mut(&id)?;
        let (recording, recording_name) = (entry.about.id, entry.about.name.clone());
        let started = match &entry.before {
            Some(before) => EventKind::RecordingContinued {
                recording,
                recording_name,
                cause: before.end.unwrap_or(RecordingEnd::Killed),
            },
            None => {
                entry.started_at = services.machine.clock().wall();
                EventKind::RecordingStarted {
                    recording,
                    recording_name,
                    format: entry.about.format,
                    requester: entry.starter.clone(),
                }
            }
        };
        services.hub.publish(entry.subject(), started);
        if let Some(more) = entry.lines.note() {
            tracing::info!(
                recording = %entry.about.name, session = %entry.about.session_name,
                format = %entry.about.format, more, "recording"
            );
        }
        self.look_at = services.machine.now();
        Some(entry.about.session)
    }

    /// Gives an event to a recording's lifecycle. Returns the steps, to be carried out in order.
    pub fn handle(
        &mut self,
        id: u64,
        event: LifecycleEvent<Active>,
        services: &Services,
    ) -> Vec<LifecycleStep<Active>> {
        let config = &services.config;
        let limits = LifecycleLimits {
            tap: ms(config.timeouts.quiesce_ms),
            finish: config.recorder.finish(),
        };
        let entry = self.list.get_mut(&id);
        entry.map_or_else(Vec::new, |it| {
            it.lifecycle.handle(event, services.machine.now(), limits)
        })
    }

    /// Carries out a step, as far as no session is concerned.
    pub fn carry(
        &mut self,
        id: u64,
        step: LifecycleStep<Active>,
        services: &mut Services,
    ) -> Option<Remainder> {
        let hub = &mut services.hub;
        let entry = self.list.get_mut(&id)?;
        let (recording, recording_name) = (entry.about.id, entry.about.name.clone());
        match step {
            LifecycleStep::Started(reply) => reply.send(Ok(entry.view(&self.folder))),
            LifecycleStep::End(why) => return Some(Remainder::Event(LifecycleEvent::End(why))),
            LifecycleStep::Cut(active) => {
                active.stop_accepting();
                entry.ended_at = Some(services.machine.clock().wall());
            }
            LifecycleStep::FetchTap => return Some(Remainder::FetchTap),
            LifecycleStep::Finish(active, why) => active.finish(why),
            LifecycleStep::Look(active) => {
                return Some(Remainder::Event(LifecycleEvent::Looked(active.look())));
            }
            LifecycleStep::LookForEnd(active) => {
                if active.is_over() {
                    return Some(Remainder::Event(LifecycleEvent::Over(active.failure())));
                }
            }
            LifecycleStep::Degraded(reason) => {
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
            LifecycleStep::Resumed => {
                if let Some(more) = entry.lines.note() {
                    tracing::info!(recording = %recording_name, more, "a recording goes on");
                }
                let resumed = EventKind::RecordingResumed {
                    recording,
                    recording_name,
                };
                hub.publish(entry.subject(), resumed);
            }
            LifecycleStep::Late(reply) => {
                let detail = format!(
                    "recording {recording_name} has ended, but its files are not complete yet"
                );
                reply.send(Err(Problem::new(ProblemCode::DeadlinePassed, detail)));
            }
            LifecycleStep::Ended(stops) => self.forget(id, stops, services),
        }
        None
    }

    fn forget(&mut self, id: u64, stops: Vec<Reply<RecordingView>>, services: &mut Services) {
        let Some(entry) = self.list.remove(&id) else {
            return;
        };
        let view = entry.view(&self.folder);
        services.machine.recordings().settle(&entry.about);
        services.hub.publish(entry.subject(), ended(&view));
        for reply in stops {
            reply.send(Ok(view.clone()));
        }
        self.remember(Some(entry.owner), view);
    }
}

/// Launches a recording. It takes nothing from an earlier daemon and leaves nothing for a later one.
fn launch(
    entry: &RunningRecording,
    spec: RecordingSpec,
    (session_spec, producer): (serde_json::Value, String),
    services: &Services,
) -> Launch {
    let recorder = &services.config.recorder;
    Launch {
        about: entry.about.clone(),
        lines: entry.lines.clone(),
        session_spec,
        producer,
        ring_bytes: usize::try_from(recorder.ring_mb << 20).unwrap_or(usize::MAX),
        min_free_bytes: recorder.min_free_bytes(has_no_share(entry.starter.uid)),
        timeout: recorder.finish(),
        spec,
        request: None,
        continues: None,
    }
}

fn ended(view: &RecordingView) -> EventKind {
    EventKind::RecordingEnded {
        recording: view.id,
        recording_name: view.name.clone(),
        state: view.state,
        end: view.end.unwrap_or(RecordingEnd::Stopped),
        reason: view.reason.clone(),
        counts: view.counts.clone(),
    }
}
