//! Recordings that the control thread knows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_api::{
    Problem, ProblemCode, RecordingId, RecordingName, RecordingRef, RecordingState, RecordingView,
    SessionName, SessionRef, Timestamp, Who,
};
use onair_settings::access::authority::Caller;
use onair_settings::diagnostics::rate_limit::{LinesOf, UserLines};

use super::convert;
use super::lifecycle::RecordingLifecycle;
use crate::events::Subject;
use crate::machine::{About, ActiveRecording};

/// A recording whose files exist.
pub type Active = Arc<dyn ActiveRecording>;

/// Ended recordings kept in the list. The oldest are forgotten first; their files stay.
const REMEMBERED: usize = 1000;
/// Pause between two checks of running recordings: degraded, or at their own end.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// A recording that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Uid of the recorded session's owner; `None`: a previous daemon's recording.
    pub owner: Option<u32>,
    /// View for the API.
    pub view: RecordingView,
}

/// A recording that has not ended.
#[derive(Debug)]
pub struct RunningRecording {
    /// Identity of the recording.
    pub about: About,
    /// The requester that started it.
    pub starter: Who,
    /// Uid of the recorded session's owner.
    pub owner: u32,
    /// Limits its log lines.
    pub lines: LinesOf,
    /// Start time.
    pub started_at: Timestamp,
    /// When it stopped accepting packets.
    pub ended_at: Option<Timestamp>,
    /// Its state.
    pub lifecycle: RecordingLifecycle<Active>,
    /// The recording of the same session by an earlier daemon.
    pub before: Option<Box<RecordingView>>,
}

impl RunningRecording {
    /// View of a recording that runs, finishes, or has just ended.
    pub(super) fn view(&self, folder: &Path) -> RecordingView {
        let mut view = self.about.view(folder, self.state(), self.started_at);
        view.reason = self.lifecycle.reason().map(str::to_owned);
        view.end = self.lifecycle.end();
        view.owner = Some(self.starter.clone());
        view.ended_at = self.ended_at;
        let Some(active) = self.active() else {
            if let Some(before) = &self.before {
                view.files.clone_from(&before.files);
                view.counts = before.counts.clone();
                view.producers.clone_from(&before.producers);
                view.gaps = before.gaps;
                view.gap_list.clone_from(&before.gap_list);
                view.restarts.clone_from(&before.restarts);
            }
            return view;
        };
        if let Some(manifest) = active.manifest() {
            convert::fill(&mut view, &manifest);
            return view;
        }
        let status = active.status();
        view.files = convert::files(&status.files);
        view.counts = convert::counts(&status.totals);
        view.producers = convert::producers(&status.producers);
        view.gaps = status.gaps_in_all;
        view.gap_list = convert::gaps(&status.gaps);
        view.problems = status.problems;
        view.restarts = convert::restarts(&status.restarts);
        view
    }

    /// The recording, once it exists.
    #[must_use]
    pub const fn active(&self) -> Option<&Active> {
        self.lifecycle.active()
    }

    /// Its API state.
    #[must_use]
    pub const fn state(&self) -> RecordingState {
        self.lifecycle.state()
    }

    /// Why it cannot record every packet now, with the number of packets missing so far.
    #[must_use]
    pub fn degraded(&self) -> Option<String> {
        let (active, reason) = self.lifecycle.degraded()?;
        let counts = convert::counts(&active.status().totals);
        Some(format!(
            "recording {} has lost {} of {} packets ({:.1} %): {reason}",
            self.about.name,
            counts.missing,
            counts.arrived,
            counts.missing_percent()
        ))
    }

    /// Audience of its events: the users that may see its session.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        Some(Subject {
            session: self.about.session,
            name: self.about.session_name.clone(),
            owner: self.owner,
            caused_by: self.starter.uid,
        })
    }
}

/// All recordings that are known.
#[derive(Debug)]
pub struct Recorder {
    /// Recordings that have not ended, by id. Each counts towards `recorder.max_recordings`.
    pub list: BTreeMap<u64, RunningRecording>,
    /// Ended recordings still in the list, by id.
    pub ended: BTreeMap<u64, Ended>,
    /// Folder of the recordings.
    pub folder: PathBuf,
    /// Limits the log lines that each user's recordings cause.
    pub lines: UserLines,
    /// When to check the running recordings next.
    pub look_at: Instant,
    /// Ids of the sessions that came back at the start.
    pub restored: BTreeSet<u64>,
    incarnation: u32,
    counter: u32,
}

