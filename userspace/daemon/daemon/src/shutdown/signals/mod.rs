//! Signals: the action of each, and the thread that runs it.
//!
//! The handlers are signal-hook's: they set a flag and write to a pipe ([`SignalPipe`]), and do not
//! allocate, lock or wait. signal-hook installs them permanently, with `SA_RESTART` but an empty mask.
//! So this module installs them again with each other's signals blocked, and [`Signals::restore`] puts
//! the previous dispositions back; both through [`Disposition`].

mod emergency;
mod pipe;

use std::collections::BTreeMap;
use std::mem::take;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use onair_ipc::sys::Disposition;
use onair_mutant::mutant;
use rustix::process::{WaitOptions, child_subreaper, getpid, wait};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1};

use self::pipe::{HandlerActions, SignalPipe};
use super::coordinator::ShutdownCoordinator;
use super::exit::Cause;
use crate::log;

/// The signals that are handled. Each is blocked while another one's handler runs.
pub const HANDLED: [i32; 5] = [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD];

/// Effect of a signal of [`HANDLED`], for the documentation.
#[must_use]
pub const fn meaning(signal: i32) -> &'static str {
    match signal {
        SIGTERM => {
            "shuts the daemon down. A start finishes first. Clients get the event `draining`. The \
             daemon stops every session, and destroys each as its last user leaves, for at most \
             `timeouts.graceful_ms`. Signals within `shutdown.debounce_ms` count as one. A later \
             one forces: the daemon waits for no user, and a start ends. A third, `debounce_ms` \
             later again, ends the process at once. `onairctl shutdown` and `--duration 90s` \
             act as the first."
        }
        SIGINT => "the same.",
        SIGHUP => "reloads the configuration.",
        SIGUSR1 => "prints the state on standard error, one line of JSON.",
        SIGCHLD => "reaps orphans, as PID 1 or as a subreaper.",
        _ => "",
    }
}

/// One installation in a process.
static INSTALLED: AtomicBool = AtomicBool::new(false);
/// signal-hook installs a handler only once in a process's life: the disposition that it set.
static HANDLERS: Mutex<BTreeMap<i32, Disposition>> = Mutex::new(BTreeMap::new());

/// Why signals are not handled.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// This process already handles its signals.
    #[error("signal handlers are already installed: restore them first")]
    Installed,
    /// The kernel refused.
    #[error("cannot handle signals: {0}")]
    System(#[from] std::io::Error),
}

/// Installed handlers, until [`Self::restore`] or drop.
#[derive(Debug)]
pub struct Signals {
    before: Vec<Disposition>,
    actions: HandlerActions,
    threads: Vec<JoinHandle<()>>,
}

enum SignalTask {
    Reload,
    Dump,
}

impl Signals {
    /// Installs the handlers and starts the threads `signals` and `tasks`. `last_resort` is called
    /// for a signal after the forced shutdown; it should end the process.
    ///
    /// # Errors
    /// [`SignalError`]: installed already, or the kernel's error.
    pub fn install(
        shutdown: &ShutdownCoordinator,
        last_resort: impl Fn() + Send + 'static,
    ) -> Result<Self, SignalError> {
        // SYNC: none. The swap alone decides; the winner's work is its own.
        if INSTALLED.swap(true, Ordering::AcqRel) {
            return Err(SignalError::Installed);
        }
        // From here on drop restores everything.
        let mut signals = Self {
            before: Vec::new(),
            actions: HandlerActions::default(),
            threads: Vec::new(),
        };
        for signal in HANDLED {
            signals.before.push(Disposition::of(signal)?);
        }
        let (actions, pipe) = SignalPipe::open(&HANDLED)?;
        signals.actions = actions;
        let mut handlers = HANDLERS.lock().unwrap_or_else(PoisonError::into_inner);
        for signal in HANDLED {
            let handler = match handlers.get(&signal) {
                Some(known) => *known,
                None => Disposition::of(signal)?.blocking(&HANDLED),
            };
            handler.install()?;
            handlers.insert(signal, handler);
        }
        drop(handlers);
        let (tasks, list) = channel();
        let own = shutdown.clone();
        let thread = Builder::new().name("signal-tasks".into()).spawn(move || {
            for task in list {
                run_task(&own, &task);
            }
        })?;
        signals.threads.push(thread);
        let mut taker = Taker {
            shutdown: shutdown.clone(),
            tasks,
            last_resort: Box::new(last_resort),
            first: None,
            forced: None,
        };
        let thread = Builder::new().name("signals".into()).spawn(move || {
            // Orphans that ended before the handler existed: no signal reports them again.
            reap_orphans();
            pipe.run(|signal| {
                if catch_unwind(AssertUnwindSafe(|| taker.take(signal))).is_err() {
                    emergency::say(emergency::PANIC);
                    taker.shutdown.begin(Cause::Signal(signal));
                }
            });
        })?;
        signals.threads.push(thread);
        Ok(signals)
    }

