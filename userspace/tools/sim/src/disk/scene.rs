//! State that outlives the daemon in a life: the operators' requests, and notes about them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use onair_sim_kernel::{TaskId, now_ns};

use super::plan::DiskDeed;

/// A request to the control thread.
#[derive(Clone, Copy, Debug)]
pub(super) enum Request {
    /// A deed of an operator.
    Deed(DiskDeed),
    /// End in order.
    Shutdown,
    /// Tell whether anything is not on disk.
    Check,
}

/// State that outlives the daemon.
#[derive(Debug, Default)]
pub(super) struct Scene {
    pub(super) requests: VecDeque<Request>,
    /// The control thread of the daemon, if there is one.
    pub(super) control: Option<TaskId>,
    /// The daemon serves requests.
    pub(super) is_ready: bool,
    /// It has ended in order.
    pub(super) has_ended: bool,
    /// The answer to a [`Request::Check`]: what is not on disk.
    pub(super) unwritten: Option<String>,
    /// The daemon is killed at its next answer.
    pub(super) dies_at_answer: bool,
    /// Highest incarnation of a daemon.
    pub(super) incarnation: u32,
    /// Seconds of the wall clock.
    pub(super) seconds: u64,
    pub(super) violations: Vec<String>,
    pub(super) trace: Vec<String>,
    pub(super) is_traced: bool,
}

thread_local! {
    static SCENE: RefCell<Scene> = RefCell::default();
}

/// Looks at the scene, or changes it. Makes no step.
pub(super) fn scene<R>(using: impl FnOnce(&mut Scene) -> R) -> R {
    SCENE.with(|it| using(&mut it.borrow_mut()))
}

/// Notes what happened.
pub(super) fn trace(what: impl FnOnce() -> String) {
    if scene(|it| it.is_traced) {
        let line = format!("{:>12} {}", now_ns() - 1_000_000_000, what());
        scene(|it| it.trace.push(line));
    }
}

/// Notes something that must not be.
pub(super) fn violation(what: String) {
    trace(|| format!("VIOLATION {what}"));
    scene(|it| it.violations.push(what));
}

/// The virtual time.
pub(super) fn now() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now) + Duration::from_nanos(now_ns())
}
