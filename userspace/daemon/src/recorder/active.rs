//! One recording that runs, or is being finished.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use onair_api::{
    RecordingCounts, RecordingEnd, RecordingFormat, RecordingId, RecordingName, RecordingState,
    RecordingSummary, RecordingView, SessionId, SessionName, Timestamp,
};
use onair_record::{DrainState, FinishError, Manifest, Recording, Status};
use onair_settings::diagnostics::rate_limit::LinesOf;
use onair_workers::{ThreadRegistry, WorkerGuard};

use super::convert;

/// Identity of a recording and its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Recording id.
    pub id: RecordingId,
    /// Recording name.
    pub name: RecordingName,
    /// Session id.
    pub session: SessionId,
    /// Session name.
    pub session_name: SessionName,
    /// File format.
    pub format: RecordingFormat,
}

impl About {
    /// View of a recording whose files and counts are not known yet.
    pub(super) fn view(
        &self,
        folder: &Path,
        state: RecordingState,
        at: Timestamp,
    ) -> RecordingView {
        RecordingView {
            id: self.id,
            name: self.name.clone(),
            session: self.session,
            session_name: self.session_name.clone(),
            format: self.format,
            state,
            reason: None,
            end: None,
            owner: None,
            started_at: at,
            ended_at: None,
            folder: folder.display().to_string(),
            files: Vec::new(),
            counts: RecordingCounts::default(),
            producers: Vec::new(),
            gaps: 0,
            problems: Vec::new(),
            repair: None,
        }
    }
}

/// Result of a check of a running recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingCheck {
    /// What keeps it from recording every packet.
    pub reason: Option<String>,
    /// Packets dropped so far because its ring was full.
    pub ring_full: u64,
    /// Why it accepts no more.
    pub end: Option<RecordingEnd>,
}

/// One recording, shared by the control thread, the thread that finishes it, and the shutdown.
#[derive(Debug)]
pub struct Active {
    /// Identity of the recording.
    pub about: About,
    lines: LinesOf,
    recording: Recording,
    /// Time after which a slow end is logged.
    timeout: Duration,
    end: Mutex<EndState>,
    changed: Condvar,
}

/// Why a recording failed, or is not all on disk.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RecordingFailure {
    /// It is not finished.
    #[error(transparent)]
    NotFinished(Arc<FinishError>),
    /// No thread could be started.
    #[error("cannot start a thread to finish it: {0}")]
    NoThread(Arc<std::io::Error>),
    /// These files are not complete.
    #[error("the disk failed: {0} not completed; events in these files count as lost")]
    NotOnDisk(String),
}

#[derive(Debug)]
struct EndState {
    begun: bool,
    result: Option<Result<Manifest, RecordingFailure>>,
    /// Its drain thread in the registry.
    worker: Option<WorkerGuard>,
}

impl Active {
    pub(super) fn new(
        about: About,
        lines: LinesOf,
        recording: Recording,
        timeout: Duration,
        worker: WorkerGuard,
    ) -> Arc<Self> {
        Arc::new(Self {
            about,
            lines,
            recording,
            timeout,
            end: Mutex::new(EndState {
                begun: false,
                result: None,
                worker: Some(worker),
            }),
            changed: Condvar::new(),
        })
    }

    /// Current status. Some loads and a short lock.
    #[must_use]
    pub fn status(&self) -> Status {
        self.recording.status()
    }

    /// What keeps it from writing now, and its cause of end if it ended by itself.
    #[must_use]
    pub fn look(&self) -> RecordingCheck {
        let status = self.recording.status();
        let end = match (status.state, status.cause) {
            (DrainState::Recording | DrainState::Degraded, _) | (DrainState::Finishing, None) => {
                None
            }
            (_, Some(cause)) => Some(cause),
            // Its drain thread panicked: `finish` reports the reason.
            (DrainState::Ended, None) => Some(RecordingEnd::Abandoned),
        };
        RecordingCheck {
            reason: status.reason.filter(|_| end.is_none()),
            ring_full: status.totals.dropped.ring_full,
            end,
        }
    }

    /// The cut: it accepts no more from here on. Does not block.
    pub fn stop_accepting(&self) {
        self.recording.stop_accepting();
    }

    /// Its manifest, once it has ended in order.
    #[must_use]
    pub fn manifest(&self) -> Option<Manifest> {
        self.end().result.as_ref()?.as_ref().ok().cloned()
    }

