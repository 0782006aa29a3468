//! The recordings that the control thread knows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use onair_types::{
    Problem, ProblemCode, RecordingEnd, RecordingId, RecordingName, RecordingRef, RecordingState,
    RecordingView, SessionId, SessionName, SessionRef, Timestamp, Who,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::live::{About, Active, Live, worker_name};
use super::{RecorderEvent, convert, startup};
use crate::events::Subject;
use crate::reply::Reply;
use crate::shutdown::ThreadRegistry;

/// Recordings that have ended and are remembered; the oldest are forgotten first. Their files stay.
const REMEMBERED: usize = 1000;

/// Where a recording stands, for the control thread.
#[derive(Debug)]
pub enum Phase {
    /// Its files are being made.
    Starting {
        /// Who waits for that.
        reply: Option<Reply<RecordingView>>,
        /// Why it ends as soon as they are made.
        end: Option<RecordingEnd>,
    },
    /// It takes packets.
    Running(Arc<Active>),
    /// It takes nothing more, and its session's tap is awaited, so that its books are final.
    Cut {
        /// It.
        active: Arc<Active>,
        /// Until when.
        until: Instant,
    },
    /// The rest is on its way to the disk.
    Finishing(Arc<Active>),
}

/// A recording that has ended.
#[derive(Debug)]
pub struct Ended {
    /// The uid whose session it recorded; `None`: of an earlier daemon.
    pub owner: Option<u32>,
    /// As the API shows it.
    pub view: RecordingView,
}

/// A recording that has not ended.
#[derive(Debug)]
pub struct Entry {
    /// Which it is.
    pub about: About,
    /// Who started it.
    pub starter: Who,
    /// The uid whose session it records.
    pub owner: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it took the last packet.
    pub ended_at: Option<Timestamp>,
    /// Why it ends.
    pub end: Option<RecordingEnd>,
    /// What kept it from writing when it was last looked at.
    pub reason: Option<String>,
    /// Who waits for its end, and until when.
    pub stops: Vec<(Instant, Reply<RecordingView>)>,
    /// Where it stands.
    pub phase: Phase,
}

impl Entry {
    /// The recording, while there is one.
    #[must_use]
    pub fn active(&self) -> Option<&Arc<Active>> {
        match &self.phase {
            Phase::Running(active) | Phase::Cut { active, .. } | Phase::Finishing(active) => {
                Some(active)
            }
            Phase::Starting { .. } => None,
        }
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> RecordingState {
        match &self.phase {
            Phase::Starting { .. } => RecordingState::Starting,
            Phase::Running(_) if self.reason.is_some() => RecordingState::Degraded,
            Phase::Running(_) => RecordingState::Recording,
            Phase::Cut { .. } | Phase::Finishing(_) => RecordingState::Finishing,
        }
    }

    /// Those who are told of it: who may see its session.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        Some(Subject {
            session: self.about.session,
            name: self.about.session_name.clone(),
            owner: self.owner,
        })
    }
}

/// The recordings of the control thread, and what it needs to start and to end them.
#[derive(Debug)]
pub struct Recorder {
    /// Those that have not ended, by id: each takes one of the places of `recorder.max_recordings`.
    pub list: BTreeMap<u64, Entry>,
    /// Those that have ended and are remembered, by id.
    pub ended: BTreeMap<u64, Ended>,
    /// Those that the daemon's end sees.
    pub live: Live,
    /// The daemon's workers.
    pub threads: ThreadRegistry,
    /// Folder of the files.
    pub folder: PathBuf,
    /// Locked while the folder is looked through.
    pub ready: Arc<Mutex<()>>,
    /// What its threads say, for who sends it.
    pub news: UnboundedSender<RecorderEvent>,
    /// When the recordings that run are looked at.
    pub look_at: Instant,
    heard: Option<UnboundedReceiver<RecorderEvent>>,
    incarnation: u32,
    counter: u32,
}

impl Recorder {
    /// One without recordings.
    #[must_use]
    pub fn new(folder: PathBuf, live: Live, threads: ThreadRegistry, incarnation: u32) -> Self {
        let (news, heard) = unbounded_channel();
        Self {
            list: BTreeMap::new(),
            ended: BTreeMap::new(),
            live,
            threads,
            folder,
            ready: Arc::default(),
            news,
            look_at: Instant::now(),
            heard: Some(heard),
            incarnation,
            counter: 0,
        }
    }

    /// Has the folder looked through; recordings that are started meanwhile wait for it.
    ///
    /// # Errors
    /// No thread.
    pub fn look_through(&self) -> std::io::Result<()> {
        let folder = self.folder.clone();
        startup::look_through(folder, &self.threads, &self.ready, &self.news)
    }

