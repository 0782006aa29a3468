//! Ctrl-C, SIGTERM and SIGHUP: what is put up is taken down, then the signal does what it does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

type Action = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Actions {
    watching: bool,
    next: u64,
    waiting: BTreeMap<u64, Action>,
}

static ACTIONS: LazyLock<Mutex<Actions>> = LazyLock::new(Mutex::default);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

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