    /// Finishes it on a separate thread, unless that has begun. Calls `done` at the end, with the
    /// error if there was one.
    pub fn finish(
        self: &Arc<Self>,
        why: RecordingEnd,
        done: impl FnOnce(Option<RecordingFailure>) + Send + 'static,
    ) {
        if std::mem::replace(&mut self.end().begun, true) {
            return;
        }
        self.stop_accepting();
        let it = Arc::clone(self);
        let spawned = std::thread::Builder::new()
            .name("record-end".into())
            .spawn(move || done(it.finish_here(why)));
        if let Err(error) = spawned {
            self.over(Err(RecordingFailure::NoThread(Arc::new(error))));
        }
    }

    fn finish_here(&self, why: RecordingEnd) -> Option<RecordingFailure> {
        // A hanging disk blocks no other thread: this one waits without limit, and the shutdown
        // leaves it behind.
        let result = loop {
            let deadline = Instant::now() + self.timeout;
            match self.recording.finish(why, deadline) {
                Err(late @ FinishError::Late { .. }) => {
                    tracing::warn!(recording = %self.about.name, %late, "recording is not finished yet");
                }
                result => {
                    break result.map_err(|error| RecordingFailure::NotFinished(Arc::new(error)));
                }
            }
        };
        let About {
            name, session_name, ..
        } = &self.about;
        match &result {
            Ok(manifest) => {
                let counts = convert::counts(&manifest.totals);
                if let Some(more) = self.lines.note() {
                    tracing::info!(
                        recording = %name, session = %session_name, end = %why,
                        arrived = counts.arrived, written = counts.written,
                        dropped = counts.dropped_in_all(), lost = counts.lost_in_all(), more,
                        "recorded"
                    );
                }
            }
            Err(error) => {
                if let Some(more) = self.lines.note() {
                    tracing::error!(
                        recording = %name, session = %session_name, %error, more,
                        "recording is not finished"
                    );
                }
            }
        }
        self.over(result);
        self.failure()
    }

    fn over(&self, result: Result<Manifest, RecordingFailure>) {
        let mut end = self.end();
        if let Some(worker) = end.worker.take() {
            let counts = self.recording.status().totals;
            worker.set_processed(counts.written);
            worker.count_dropped(counts.dropped.not_accepting);
            if let Err(error) = &result {
                worker.note_panic(&error.to_string());
            }
            // Its drain thread has ended, in order or not.
            drop(worker);
        }
        end.result = Some(result);
        drop(end);
        self.changed.notify_all();
    }

    pub(super) fn is_begun(&self) -> bool {
        self.end().begun
    }

    /// Whether it is finished or has failed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.end().result.is_some()
    }

    /// Why it failed, or is not all on disk.
    #[must_use]
    pub fn failure(&self) -> Option<RecordingFailure> {
        match self.end().result.as_ref()? {
            Ok(manifest) => not_on_disk(manifest),
            Err(error) => Some(error.clone()),
        }
    }

    pub(super) fn wait_over(&self, until: Instant) {
        let remaining = until.saturating_duration_since(Instant::now());
        let end = self.end();
        drop(
            self.changed
                .wait_timeout_while(end, remaining, |end| end.result.is_none())
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    fn end(&self) -> MutexGuard<'_, EndState> {
        // No code panics while it holds this lock.
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Entry in the shutdown summary. Producers may have counted on after the files were finished:
    /// their counts are the current ones.
    pub(super) fn summary(&self) -> RecordingSummary {
        let failure = self.failure();
        let status = self.status();
        let manifest = self.manifest();
        let about = &self.about;
        RecordingSummary {
            id: about.id,
            name: about.name.clone(),
            session: about.session,
            session_name: about.session_name.clone(),
            state: match (&failure, self.is_over()) {
                (Some(_), _) => RecordingState::Failed,
                (None, true) => RecordingState::Finished,
                (None, false) => RecordingState::Finishing,
            },
            reason: failure.map(|failure| failure.to_string()),
            files: convert::files(manifest.as_ref().map_or(&status.files, |it| &it.files)),
            counts: convert::counts(&status.totals),
            producers: convert::producers(&status.producers),
        }
    }
}

/// Name of a recording's drain thread in the registry.
pub fn worker_name(name: &RecordingName) -> String {
    format!("record {name}")
}

/// Registers a recording's drain thread.
pub(super) fn worker(threads: &ThreadRegistry, name: &RecordingName) -> WorkerGuard {
    threads.register(&worker_name(name))
}

/// The files of an ended recording that the disk did not take, if there are any.
pub(super) fn not_on_disk(manifest: &Manifest) -> Option<RecordingFailure> {
    let names: Vec<_> = manifest.unfinished().map(|it| it.name.as_str()).collect();
    (!names.is_empty()).then(|| RecordingFailure::NotOnDisk(names.join(", ")))
}
