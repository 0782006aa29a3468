//! The clock, and what waits for it.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, UNIX_EPOCH};

use onair_api::Timestamp;
use onair_engine::clock::Clock;
use onair_engine::machine::Later;

/// The wall clock at the start: 2026-01-01.
const WALL: Duration = Duration::from_secs(1_767_225_600);
/// `CLOCK_MONOTONIC` at the start.
const MONOTONIC: Duration = Duration::from_secs(1000);

/// TAI minus the monotonic time, in ns: no reading of this machine's clocks, so that each life is the same anywhere.
pub(crate) const TAI_AHEAD_NS: u64 = (WALL.as_secs() + 37 - MONOTONIC.as_secs()) * 1_000_000_000;

/// Time that passes when the test says so.
#[derive(Debug)]
pub(crate) struct Time {
    /// An instant has no value of its own: only what passes since then counts.
    start: Instant,
    state: Mutex<TimeState>,
}

#[derive(Debug, Default)]
struct TimeState {
    passed: Duration,
    timers: Vec<Instant>,
}

impl Time {
    pub(crate) fn start() -> Self {
        let start = Instant::now();
        NOW.set(Some(start));
        Self {
            start,
            state: Mutex::default(),
        }
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self
    }

    pub(crate) fn passed(&self) -> Duration {
        self.state().passed
    }

    fn state(&self) -> std::sync::MutexGuard<'_, TimeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.state().passed += time;
        NOW.set(Some(self.now()));
    }

    /// The first timer after `now`.
    pub(crate) fn next_timer(&self, now: Instant) -> Option<Instant> {
        let timers = &mut self.state().timers;
        timers.retain(|it| *it > now);
        timers.iter().min().copied()
    }

    pub(crate) fn sleep_until(self: &Arc<Self>, at: Instant) -> Later<()> {
        self.state().timers.push(at);
        let time = Arc::clone(self);
        Box::pin(std::future::poll_fn(move |_| match time.now() >= at {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }))
    }
}

impl Clock for Time {
    fn now(&self) -> Instant {
        self.start + self.passed()
    }

    fn wall(&self) -> Timestamp {
        Timestamp(UNIX_EPOCH + WALL + self.passed())
    }

    fn monotonic_ns(&self) -> u64 {
        u64::try_from((MONOTONIC + self.passed()).as_nanos()).unwrap_or(u64::MAX)
    }
}

thread_local! {
    static NOW: Cell<Option<Instant>> = const { Cell::new(None) };
    static TASKS: RefCell<Vec<Later<()>>> = const { RefCell::new(Vec::new()) };
}

/// The time of the life of this thread.
pub(crate) fn now() -> Instant {
    NOW.get().unwrap_or_else(Instant::now)
}

/// The engine's tasks of this thread, beside its turns.
#[derive(Debug)]
pub(crate) struct Tasks;

impl Tasks {
    pub(crate) fn add(work: Later<()>) {
        TASKS.with_borrow_mut(|tasks| tasks.push(work));
    }

    /// Tasks that have not ended.
    pub(crate) fn count(&self) -> usize {
        TASKS.with_borrow(Vec::len)
    }

    /// Lets each go on. Returns whether one has ended.
    pub(crate) fn poll(&self) -> bool {
        let mut tasks = TASKS.take();
        let before = tasks.len();
        let mut context = Context::from_waker(Waker::noop());
        tasks.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
        let ended = tasks.len() < before;
        // One may have begun another.
        TASKS.with_borrow_mut(|more| {
            tasks.append(more);
            *more = tasks;
        });
        ended
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        TASKS.take();
    }
}
