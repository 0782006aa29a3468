//! The name of one run of the demo, of a test or of the bench.
//!
//! It has the owner's identity in it and stands in the environment of every process that the run
//! starts, and of all that those start. So whoever comes later can tell which processes belong to
//! a run, and whether its owner still lives, without a list that a SIGKILL could leave incomplete.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::process::ProcessId;

/// The environment variable that carries a [`Run`].
pub const RUN_VARIABLE: &str = "ONAIR_RUN";
static ACTIONS: LazyLock<Mutex<Actions>> = LazyLock::new(Mutex::default);
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// One run: the process that owns it, and a number within that process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Run {
    /// The process that takes down what the run put up.
    pub owner: ProcessId,
    /// Counts the owner's runs from 0.
    pub number: u32,
}

impl Run {
    /// The next run of this process.
    ///
    /// # Errors
    /// When `/proc` is not mounted.
    pub fn next() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Ok(Self {
            owner: ProcessId::me()?,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// A command that belongs to this run, as does all that it starts. It leads a session of its
    /// own (setsid(1) executes it in its place), so that a Ctrl-C in the terminal does not reach it
    /// beside the owner's orderly end, and so that a poller's priority counts against all others:
    /// where the kernel groups processes by session, it is one within the session only.
    #[must_use]
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("setsid");
        command
            .arg(program.as_ref())
            .env(RUN_VARIABLE, self.to_string())
            .stdin(Stdio::null());
        command
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.owner.pid, self.owner.start, self.number)
    }
}

impl FromStr for Run {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('-');
        let mut part = || parts.next().ok_or(());
        let run = Self {
            owner: ProcessId {
                pid: part()?.parse().map_err(drop)?,
                start: part()?.parse().map_err(drop)?,
            },
            number: part()?.parse().map_err(drop)?,
        };
        if parts.next().is_some() {
            return Err(());
        }
        Ok(run)
    }
}

type Action = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Actions {
    watching: bool,
    next: u64,
    waiting: BTreeMap<u64, Action>,
}

/// Whether a signal ends this process: what fails now, fails because of that.
#[must_use]
pub fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Keeps an action registered; dropping it takes the action back.
#[derive(Debug)]
pub struct Guard(u64);

impl Drop for Guard {
    fn drop(&mut self) {
        let taken = with(|actions| actions.waiting.remove(&self.0));
        drop(taken);
    }
}

/// From now until the guard is dropped, a signal that ends this process runs `action` first.
/// The newest is run first, all on a thread of their own.
///
/// # Errors
/// When the signal handlers cannot be installed.
pub fn guard(action: impl FnOnce() + Send + 'static) -> Result<Guard> {
    let (number, first) = with(|actions| {
        let first = !std::mem::replace(&mut actions.watching, true);
        actions.next += 1;
        actions.waiting.insert(actions.next, Box::new(action));
        (actions.next, first)
    });
    let guard = Guard(number);
    if first {
        let signals =
            Signals::new([SIGHUP, SIGINT, SIGTERM]).context("installing signal handlers")?;
        std::thread::Builder::new()
            .name("interrupt".into())
            .spawn(move || watch(signals))?;
    }
    Ok(guard)
}

fn watch(mut signals: Signals) {
    for signal in signals.forever() {
        INTERRUPTED.store(true, Ordering::SeqCst);
        eprintln!("\nsignal {signal}: taking down what was put up");
        while let Some(action) = with(|actions| actions.waiting.pop_last()) {
            action.1();
        }
        if emulate_default_handler(signal).is_err() {
            std::process::exit(128 + signal);
        }
    }
}

fn with<T>(f: impl FnOnce(&mut Actions) -> T) -> T {
    f(&mut ACTIONS.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_written_and_read_then_the_same() {
        let run = Run::next().unwrap();
        assert_eq!(run.to_string().parse(), Ok(run));
        assert_eq!("12-x-1".parse::<Run>(), Err(()));
        assert_eq!("1-2-3-4".parse::<Run>(), Err(()));
    }

    #[test]
    fn run_next_then_another() {
        assert_ne!(Run::next().unwrap(), Run::next().unwrap());
    }
}
