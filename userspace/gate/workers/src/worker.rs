//! A thread that runs jobs one after the other, in the order in which they were handed in: it
//! writes certificates and sessions to disk, and unmaps memory.
//!
//! A job that fails or panics is counted and reported at the end; the next one runs as usual. A
//! panic in a batch of jobs counts against each of them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use onair_ipc::sys;
use onair_mutant::mutant;

use crate::panic_text;
use crate::registry::{Late, ThreadRegistry, ThreadState, WorkerGuard};

/// The thread, and the queue to it. Dropping it waits for the jobs that were handed in: they are
/// lost only if the thread is abandoned.
#[derive(Debug)]
pub struct Worker<J> {
    state: Arc<ThreadState>,
    /// A job; `None` only wakes the thread.
    jobs: Option<Sender<Option<J>>>,
    tally: Arc<Tally>,
    /// `None` once the thread was abandoned.
    thread: Option<JoinHandle<()>>,
}

/// Counters shared by the thread and its owner.
#[derive(Debug, Default)]
struct Tally {
    handed_in: AtomicU64,
    failed: Mutex<Failed>,
}

#[derive(Debug, Default)]
struct Failed {
    jobs: u64,
    last: Option<JobError>,
}

/// Why a job failed.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The system's error.
    #[error(transparent)]
    System(io::Error),
    /// The panic's message.
    #[error("{0}")]
    Panicked(String),
}

/// Jobs that were handed in and are not done at the end of a [`Worker`].
#[derive(Debug, thiserror::Error)]
pub enum JobsNotDone {
    /// The thread is late, and abandoned.
    #[error("{late}: {open} of {handed_in} jobs are not done")]
    Late {
        /// The thread's name.
        late: Late,
        /// Jobs that are not done.
        open: u64,
        /// Jobs in all.
        handed_in: u64,
    },
    /// The thread has ended before.
    #[error("{done} of {handed_in} jobs were done")]
    Ended {
        /// Jobs done.
        done: u64,
        /// Jobs in all.
        handed_in: u64,
    },
    /// All were tried.
    #[error("{failed} of {handed_in} jobs failed, the last with: {last}")]
    Failed {
        /// Jobs that failed.
        failed: u64,
        /// Jobs in all.
        handed_in: u64,
        /// The last failure.
        last: JobError,
    },
}

impl Tally {
    fn failed(&self) -> MutexGuard<'_, Failed> {
        // No code panics while it holds the lock.
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, error: JobError) {
        let mut failed = self.failed();
        failed.jobs += mutant!("jobs: a failed one is not counted", 0, 1);
        failed.last = Some(error);
    }
}

impl<J: Send + 'static> Worker<J> {
    /// Starts thread `name`, which calls `work` with each job. It is registered in `threads`, and
    /// accepts jobs until [`Self::close`]: the end of the other threads may still hand in work.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        threads: &ThreadRegistry,
        name: &str,
        mut work: impl FnMut(J) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        Self::start_in_batches(threads, name, 1, move |jobs| {
            jobs.into_iter().map(&mut work).collect()
        })
    }

    /// As [`Self::start`], for a thread that runs up to `most` waiting jobs at once, and returns
    /// the result of each.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start_in_batches(
        threads: &ThreadRegistry,
        name: &str,
        most: usize,
        work: impl FnMut(Vec<J>) -> Vec<io::Result<()>> + Send + 'static,
    ) -> io::Result<Self> {
        let guard = mutant!(
            "jobs: refused as soon as the shutdown begins",
            threads.register(name),
            threads.register_to_the_end(name)
        );
        let state = Arc::clone(guard.state());
        let tally = Arc::new(Tally::default());
        let (jobs, list) = channel();
        let own = Arc::clone(&tally);
        let thread = Builder::new()
            .name(name.into())
            .spawn(move || run(&list, guard, &own, most, work))?;
        Ok(Self {
            state,
            jobs: Some(jobs),
            tally,
            thread: Some(thread),
        })
    }

    /// Hands a job in. Never blocks.
    ///
    /// # Errors
    /// The job, if no more jobs are accepted.
    pub fn hand_in(&self, job: J) -> Result<(), J> {
        if !self.state.is_accepting() {
            self.state.count_dropped(1);
            return Err(job);
        }
        // Relaxed: the channel orders it before the thread reads it.
        self.tally.handed_in.fetch_add(1, Ordering::Relaxed);
        match self.send(Some(job)) {
            Some(job) => Err(job),
            None => Ok(()),
        }
    }

    /// Accepts no more jobs, waits until all jobs that were handed in are done, and ends the
    /// thread. At `deadline` the thread is abandoned.
    ///
    /// # Errors
    /// [`JobsNotDone`].
    pub fn close(mut self, deadline: Instant) -> Result<(), JobsNotDone> {
        self.state.stop_accepting();
        let number = self.state.request_flush();
        // A thread that has ended cannot be woken, and the wait reports that at once.
        self.send(None);
        let flushed = self.state.wait_flushed(number, deadline);
        let handed_in = self.tally.handed_in.load(Ordering::Relaxed);
        let done = match flushed {
            Ok(flushed) => flushed.processed,
            Err(late) => {
                self.thread = None;
                return Err(JobsNotDone::Late {
                    late,
                    open: handed_in.saturating_sub(self.state.report().processed),
                    handed_in,
                });
            }
        };
        if done != handed_in {
            return Err(JobsNotDone::Ended { done, handed_in });
        }
        let failed = std::mem::take(&mut *self.tally.failed());
        match failed.last {
            Some(last) if failed.jobs > 0 => Err(JobsNotDone::Failed {
                failed: failed.jobs,
                handed_in,
                last,
            }),
            _ => Ok(()),
        }
    }

    /// Sends a job to the thread; returns a job that cannot be sent.
    fn send(&self, job: Option<J>) -> Option<J> {
        let jobs = self.jobs.as_ref().expect("it is there until the end");
        jobs.send(job).err().and_then(|returned| returned.0)
    }
}

