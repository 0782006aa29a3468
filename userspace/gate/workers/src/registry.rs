//! The daemon's worker threads as the shutdown sees them: accepting flag, counters, flush, stop.
//!
//! A worker has a [`WorkerGuard`] of its [`ThreadState`]; the coordinator has the
//! [`ThreadRegistry`]. Each query on the worker's fast path is one load.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use onair_mutant::mutant;

use crate::absence::extended;

/// Result of a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushedWorker {
    /// Items that the worker had processed when its buffers were empty.
    pub processed: u64,
    /// Items left in its buffers; 0 unless the worker ended first.
    pub remaining: u64,
}

/// Workers that missed a deadline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not in time: {}", .0.join(", "))]
pub struct Late(
    /// Their names.
    pub Vec<String>,
);

/// Status of one worker thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadReport {
    /// Name of the thread.
    pub name: String,
    /// Items processed: packets, jobs.
    pub processed: u64,
    /// Items dropped because the shutdown had begun.
    pub dropped_by_shutdown: u64,
    /// Whether it takes on new work.
    pub is_accepting: bool,
    /// Whether it has ended.
    pub is_stopped: bool,
    /// The panic's message, if it panicked.
    pub panic: Option<String>,
}

/// Shared by a worker thread and the coordinator.
#[derive(Debug)]
pub struct ThreadState {
    name: String,
    /// It works for the other parts' shutdown, until its own.
    to_the_end: bool,
    accepting: AtomicBool,
    processed: AtomicU64,
    dropped: AtomicU64,
    /// Number of the last requested flush.
    flush_wanted: AtomicU64,
    progress: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Progress {
    flushed: u64,
    last: Option<FlushedWorker>,
    stopped: bool,
    panic: Option<String>,
}

impl ThreadState {
    fn new(name: &str, to_the_end: bool) -> Self {
        Self {
            name: name.to_owned(),
            to_the_end,
            accepting: AtomicBool::new(true),
            processed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            flush_wanted: AtomicU64::new(0),
            progress: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Name of the thread.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the worker accepts new work. One load.
    #[inline]
    #[must_use]
    pub fn is_accepting(&self) -> bool {
        // SYNC: worker-accepting.
        self.accepting.load(Ordering::Acquire)
    }

    /// The worker accepts no new work from its next check on. It finishes what it has.
    pub fn stop_accepting(&self) {
        // SYNC: worker-accepting. Release: a worker that sees the flag sees everything done before.
        if !mutant!("worker: accepts after it was told to stop") {
            self.accepting.store(false, Ordering::Release);
        }
    }

    /// Counts items refused because the worker accepts no more. The thread that has the items calls
    /// it.
    pub fn count_dropped(&self, more: u64) {
        self.dropped.fetch_add(more, Ordering::Relaxed);
    }

    /// Counters and status.
    #[must_use]
    pub fn report(&self) -> ThreadReport {
        let progress = self.progress();
        ThreadReport {
            name: self.name.clone(),
            processed: self.processed.load(Ordering::Relaxed),
            dropped_by_shutdown: self.dropped.load(Ordering::Relaxed),
            is_accepting: self.is_accepting(),
            is_stopped: progress.stopped,
            panic: progress.panic.clone(),
        }
    }

    /// Whether the thread has ended.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.progress().stopped
    }

    /// Asks the worker to empty its buffers; [`Self::wait_flushed`] waits for it. The caller must
    /// wake a sleeping worker.
    pub fn request_flush(&self) -> u64 {
        // SYNC: worker-flush. Release: the flush covers what was handed in before.
        self.flush_wanted.fetch_add(1, Ordering::Release) + 1
    }

    /// Waits until flush `number` is done.
    ///
    /// # Errors
    /// [`Late`]: the deadline has passed, or the worker ended with items in its buffers.
    pub fn wait_flushed(&self, number: u64, deadline: Instant) -> Result<FlushedWorker, Late> {
        let progress = self.wait(deadline, |it| {
            it.flushed >= number || it.stopped || mutant!("flush: not waited for")
        });
        match progress.last {
            Some(flushed) if progress.flushed >= number && flushed.remaining == 0 => Ok(flushed),
            _ => Err(Late(vec![self.name.clone()])),
        }
    }

    /// Waits until the thread has ended.
    ///
    /// # Errors
    /// [`Late`]: the deadline has passed.
    pub fn wait_stopped(&self, deadline: Instant) -> Result<(), Late> {
        if self.wait(deadline, |it| it.stopped).stopped {
            Ok(())
        } else {
            Err(Late(vec![self.name.clone()]))
        }
    }

    fn wait(
        &self,
        mut deadline: Instant,
        done: impl Fn(&Progress) -> bool,
    ) -> MutexGuard<'_, Progress> {
        let mut progress = self.progress();
        loop {
            let remaining = deadline.saturating_duration_since(Instant::now());
            let waited = self
                .changed
                .wait_timeout_while(progress, remaining, |it| !done(it));
            let (after, result) = waited.unwrap_or_else(PoisonError::into_inner);
            progress = after;
            match extended(deadline, Instant::now()) {
                Some(later) if result.timed_out() && !remaining.is_zero() => deadline = later,
                _ => return progress,
            }
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        // No code panics while it holds this lock.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The worker's handle of its [`ThreadState`]. Drop marks the worker as stopped, also after a
/// panic.
#[derive(Debug)]
pub struct WorkerGuard {
    state: Arc<ThreadState>,
    flushed: u64,
}

impl WorkerGuard {
    /// The state shared with the coordinator.
    #[must_use]
    pub fn state(&self) -> &Arc<ThreadState> {
        &self.state
    }

    /// Whether to accept new work. One load.
    #[inline]
    #[must_use]
    pub fn is_accepting(&self) -> bool {
        self.state.is_accepting()
    }

    /// Counts processed items. One writer: a load and a store.
    #[inline]
    pub fn count_processed(&self, more: u64) {
        add(&self.state.processed, more);
    }

    /// Sets the processed count, if another counter keeps it.
    #[inline]
    pub fn set_processed(&self, total: u64) {
        self.state.processed.store(total, Ordering::Relaxed);
    }

    /// Counts items dropped because the shutdown had begun.
    #[inline]
    pub fn count_dropped(&self, more: u64) {
        add(&self.state.dropped, more);
    }

    /// Whether a flush is requested. One load.
    #[inline]
    #[must_use]
    pub fn is_flush_wanted(&self) -> bool {
        // SYNC: worker-flush.
        self.state.flush_wanted.load(Ordering::Acquire) != self.flushed
    }

    /// Reports that `left` items of a requested flush remain; with 0 the flush is done.
    pub fn flush_progress(&mut self, remaining: u64) {
        // SYNC: worker-flush. A request from here on is another flush.
        let wanted = self.state.flush_wanted.load(Ordering::Acquire);
        let is_empty = remaining == 0 || mutant!("flush: done before the buffer is empty");
        if wanted == self.flushed || !is_empty {
            return;
        }
        self.flushed = wanted;
        let processed = self.state.processed.load(Ordering::Relaxed);
        let mut progress = self.state.progress();
        progress.flushed = wanted;
        progress.last = Some(FlushedWorker {
            processed,
            remaining,
        });
        self.state.changed.notify_all();
    }

    /// Records a panic that the worker caught.
    pub fn note_panic(&self, message: &str) {
        self.state.progress().panic = Some(message.to_owned());
    }
}

fn add(counter: &AtomicU64, more: u64) {
    let sum = counter.load(Ordering::Relaxed).wrapping_add(more);
    counter.store(sum, Ordering::Relaxed);
}

impl Drop for WorkerGuard {
    fn drop(&mut self) {
        self.state.stop_accepting();
        let mut progress = self.state.progress();
        if std::thread::panicking() && progress.panic.is_none() {
            progress.panic = Some("the thread panicked".to_owned());
        }
        progress.stopped = true;
        self.state.changed.notify_all();
    }
}

/// Every worker thread of the daemon, by name. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ThreadRegistry(Arc<Mutex<Vec<Arc<ThreadState>>>>);

impl ThreadRegistry {
    /// Registers a worker; its thread takes the guard.
    pub fn register(&self, name: &str) -> WorkerGuard {
        self.enter(ThreadState::new(name, false))
    }

    /// Registers a worker that works for the other parts' shutdown: it accepts new work until its
    /// owner stops it, not only until [`Self::stop_accepting`].
    pub fn register_to_the_end(&self, name: &str) -> WorkerGuard {
        self.enter(ThreadState::new(name, true))
    }

    fn enter(&self, state: ThreadState) -> WorkerGuard {
        let state = Arc::new(state);
        self.lock().push(Arc::clone(&state));
        WorkerGuard { state, flushed: 0 }
    }

    /// Forgets ended workers of this name: the shutdown does not report them.
    pub fn forget(&self, name: &str) {
        self.lock()
            .retain(|thread| thread.name() != name || !thread.is_stopped());
    }

    /// The workers, in the order of registration.
    #[must_use]
    pub fn threads(&self) -> Vec<Arc<ThreadState>> {
        self.lock().clone()
    }

    /// Stops new work in all workers but those that work for the shutdown.
    pub fn stop_accepting(&self) {
        let first = usize::from(mutant!("workers: one of them is not told"));
        for thread in self.lock().iter().filter(|it| !it.to_the_end).skip(first) {
            thread.stop_accepting();
        }
    }

    /// Whether every worker has ended.
    #[must_use]
    pub fn all_stopped(&self) -> bool {
        let threads = self.lock();
        mutant!(
            "workers: all have ended when one has",
            threads.iter().any(|thread| thread.is_stopped()),
            threads.iter().all(|thread| thread.is_stopped())
        )
    }

    /// Waits until every worker has ended.
    ///
    /// # Errors
    /// [`Late`]: the workers that still run after `timeout`.
    pub fn wait_all_stopped(&self, timeout: Duration) -> Result<(), Late> {
        let deadline = Instant::now() + timeout;
        collect(self.threads().iter().map(|it| it.wait_stopped(deadline))).map(drop)
    }

    /// Asks each live worker with one of `names` to empty its buffers, calls `wake` so that none of
    /// them sleeps, and waits for all.
    ///
    /// # Errors
    /// [`Late`]: the workers whose buffers are not empty after `timeout`.
    pub fn flush<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
        timeout: Duration,
        wake: impl FnOnce(),
    ) -> Result<Vec<FlushedWorker>, Late> {
        let deadline = Instant::now() + timeout;
        let names: Vec<&str> = names.collect();
        let mut threads = self.threads();
        threads.retain(|it| names.contains(&it.name()) && !it.is_stopped());
        if mutant!("flush: one of several is asked") {
            threads.truncate(1);
        }
        let numbers: Vec<u64> = threads.iter().map(|it| it.request_flush()).collect();
        wake();
        let waits = threads.iter().zip(numbers);
        collect(waits.map(|(thread, number)| thread.wait_flushed(number, deadline)))
    }

    /// The counters of every worker.
    #[must_use]
    pub fn reports(&self) -> Vec<ThreadReport> {
        self.lock().iter().map(|thread| thread.report()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<ThreadState>>> {
        // No code panics while it holds this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All results, or the names of all late workers.
fn collect<T>(results: impl Iterator<Item = Result<T, Late>>) -> Result<Vec<T>, Late> {
    let mut late = Vec::new();
    let mut done = Vec::new();
    for result in results {
        match result {
            Ok(it) => done.push(it),
            Err(Late(names)) => late.extend(names),
        }
    }
    if late.is_empty() {
        Ok(done)
    } else {
        Err(Late(late))
    }
}
