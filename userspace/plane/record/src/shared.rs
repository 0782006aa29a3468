//! State shared by the drain thread and the other threads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use onair_api::RecordingEnd;
use onair_mutant::mutant;

use crate::error::DrainPanic;
use crate::manifest::{FileReport, GAPS_TOLD, Gap, Manifest, Restart};
use crate::producer::gate::ProducerGate;
use crate::producer::ring::RingReader;
use crate::totals::ProducerTotals;

/// State of a recording, from its start to the end of its drain thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DrainState {
    /// It records normally.
    Recording,
    /// It runs, but records nothing or not all now: see [`Status::reason`](crate::Status::reason).
    Degraded,
    /// It accepts no more, and writes what it accepted.
    Finishing,
    /// It has ended.
    Ended,
}

impl DrainState {
    /// Name of the state.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Degraded => "degraded",
            Self::Finishing => "finishing",
            Self::Ended => "ended",
        }
    }
}

/// Result of a flush.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlushedEvents {
    /// Accepted events when the drain thread saw the flush.
    pub accepted: u64,
    /// Bytes in the rings at that time.
    pub in_rings: u64,
    /// Events written now.
    pub written: u64,
    /// Events lost.
    pub lost: u64,
    /// Time that the drain thread took.
    pub took: Duration,
}

/// Called by the drain thread at a change of state. It must not block, and must not call a
/// recording's method that waits.
pub type Listener = Box<dyn Fn(DrainState, Option<&str>) + Send>;

/// State that the drain thread publishes.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) flushed: u64,
    pub(crate) last_flush: Option<FlushedEvents>,
    pub(crate) fault: Option<String>,
    pub(crate) cause: Option<RecordingEnd>,
    pub(crate) files: Vec<FileReport>,
    pub(crate) problems: Vec<String>,
    pub(crate) gaps: Arc<[Gap]>,
    pub(crate) gaps_in_all: u64,
    pub(crate) restarts: Vec<Restart>,
    pub(crate) ended: Option<Result<Manifest, DrainPanic>>,
}

impl Progress {
    /// Publishes what a manifest says, but for restarts: those are on disk before they are told.
    pub(crate) fn publish(&mut self, manifest: &Manifest) {
        self.files.clone_from(&manifest.files);
        self.problems.clone_from(&manifest.problems);
        let in_all = manifest.gaps_in_all();
        // A gap in the list does not change.
        if in_all != self.gaps_in_all {
            self.gaps = manifest.gaps.iter().take(GAPS_TOLD).cloned().collect();
            self.gaps_in_all = in_all;
        }
    }
}

#[derive(Debug)]
pub(crate) struct RecordingShared {
    pub(crate) gate: Arc<ProducerGate>,
    /// Number of the last requested flush.
    flush_wanted: AtomicU64,
    ending: AtomicBool,
    joining: Mutex<Vec<(Arc<ProducerTotals>, RingReader)>>,
    pub(crate) producers: Mutex<Vec<Arc<ProducerTotals>>>,
    pub(crate) progress: Mutex<Progress>,
    pub(crate) changed: Condvar,
    drain: OnceLock<Thread>,
    /// Bytes of all files.
    pub(crate) bytes: AtomicU64,
    /// When the drain thread began an operation that may take long, in ms since `epoch`, plus 1; 0
    /// if there is none.
    busy: AtomicU64,
    epoch: Instant,
}

/// No code panics while it holds one of these locks.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RecordingShared {
    pub(crate) fn new() -> Self {
        Self {
            gate: Arc::new(ProducerGate::new()),
            flush_wanted: AtomicU64::new(0),
            ending: AtomicBool::new(false),
            joining: Mutex::default(),
            producers: Mutex::default(),
            progress: Mutex::default(),
            changed: Condvar::new(),
            drain: OnceLock::new(),
            bytes: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            epoch: Instant::now(),
        }
    }

    pub(crate) fn is_drained_by(&self, thread: Thread) {
        // It is set once, where the thread is started.
        let _ = self.drain.set(thread);
    }

    /// Wakes the drain thread.
    pub(crate) fn wake(&self) {
        if let Some(drain) = self.drain.get() {
            drain.unpark();
        }
    }

    /// Registers a producer.
    pub(crate) fn join(&self, totals: Arc<ProducerTotals>, ring: RingReader) {
        lock(&self.producers).push(Arc::clone(&totals));
        lock(&self.joining).push((totals, ring));
        self.wake();
    }

    pub(crate) fn joined(&self) -> Vec<(Arc<ProducerTotals>, RingReader)> {
        std::mem::take(&mut lock(&self.joining))
    }

    pub(crate) fn producers(&self) -> Vec<Arc<ProducerTotals>> {
        lock(&self.producers).clone()
    }

    pub(crate) fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }

    /// Requests a flush and wakes the drain thread.
    pub(crate) fn request_flush(&self) -> u64 {
        // SYNC: record-flush. Release: the flush covers what was accepted before.
        let number = self.flush_wanted.fetch_add(1, Ordering::Release) + 1;
        self.wake();
        number
    }

    pub(crate) fn flush_wanted(&self) -> u64 {
        // SYNC: record-flush.
        self.flush_wanted.load(Ordering::Acquire)
    }

    /// Ends the recording: closes the door, and the drain thread finishes. The first cause counts;
    /// `false` if there was one already.
    pub(crate) fn begin_end(&self, cause: RecordingEnd) -> bool {
        let mut progress = self.progress();
        let is_first = progress.cause.is_none();
        progress.cause.get_or_insert(cause);
        drop(progress);
        self.gate.close();
        // SYNC: record-ending. Release: the cause is set and the door is closed.
        self.ending.store(true, Ordering::Release);
        if !mutant!("recorder: the end does not wake the drain thread") {
            self.wake();
        }
        is_first
    }

    pub(crate) fn is_ending(&self) -> bool {
        // SYNC: record-ending.
        self.ending.load(Ordering::Acquire)
    }

    /// Waits until `done` or `deadline`.
    pub(crate) fn wait(
        &self,
        deadline: Instant,
        done: impl Fn(&Progress) -> bool,
    ) -> MutexGuard<'_, Progress> {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let waited = self
            .changed
            .wait_timeout_while(self.progress(), remaining, |it| !done(it));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Runs an operation that may take long, so that other threads can report its duration.
    pub(crate) fn busy<T>(&self, work: impl FnOnce() -> T) -> T {
        self.busy.store(self.now_ms() + 1, Ordering::Relaxed);
        let result = work();
        self.busy.store(0, Ordering::Relaxed);
        result
    }

    /// How long the drain thread has been waiting for the disk.
    pub(crate) fn busy_for(&self) -> Option<Duration> {
        match self.busy.load(Ordering::Relaxed) {
            0 => None,
            since => Some(Duration::from_millis(
                self.now_ms().saturating_sub(since - 1),
            )),
        }
    }
}
