//! The recordings that run or are being finished, as the daemon's end sees them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use onair_record::{FinishError, Manifest, Recording, State, Status};
use onair_types::{
    RecordingEnd, RecordingFormat, RecordingId, RecordingName, RecordingSummary, SessionId,
    SessionName,
};

use super::convert;
use crate::shutdown::{ThreadRegistry, Waiting, WorkerGuard};

/// Pause between two looks of the daemon's end, should a word be lost.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Of which session a recording is, and how it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Its id.
    pub id: RecordingId,
    /// Its name.
    pub name: RecordingName,
    /// Its session.
    pub session: SessionId,
    /// That session's name.
    pub session_name: SessionName,
    /// What is written.
    pub format: RecordingFormat,
}

/// A look at a recording that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// What keeps it from writing all that arrives.
    pub reason: Option<String>,
    /// Why it takes nothing more.
    pub end: Option<RecordingEnd>,
}

/// One recording, shared by the control thread, the thread that finishes it, and the daemon's end.
#[derive(Debug)]
pub struct Active {
    /// Which it is.
    pub about: About,
    recording: Recording,
    /// After so long it is told that its end takes long.
    patience: Duration,
    end: Mutex<End>,
    changed: Condvar,
}

#[derive(Debug)]
struct End {
    begun: bool,
    result: Option<Result<Manifest, String>>,
    /// Its drain thread, in the registry.
    worker: Option<WorkerGuard>,
}

impl Active {
    pub(super) fn new(
        about: About,
        recording: Recording,
        patience: Duration,
        worker: WorkerGuard,
    ) -> Arc<Self> {
        Arc::new(Self {
            about,
            recording,
            patience,
            end: Mutex::new(End {
                begun: false,
                result: None,
                worker: Some(worker),
            }),
            changed: Condvar::new(),
        })
    }

    /// How it is: some loads and a short lock.
    #[must_use]
    pub fn status(&self) -> Status {
        self.recording.status()
    }

    /// What keeps it from writing now, and why it has come to its end by itself, if it has.
    #[must_use]
    pub fn look(&self) -> Look {
        let status = self.recording.status();
        let end = match (status.state, status.cause) {
            (State::Recording | State::Degraded, _) | (State::Finishing, None) => None,
            (_, Some(cause)) => Some(convert::end(cause)),
            // Its drain thread panicked: how it is finished tells.
            (State::Ended, None) => Some(RecordingEnd::Abandoned),
        };
        Look {
            reason: status.reason.filter(|_| end.is_none()),
            end,
        }
    }

    /// The cut: it takes nothing more from here on. It does not block.
    pub fn stop_accepting(&self) {
        self.recording.stop_accepting();
    }

    /// What it left, once it has ended in order.
    #[must_use]
    pub fn manifest(&self) -> Option<Manifest> {
        self.end().result.as_ref()?.as_ref().ok().cloned()
    }

    /// Has it finished on a thread of its own, unless that is under way already. `tell` hears what went
    /// wrong, if something did, when that is over.
    pub fn finish(
        self: &Arc<Self>,
        why: RecordingEnd,
        tell: impl FnOnce(Option<String>) + Send + 'static,
    ) {
        if std::mem::replace(&mut self.end().begun, true) {
            return;
        }
        self.stop_accepting();
        let it = Arc::clone(self);
        let spawned = std::thread::Builder::new()
            .name("record-end".into())
            .spawn(move || tell(it.finish_here(why)));
        if let Err(error) = spawned {
            self.over(Err(format!("no thread to finish it on: {error}")));
        }
    }

    fn finish_here(&self, why: RecordingEnd) -> Option<String> {
        // A disk that hangs holds up nobody else: this thread waits as long as that takes, and is left
        // behind at the daemon's end.
        let result = loop {
            let deadline = Instant::now() + self.patience;
            match self.recording.finish(convert::cause(why), deadline) {
                Err(late @ FinishError::Late { .. }) => {
                    tracing::warn!(recording = %self.about.name, %late, "not finished yet");
                }
                result => break result.map_err(|error| error.to_string()),
            }
        };
        let About {
            name, session_name, ..
        } = &self.about;
        match &result {
            Ok(manifest) => {
                let counts = convert::counts(&manifest.totals);
                tracing::info!(
                    recording = %name, session = %session_name, end = %why, arrived = counts.arrived,
                    written = counts.written, dropped = counts.dropped_in_all(),
                    lost = counts.lost_in_all(), "recorded"
                );
            }
            Err(error) => {
                tracing::error!(recording = %name, session = %session_name, error, "not finished");
            }
        }
        self.over(result);
        self.failure()
    }