    /// Restores the previous handlers and joins the threads.
    pub fn restore(self) {
        drop(self);
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for before in &self.before {
            if mutant!("signals: the old handlers are not restored") {
                break;
            }
            if let Err(error) = before.install() {
                tracing::error!(%error, ?before, "cannot restore a signal's handler");
            }
        }
        // The thread `signals` takes what they wrote, and ends.
        drop(take(&mut self.actions));
        // `signals` first: it owns the channel to `tasks`.
        for thread in self.threads.drain(..).rev() {
            // The thread caught and reported its panic.
            let _ = thread.join();
        }
        INSTALLED.store(false, Ordering::Release);
    }
}

/// The work of the thread `signals`.
struct Taker {
    shutdown: ShutdownCoordinator,
    tasks: Sender<SignalTask>,
    last_resort: Box<dyn Fn() + Send>,
    /// Time of the first termination signal. The shutdown may have begun earlier for another
    /// reason.
    first: Option<Instant>,
    forced: Option<Instant>,
}

impl Taker {
    fn take(&mut self, signal: i32) {
        match signal {
            SIGTERM | SIGINT => self.end(signal),
            // The thread lives as long as this one.
            SIGHUP => drop(self.tasks.send(SignalTask::Reload)),
            SIGUSR1 => drop(self.tasks.send(SignalTask::Dump)),
            SIGCHLD => reap_orphans(),
            _ => {}
        }
    }

    fn end(&mut self, signal: i32) {
        let Some(first) = self.first else {
            self.first = Some(Instant::now());
            self.shutdown.begin(Cause::Signal(signal));
            return;
        };
        let debounce = self.shutdown.config().debounce();
        match self.forced {
            Some(at) if at.elapsed() >= debounce => {
                emergency::say(emergency::THIRD);
                (self.last_resort)();
            }
            Some(_) => {}
            None => {
                let acknowledged = self.shutdown.acknowledged();
                let is_second = |since: Duration| since.min(first.elapsed()) >= debounce;
                let is_second = acknowledged.is_some_and(is_second)
                    && !mutant!("signals: a second one counts as the first");
                if is_second && self.shutdown.force() {
                    emergency::log(emergency::SECOND);
                    self.forced = Some(Instant::now());
                }
            }
        }
    }
}

fn run_task(shutdown: &ShutdownCoordinator, task: &SignalTask) {
    match task {
        SignalTask::Reload => shutdown.reload(),
        SignalTask::Dump => log::state(&shutdown.dump()),
    }
}

/// Reaps every dead orphan: as PID 1, or as a subreaper, the daemon inherits them. It starts no
/// children of its own. Never blocks.
fn reap_orphans() {
    let is_subreaper = || child_subreaper().is_ok_and(|it| it.is_some());
    if !getpid().is_init() && !is_subreaper() {
        // A child belongs to the code that started the daemon in its own process.
        return;
    }
    while let Ok(Some((pid, _))) = wait(WaitOptions::NOHANG) {
        tracing::debug!(pid = pid.as_raw_nonzero(), "reaped an orphan");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_settings::config::ShutdownConfig;

    const DEBOUNCE: Duration = Duration::from_secs(60);

    #[test]
    fn signals_end_began_without_one_then_only_a_second_one_forces() {
        let shutdown = ShutdownCoordinator::new(ShutdownConfig {
            debounce_ms: 60_000,
            ..ShutdownConfig::default()
        })
        .unwrap();
        let mut taker = taker(&shutdown);
        shutdown.begin(Cause::Duration(Duration::ZERO));
        let long_ago = Instant::now().checked_sub(DEBOUNCE);
        shutdown.shared.ledger().acknowledged = long_ago;
        taker.take(SIGTERM);
        assert!(!shutdown.is_forced(), "it says what was said already");
        taker.take(SIGINT);
        assert!(!shutdown.is_forced(), "that one belongs to it");
        taker.first = long_ago;
        taker.take(SIGTERM);
        assert!(shutdown.is_forced());
    }

    fn taker(shutdown: &ShutdownCoordinator) -> Taker {
        Taker {
            shutdown: shutdown.clone(),
            tasks: channel().0,
            last_resort: Box::new(|| {}),
            first: None,
            forced: None,
        }
    }
}
