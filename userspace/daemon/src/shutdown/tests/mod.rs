//! The coordinator and the workers, without a daemon: the process does not end.

use crate::config::ShutdownConfig;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use onair_types::{PartOutcome, ShutdownPhase};

use super::coordinator::part;
use super::*;

mod flush;
mod manager;
mod operations;
mod start;
mod threads;

/// The longest wait of any test.
const PATIENCE: Duration = Duration::from_secs(30);
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

/// A thread that takes numbers from its own queue, one at a time. It blocks while a test has
/// `taken` locked.
struct Worker {
    queue: Arc<ArrayQueue<u64>>,
    taken: Arc<Mutex<Vec<u64>>>,
    thread: thread::JoinHandle<()>,
}

impl Worker {
    /// It ends once it does not accept and its queue is empty.
    fn start(registry: &ThreadRegistry, name: &str) -> Self {
        let queue = Arc::new(ArrayQueue::<u64>::new(4096));
        let taken = Arc::new(Mutex::new(Vec::new()));
        let mut guard = registry.register(name);
        let (own, out) = (Arc::clone(&queue), Arc::clone(&taken));
        let thread = thread::spawn(move || {
            loop {
                // Read before the queue: it takes what was queued before the flag.
                let accepting = guard.is_accepting();
                match own.pop() {
                    Some(number) => {
                        out.lock().unwrap().push(number);
                        guard.count_processed(1);
                        guard.flush_progress(own.len() as u64);
                    }
                    None if !accepting => {
                        guard.flush_progress(0);
                        return;
                    }
                    None => {
                        guard.flush_progress(own.len() as u64);
                        thread::park_timeout(Duration::from_millis(1));
                    }
                }
            }
        });
        Self {
            queue,
            taken,
            thread,
        }
    }
}
