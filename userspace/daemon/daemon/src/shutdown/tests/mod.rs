//! The coordinator and the workers, without a daemon: the process does not end.

use std::ops::Range;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use onair_api::{PartOutcome, ShutdownPhase};
use onair_settings::config::ShutdownConfig;
use onair_workers::{FlushedWorker, Late, ThreadRegistry, Worker, WorkerGuard};

use super::*;

mod flush;
mod manager;
mod sequence;
mod threads;

/// The longest wait of any test.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Time-out of a part that hangs.
const SHORT: Duration = Duration::from_millis(50);

fn coordinator() -> ShutdownCoordinator {
    with(|_| {})
}

fn with(change: impl FnOnce(&mut ShutdownConfig)) -> ShutdownCoordinator {
    let mut config = ShutdownConfig::default();
    change(&mut config);
    ShutdownCoordinator::new(config).unwrap()
}

/// Runs the whole sequence.
fn ended(coordinator: &ShutdownCoordinator) -> Report {
    assert!(coordinator.begin(Cause::Signal(15)));
    coordinator.run()
}

fn names(report: &Report, outcome: PartOutcome) -> Vec<&str> {
    let parts = report.status.parts.iter();
    parts
        .filter(|it| it.outcome == outcome)
        .map(|it| it.name.as_str())
        .collect()
}

/// The daemon's own writer thread, whose jobs are numbers. It blocks while a test has `taken` locked.
struct Writer {
    taken: Arc<Mutex<Vec<u64>>>,
    worker: Worker<u64>,
}

impl Writer {
    fn start(registry: &ThreadRegistry, name: &str) -> Self {
        let taken: Arc<Mutex<Vec<u64>>> = Arc::default();
        let out = Arc::clone(&taken);
        let worker = Worker::start(registry, name, move |number| {
            out.lock().unwrap().push(number);
            Ok(())
        });
        let worker = worker.unwrap();
        Self { taken, worker }
    }

    fn hand_in(&self, mut numbers: Range<u64>) {
        numbers.try_for_each(|it| self.worker.hand_in(it)).unwrap();
    }

    fn taken(&self) -> usize {
        self.taken.lock().unwrap().len()
    }

    /// Ends it, as the daemon does. Returns what it has taken.
    fn close(self) -> Vec<u64> {
        self.worker.close(Instant::now() + TIMEOUT).unwrap();
        std::mem::take(&mut self.taken.lock().unwrap())
    }
}
