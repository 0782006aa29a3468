//! One recording that runs, or is being finished.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use onair_api::{RecordingEnd, RecordingName, RecordingState, RecordingSummary};
use onair_engine::machine::{About, ActiveRecording, RecorderEvent, RecordingCheck};
use onair_engine::recorder::convert;
use onair_record::{DrainState, FinishError, Manifest, Recording, Status};
use onair_settings::diagnostics::rate_limit::LinesOf;
use onair_workers::{ThreadRegistry, WorkerGuard};
use tokio::sync::mpsc::UnboundedSender;

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
    /// To the control thread.
    events: UnboundedSender<RecorderEvent>,
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
        events: UnboundedSender<RecorderEvent>,
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
            events,
        })
    }

    fn finish_here(&self, why: RecordingEnd) {
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

    /// Why it failed, or is not all on disk.
    pub(super) fn failed(&self) -> Option<RecordingFailure> {
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
        let failure = self.failed();
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

impl ActiveRecording for Active {
    fn status(&self) -> Status {
        self.recording.status()
    }

    fn look(&self) -> RecordingCheck {
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

    fn stop_accepting(&self) {
        self.recording.stop_accepting();
    }

    fn finish(self: Arc<Self>, why: RecordingEnd) {
        if std::mem::replace(&mut self.end().begun, true) {
            return;
        }
        self.stop_accepting();
        let it = Arc::clone(&self);
        let spawned = std::thread::Builder::new()
            .name("record-end".into())
            .spawn(move || {
                it.finish_here(why);
                // A control thread that has ended needs no message.
                let _ = it.events.send(RecorderEvent::Ended {
                    recording: it.about.id.0,
                    failure: it.failure(),
                });
            });
        if let Err(error) = spawned {
            self.over(Err(RecordingFailure::NoThread(Arc::new(error))));
        }
    }

    fn is_over(&self) -> bool {
        self.end().result.is_some()
    }

    fn failure(&self) -> Option<String> {
        self.failed().map(|failure| failure.to_string())
    }

    fn manifest(&self) -> Option<Manifest> {
        self.end().result.as_ref()?.as_ref().ok().cloned()
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