impl Recorder {
    /// Creates an empty list. `incarnation` numbers the daemon.
    #[must_use]
    pub fn new(folder: PathBuf, incarnation: u32, now: Instant) -> Self {
        Self {
            list: BTreeMap::new(),
            ended: BTreeMap::new(),
            folder,
            lines: UserLines::default(),
            look_at: now,
            restored: BTreeSet::new(),
            incarnation,
            counter: 0,
        }
    }

    /// A new, unused id.
    pub fn next_id(&mut self) -> RecordingId {
        self.counter += 1;
        RecordingId::new(self.incarnation, self.counter)
    }

    /// Whether a recording with this name has not ended.
    #[must_use]
    pub fn has_running(&self, name: &RecordingName) -> bool {
        self.list.values().any(|it| it.about.name == *name)
    }

    /// Whether the list has a recording with this name.
    #[must_use]
    pub fn has(&self, name: &RecordingName) -> bool {
        self.has_running(name) || self.ended.values().any(|it| it.view.name == *name)
    }

    /// Resolves a reference to an id and the owner of the recorded session. A name means the last
    /// recording with that name.
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
            .filter(|((_, _, id), name, _)| recording.names(RecordingId(*id), name));
        let found = meant.max_by_key(|(key, _, _)| *key);
        let found = found.map(|((_, _, id), _, owner)| (id, owner));
        found.ok_or_else(|| {
            Problem::new(
                ProblemCode::NoSuchRecording,
                format!("there is no recording {recording}"),
            )
        })
    }

    /// As [`Self::find`], if the caller's grant covers the recorded session.
    ///
    /// # Errors
    /// `no_such_recording`; `forbidden`.
    pub fn find_for(&self, caller: &Caller, recording: &RecordingRef) -> Result<u64, Problem> {
        let (id, owner) = self.find(recording)?;
        caller.require(owner)?;
        Ok(id)
    }

    /// Recordings of `session`, or all, without their lists of gaps; oldest first.
    #[must_use]
    pub fn views(&self, session: Option<&SessionRef>) -> Vec<RecordingView> {
        let is_meant = |id, name: &SessionName| session.is_none_or(|it| it.names(id, name));
        let running = self.list.values();
        let running = running.filter(|it| is_meant(it.about.session, &it.about.session_name));
        let ended = self.ended.values().map(|it| &it.view);
        let ended = ended.filter(|it| is_meant(it.session, &it.session_name));
        let mut views: Vec<_> = running.map(|it| it.view(&self.folder)).collect();
        views.extend(ended.cloned());
        // A thousand recordings with a hundred gaps each are no answer.
        views.iter_mut().for_each(|it| it.gap_list = Vec::new());
        views.sort_by_key(|it| (it.started_at, it.id));
        views
    }

    /// View of one recording.
    #[must_use]
    pub fn view(&self, id: u64) -> Option<RecordingView> {
        let running = self.list.get(&id);
        let running = running.map(|entry| entry.view(&self.folder));
        running.or_else(|| Some(self.ended.get(&id)?.view.clone()))
    }

    /// The users of the recordings that have not ended.
    pub fn users(&self) -> impl Iterator<Item = u32> {
        self.list.values().map(|it| it.starter.uid)
    }

    /// Ids of the recordings that have not ended.
    #[must_use]
    pub fn ids(&self) -> Vec<u64> {
        self.list.keys().copied().collect()
    }

    /// Ids of a session's recordings that have not ended.
    #[must_use]
    pub fn of_session(&self, session: u64) -> Vec<u64> {
        let all = self.list.iter();
        all.filter(|(_, it)| it.about.session.0 == session)
            .map(|(id, _)| *id)
            .collect()
    }

    /// Adds an ended or found recording. Above the limit the oldest is forgotten; its files stay.
    pub fn remember(&mut self, owner: Option<u32>, view: RecordingView) {
        self.ended.insert(view.id.0, Ended { owner, view });
        if self.ended.len() > REMEMBERED {
            let times = self.ended.iter().map(|(id, it)| (it.view.started_at, *id));
            let oldest = times.min();
            self.ended
                .retain(|id, _| oldest.is_none_or(|(_, oldest)| oldest != *id));
        }
    }

    /// When the control thread next has to check a recording.
    #[must_use]
    pub fn wake_at(&self) -> Option<Instant> {
        let times = self.list.values();
        let times = times.filter_map(|it| it.lifecycle.wake_at(self.look_at));
        times.min()
    }

    /// Whether a check of the running recordings is due, which is then done.
    pub fn begin_look(&mut self, now: Instant) -> bool {
        let is_due = self.look_at <= now;
        if is_due {
            self.look_at = now + LOOK_PAUSE;
        }
        is_due
    }
}
