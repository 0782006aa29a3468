//! A timer that calls a function, unless it is cancelled first.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use onair_mutant::mutant;

/// Calls a function once, after a time, on its own thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DurationTimer(Arc<TimerShared>);

#[derive(Debug, Default)]
struct TimerShared {
    state: Mutex<TimerState>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TimerState {
    #[default]
    Waiting,
    Cancelled,
    Expired,
}

impl DurationTimer {
    /// Starts the timer.
    ///
    /// # Errors
    /// The kernel's: cannot create a thread.
    pub fn start(
        duration: Duration,
        expired: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<Self> {
        let timer = Self(Arc::default());
        let shared = Arc::clone(&timer.0);
        let late = Duration::from_secs(mutant!("timer: expires late", 60, 0));
        let deadline = Instant::now().checked_add(duration + late);
        Builder::new().name("duration".into()).spawn(move || {
            if shared.wait(deadline) {
                expired();
            }
        })?;
        Ok(timer)
    }

    /// Cancels the timer. Returns whether it had not expired.
    pub fn cancel(&self) -> bool {
        let mut state = self.0.lock();
        if *state == TimerState::Waiting && !mutant!("timer: not cancelled") {
            *state = TimerState::Cancelled;
            self.0.changed.notify_all();
        }
        *state == TimerState::Cancelled
    }

    /// Whether its time passed before it was cancelled.
    #[must_use]
    pub fn has_expired(&self) -> bool {
        *self.0.lock() == TimerState::Expired
    }
}

impl TimerShared {
    fn lock(&self) -> MutexGuard<'_, TimerState> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits. Returns whether the time passed; a deadline beyond the clock's range never does.
    fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.lock();
        loop {
            if *state == TimerState::Cancelled {
                return false;
            }
            let remaining = match deadline {
                Some(at) => at.saturating_duration_since(Instant::now()),
                None => Duration::from_secs(3600),
            };
            if remaining.is_zero() {
                *state = TimerState::Expired;
                return true;
            }
            let woken = self.changed.wait_timeout(state, remaining);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};

    use super::*;
    use crate::shutdown::{Cause, ShutdownCoordinator};
    use onair_settings::config::ShutdownConfig;

    const TIMEOUT: Duration = Duration::from_secs(30);

    /// A coordinator that a timer ends after `duration`, as `--duration` does, and a receiver for
    /// the end of the timer's thread.
    fn timed(
        duration: Duration,
    ) -> (
        ShutdownCoordinator,
        DurationTimer,
        std::sync::mpsc::Receiver<bool>,
    ) {
        let shutdown = ShutdownCoordinator::new(ShutdownConfig::default()).unwrap();
        let (sender, expired) = channel();
        let end = shutdown.clone();
        let timer = DurationTimer::start(duration, move || {
            sender.send(end.begin(Cause::Duration(duration))).unwrap();
        })
        .unwrap();
        let own = timer.clone();
        shutdown.register_shutdown_notification("duration timer", move || {
            own.cancel();
        });
        (shutdown, timer, expired)
    }

    #[test]
    #[expect(non_snake_case, reason = "the name that the requirements give")]
    fn timer__shutdown__then_cancelled() {
        let (shutdown, timer, expired) = timed(Duration::from_secs(3600));
        shutdown.begin(Cause::Signal(15));
        shutdown.run();
        // Its thread is gone, and did not call the function.
        let end = expired.recv_timeout(TIMEOUT);
        assert_eq!(end, Err(RecvTimeoutError::Disconnected));
        assert!(!timer.has_expired());
    }

    #[test]
    #[expect(non_snake_case, reason = "the name that the requirements give")]
    fn timer__expire_during_shutdown__then_ignored() {
        let (shutdown, timer, expired) = timed(Duration::from_secs(1));
        // Long before it expires, and before the timer is cancelled.
        shutdown.begin(Cause::Signal(15));
        assert_eq!(expired.recv_timeout(TIMEOUT), Ok(false));
        assert!(timer.has_expired() && !timer.cancel());
        assert_eq!(shutdown.run().cause, Cause::Signal(15));
    }

    #[test]
    #[expect(non_snake_case, reason = "the name that the requirements give")]
    fn timer__cancel__then_stops_immediately() {
        let (_shutdown, timer, expired) = timed(Duration::from_secs(3600));
        assert!(timer.cancel());
        let end = expired.recv_timeout(TIMEOUT);
        assert_eq!(end, Err(RecvTimeoutError::Disconnected));
        assert!(timer.cancel(), "a second time changes nothing");
    }

    #[test]
    fn timer_expires_then_the_daemon_is_asked_to_end() {
        let duration = Duration::from_millis(1);
        let (shutdown, _, expired) = timed(duration);
        assert_eq!(expired.recv_timeout(TIMEOUT), Ok(true));
        assert_eq!(shutdown.run().cause, Cause::Duration(duration));
    }
}