    fn over(&self, result: Result<Manifest, String>) {
        let mut end = self.end();
        if let Some(worker) = end.worker.take() {
            let counts = self.recording.status().totals;
            worker.set_processed(counts.written);
            worker.count_dropped(counts.dropped.not_accepting);
            if let Err(error) = &result {
                worker.note_panic(error);
            }
            // Its drain thread has ended, in order or not.
            drop(worker);
        }
        end.result = Some(result);
        drop(end);
        self.changed.notify_all();
    }

    fn is_begun(&self) -> bool {
        self.end().begun
    }

    /// Whether it is finished, or never will be.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.end().result.is_some()
    }

    /// Why it is not finished and never will be, or not all on disk.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        match self.end().result.as_ref()? {
            Ok(manifest) => convert::not_on_disk(manifest),
            Err(error) => Some(error.clone()),
        }
    }

    fn wait_over(&self, until: Instant) {
        let left = until.saturating_duration_since(Instant::now());
        let end = self.end();
        drop(
            self.changed
                .wait_timeout_while(end, left, |end| end.result.is_none())
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    fn end(&self) -> MutexGuard<'_, End> {
        // No code panics with it locked.
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As the summary of the daemon's end shows it. Its producers may have counted on after its files
    /// were finished.
    fn summary(&self) -> RecordingSummary {
        convert::summary(self, self.failure(), self.is_over())
    }
}

/// Every recording that runs or is being finished. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Live(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    all: Mutex<All>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct All {
    list: Vec<Arc<Active>>,
    /// Recordings whose files are being made.
    starting: usize,
    /// The daemon ends: none takes anything any more.
    is_cut: bool,
}

impl Live {
    /// Phase 1 of the daemon's end: none of them takes anything any more. It does not block.
    pub fn cut(&self) {
        let mut all = self.all();
        all.is_cut = true;
        all.list.iter().for_each(|it| it.stop_accepting());
    }

    /// A recording's files are going to be made.
    pub(super) fn begin_start(&self) {
        self.all().starting += 1;
    }

    /// They were, or could not be.
    pub(super) fn end_start(&self, started: Option<&Arc<Active>>) {
        let mut all = self.all();
        all.starting -= 1;
        if let Some(active) = started {
            if all.is_cut {
                active.stop_accepting();
            }
            all.list.push(Arc::clone(active));
        }
        drop(all);
        self.0.changed.notify_all();
    }

    /// One has ended: nobody asks for it any more but the daemon's end, if that has begun. Whether it is
    /// forgotten.
    pub fn settle(&self, active: &Arc<Active>) -> bool {
        let mut all = self.all();
        if !all.is_cut {
            all.list.retain(|it| !Arc::ptr_eq(it, active));
        }
        !all.is_cut
    }

    /// Phase 2 of the daemon's end: returns when each is finished. The control thread begins with that
    /// as it gets the sessions' taps back; those with which it has not begun in half of the time are
    /// finished without.
    pub fn finish_all(&self, waiting: &Waiting) -> Result<(), String> {
        let begin_at = Instant::now() + waiting.left() / 2;
        loop {
            let (list, starting) = {
                let all = self.all();
                (all.list.clone(), all.starting)
            };
            let open: Vec<_> = list.iter().filter(|it| !it.is_over()).collect();
            let Some(first) = open.first() else {
                if starting == 0 || waiting.is_forced() {
                    break;
                }
                let all = self.all();
                drop(
                    self.0
                        .changed
                        .wait_timeout(all, LOOK_AGAIN)
                        .unwrap_or_else(PoisonError::into_inner),
                );
                continue;
            };
            if Instant::now() >= begin_at || waiting.is_forced() {
                for active in open.iter().filter(|it| !it.is_begun()) {
                    tracing::warn!(recording = %active.about.name, "its packets are not handed back");
                    active.finish(RecordingEnd::Shutdown, drop);
                }
            }
            // Whoever waits for this has a deadline of his own.
            first.wait_over(Instant::now() + LOOK_AGAIN);
        }
        let list = self.all().list.clone();
        let failed = list.iter().filter_map(|it| {
            let failure = it.failure()?;
            Some(format!("{}: {failure}", it.about.name))
        });
        let failed: Vec<String> = failed.collect();
        if failed.is_empty() {
            return Ok(());
        }
        Err(failed.join("; "))
    }

    /// Those that ran when the daemon's end began, as its summary shows them.
    #[must_use]
    pub fn summaries(&self) -> Vec<RecordingSummary> {
        let list = self.all().list.clone();
        list.iter().map(|it| it.summary()).collect()
    }

    fn all(&self) -> MutexGuard<'_, All> {
        // No code panics with it locked.
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of a recording's drain thread among the daemon's workers.
pub fn worker_name(name: &RecordingName) -> String {
    format!("record {name}")
}

/// Enters the drain thread of a recording among the daemon's workers.
pub(super) fn worker(threads: &ThreadRegistry, name: &RecordingName) -> WorkerGuard {
    threads.register(&worker_name(name))
}