    /// What its threads say, for who listens; once.
    pub fn take_heard(&mut self) -> Option<UnboundedReceiver<RecorderEvent>> {
        self.heard.take()
    }

    /// An id that none had.
    pub fn next_id(&mut self) -> RecordingId {
        self.counter += 1;
        RecordingId::new(self.incarnation, self.counter)
    }

    /// Whether one that has not ended has this name.
    #[must_use]
    pub fn has_running(&self, name: &RecordingName) -> bool {
        self.list.values().any(|it| it.about.name == *name)
    }

    /// Whether one that is known has this name.
    #[must_use]
    pub fn has(&self, name: &RecordingName) -> bool {
        self.has_running(name) || self.ended.values().any(|it| it.view.name == *name)
    }

    /// The id of the recording that is meant, and whose session it is of: by name the last one.
    ///
    /// # Errors
    /// `no_such_recording`.
    pub fn find(&self, recording: &RecordingRef) -> Result<(u64, Option<u32>), Problem> {
        let running = self.list.iter().map(|(id, it)| {
            let key = (true, it.started_at, *id);
            (key, &it.about.name, Some(it.owner))
        });
        let ended = self.ended.iter().map(|(id, it)| {
            let key = (false, it.view.started_at, *id);
            (key, &it.view.name, it.owner)
        });
        let meant = running
            .chain(ended)
            .filter(|((_, _, id), name, _)| match recording {
                RecordingRef::Id(wanted) => wanted.0 == *id,
                RecordingRef::Name(wanted) => wanted == *name,
            });
        let found = meant.max_by_key(|(key, _, _)| *key);
        let found = found.map(|((_, _, id), _, owner)| (id, owner));
        found.ok_or_else(|| {
            Problem::new(
                ProblemCode::NoSuchRecording,
                format!("no recording is called {recording}"),
            )
        })
    }

    /// Recordings of `session`, or all, oldest first.
    #[must_use]
    pub fn views(&self, session: Option<&SessionRef>) -> Vec<RecordingView> {
        let is_meant = |id: SessionId, name: &SessionName| match session {
            None => true,
            Some(SessionRef::Id(wanted)) => id == *wanted,
            Some(SessionRef::Name(wanted)) => name == wanted,
        };
        let running = self.list.values();
        let running = running.filter(|it| is_meant(it.about.session, &it.about.session_name));
        let ended = self.ended.values().map(|it| &it.view);
        let ended = ended.filter(|it| is_meant(it.session, &it.session_name));
        let mut views: Vec<_> = running.map(|it| convert::view(it, &self.folder)).collect();
        views.extend(ended.cloned());
        views.sort_by_key(|it| (it.started_at, it.id));
        views
    }

    /// One, as the API shows it.
    #[must_use]
    pub fn view(&self, id: u64) -> Option<RecordingView> {
        let running = self.list.get(&id);
        let running = running.map(|entry| convert::view(entry, &self.folder));
        running.or_else(|| Some(self.ended.get(&id)?.view.clone()))
    }

    /// Live recordings of a session, by id.
    #[must_use]
    pub fn of_session(&self, session: u64) -> Vec<u64> {
        let all = self.list.iter();
        all.filter(|(_, it)| it.about.session.0 == session)
            .map(|(id, _)| *id)
            .collect()
    }

    /// One has ended: the daemon's end need not know of it, unless that has begun.
    pub fn settle(&self, active: &Arc<Active>) {
        if self.live.settle(active) {
            self.threads.forget(&worker_name(&active.about.name));
        }
    }

    /// Remembers one that has ended, or was found; the oldest of too many is forgotten. Their files stay.
    pub fn remember(&mut self, owner: Option<u32>, view: RecordingView) {
        self.ended.insert(view.id.0, Ended { owner, view });
        if self.ended.len() > REMEMBERED {
            let times = self.ended.iter().map(|(id, it)| (it.view.started_at, *id));
            let oldest = times.min();
            self.ended
                .retain(|id, _| oldest.is_none_or(|(_, oldest)| oldest != *id));
        }
    }

    /// When the control thread has something to do for a recording without being asked.
    #[must_use]
    pub fn wake_at(&self) -> Option<Instant> {
        let times = self.list.values().flat_map(|entry| {
            let cut = match &entry.phase {
                Phase::Running(_) | Phase::Finishing(_) => Some(self.look_at),
                Phase::Cut { until, .. } => Some(*until),
                Phase::Starting { .. } => None,
            };
            let stop = entry.stops.iter().map(|(until, _)| *until).min();
            [cut, stop].into_iter().flatten()
        });
        times.min()
    }
}