impl<J> Drop for Worker<J> {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic was caught inside.
            let _ = thread.join();
        }
    }
}

fn run<J>(
    jobs: &Receiver<Option<J>>,
    mut guard: WorkerGuard,
    tally: &Tally,
    most: usize,
    mut work: impl FnMut(Vec<J>) -> Vec<io::Result<()>>,
) {
    // The control thread hands in several jobs in a turn, and ends the turn first.
    sys::preempt_at_wake_up(false);
    let mut done = 0;
    while let Ok(first) = jobs.recv() {
        let waiting = jobs.try_iter().take(most - 1);
        let batch: Vec<J> = std::iter::once(first).chain(waiting).flatten().collect();
        if !batch.is_empty() {
            let count = batch.len();
            // From here on it is the disk that wakes it up: on a busy machine each wait for a turn
            // would come on top of the disk's.
            sys::preempt_at_wake_up(true);
            match catch_unwind(AssertUnwindSafe(|| work(batch))) {
                Ok(results) => {
                    for error in results.into_iter().filter_map(Result::err) {
                        tally.fail(JobError::System(error));
                    }
                }
                Err(panic) => {
                    let message = panic_text::of(&*panic);
                    guard.note_panic(&message);
                    (0..count).for_each(|_| tally.fail(JobError::Panicked(message.clone())));
                }
            }
            sys::preempt_at_wake_up(false);
            done += count as u64;
            guard.set_processed(done);
        }
        if guard.is_flush_wanted() {
            // Read after that: it includes every job that was handed in before the flush request.
            let handed_in = tally.handed_in.load(Ordering::Relaxed);
            let remaining = handed_in.saturating_sub(done);
            guard.flush_progress(mutant!(
                "jobs: the end does not wait for them",
                0,
                remaining
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::time::Duration;

    use super::*;

    /// Maximum time that a test waits for an event.
    fn later() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    /// The policy of a thread of this process: field 41, proc_pid_stat(5). The third field is the
    /// first after the name.
    fn policy_of(thread: &str) -> i32 {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let policy = fields.split_ascii_whitespace().nth(38).unwrap();
        policy.parse().unwrap()
    }

    #[test]
    fn worker_waits_for_a_job_then_it_preempts_only_amid_a_job() {
        let (told, tid) = channel();
        let worker = Worker::start(&ThreadRegistry::default(), "worker", move |()| {
            let own = sys::gettid().to_string();
            let policy = policy_of(&own);
            told.send((own, policy)).map_err(io::Error::other)
        });
        let worker = worker.unwrap();
        worker.hand_in(()).unwrap();
        let (tid, amid) = tid.recv().unwrap();
        assert_eq!(amid, libc::SCHED_OTHER);
        let limit = later();
        while policy_of(&tid) != libc::SCHED_BATCH {
            assert!(Instant::now() < limit, "it waits as any thread does");
            std::thread::yield_now();
        }
        worker.close(later()).unwrap();
    }

    #[test]
    fn worker_jobs_handed_in_and_closed_then_all_done_in_order() {
        let threads = ThreadRegistry::default();
        let (done, seen) = channel();
        let barrier = Arc::new(Barrier::new(2));
        let own = Arc::clone(&barrier);
        let worker = Worker::start(&threads, "worker", move |job: u32| {
            if job == 0 {
                own.wait();
            }
            done.send(job).map_err(io::Error::other)
        });
        let worker = worker.unwrap();
        (0..1000).for_each(|job| worker.hand_in(job).unwrap());
        // The end of the other threads does not end it: what they leave is still to be done.
        threads.stop_accepting();
        worker.hand_in(1000).unwrap();
        std::thread::scope(|scope| {
            let closed = scope.spawn(move || worker.close(later()));
            // It is closed while nearly all of the jobs are still to be done.
            while threads.threads()[0].is_accepting() {
                std::thread::yield_now();
            }
            barrier.wait();
            closed.join().unwrap().unwrap();
        });
        assert!(seen.try_iter().eq(0..=1000));
        let report = threads.reports().remove(0);
        assert_eq!((report.processed, report.dropped_by_shutdown), (1001, 0));
        assert!(report.is_stopped && !report.is_accepting);
    }

    #[test]
    fn worker_jobs_that_fail_or_panic_then_the_rest_is_done() {
        let threads = ThreadRegistry::default();
        let (done, seen) = channel();
        let worker = Worker::start(&threads, "worker", move |job: u32| match job {
            1 => Err(io::Error::other("no space")),
            2 => panic!("on purpose"),
            _ => done.send(job).map_err(io::Error::other),
        });
        let worker = worker.unwrap();
        (0..4).for_each(|job| worker.hand_in(job).unwrap());
        let said = worker.close(later()).unwrap_err();
        assert_eq!(
            said.to_string(),
            "2 of 4 jobs failed, the last with: on purpose"
        );
        assert!(seen.try_iter().eq([0, 3]));
        assert_eq!(threads.reports()[0].panic.as_deref(), Some("on purpose"));
    }

    #[test]
    fn worker_in_batches_then_all_done_at_once_and_failures_counted() {
        let threads = ThreadRegistry::default();
        let (done, seen) = channel();
        let barrier = Arc::new(Barrier::new(2));
        let own = Arc::clone(&barrier);
        let worker = Worker::start_in_batches(&threads, "worker", 4, move |jobs: Vec<u32>| {
            done.send(jobs.clone()).unwrap();
            if jobs == [0] {
                own.wait();
                own.wait();
            }
            assert!(!jobs.contains(&8), "on purpose");
            let odd = |job: u32| {
                if job % 2 == 1 {
                    Err(io::Error::other("odd"))
                } else {
                    Ok(())
                }
            };
            jobs.into_iter().map(odd).collect()
        });
        let worker = worker.unwrap();
        worker.hand_in(0).unwrap();
        barrier.wait();
        (1..=9).for_each(|job| worker.hand_in(job).unwrap());
        barrier.wait();
        let said = worker.close(later()).unwrap_err();
        // 1 and 3; all four jobs of the batch that panicked; 9.
        assert_eq!(said.to_string(), "7 of 10 jobs failed, the last with: odd");
        let batches: Vec<Vec<u32>> = seen.try_iter().collect();
        assert_eq!(
            batches,
            [vec![0], vec![1, 2, 3, 4], vec![5, 6, 7, 8], vec![9]]
        );
        assert_eq!(threads.reports()[0].processed, 10);
    }

    #[test]
    fn worker_hangs_in_a_job_then_named_and_later_jobs_dropped() {
        let threads = ThreadRegistry::default();
        let (begun, has_begun) = channel();
        let worker = Worker::start(&threads, "stuck", move |_: u32| {
            begun.send(()).unwrap();
            loop {
                std::thread::park();
            }
        });
        let worker = worker.unwrap();
        (0..3).for_each(|job| worker.hand_in(job).unwrap());
        has_begun.recv().unwrap();
        threads.threads()[0].stop_accepting();
        assert_eq!(worker.hand_in(7), Err(7));
        let said = worker.close(Instant::now()).unwrap_err();
        assert_eq!(
            said.to_string(),
            "not in time: stuck: 3 of 3 jobs are not done"
        );
        let report = threads.reports().remove(0);
        assert_eq!((report.dropped_by_shutdown, report.is_stopped), (1, false));
    }
}
