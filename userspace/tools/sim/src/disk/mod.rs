//! Lives of a daemon's state directory: the real archive and store on a simulated disk, on which the
//! daemon dies and starts again. A seed is a life.
//!
//! | file | noun |
//! |---|---|
//! | `platter` | the disk and the page cache: what a power cut leaves |
//! | `device` | its operations, their faults, and the daemon's death at one |
//! | `plan` | what operators do, and what happens to disk and daemon |
//! | `promises` | the oracle: what operators were told, and what a restart must find |
//! | `daemon` | the control thread's state: real cores, archive and store |
//! | `deeds`, `service` | what operators ask of it; its start, turns and end |
//! | `certificate` | certificates from the cores' evidence |
//! | `life` | one life |

mod certificate;
mod daemon;
mod deeds;
mod device;
mod life;
mod plan;
mod platter;
mod promises;
mod service;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use onair_sim_kernel::{TaskId, now_ns};

use plan::DiskDeed;

pub(crate) use self::life::live;
pub(crate) use self::plan::DiskPlan;

/// The state directory.
const STATE: &str = "/state";

/// A request to the control thread.
#[derive(Clone, Copy, Debug)]
enum Request {
    /// A deed of an operator.
    Deed(DiskDeed),
    /// End in order.
    Shutdown,
    /// Tell whether anything is not on disk.
    Check,
}

/// State that outlives the daemon.
#[derive(Debug, Default)]
struct Scene {
    requests: VecDeque<Request>,
    /// The control thread of the daemon, if there is one.
    control: Option<TaskId>,
    /// The daemon serves requests.
    is_ready: bool,
    /// It has ended in order.
    has_ended: bool,
    /// The answer to a [`Request::Check`]: what is not on disk.
    unwritten: Option<String>,
    /// The daemon is killed at its next answer.
    dies_at_answer: bool,
    /// Highest incarnation of a daemon.
    incarnation: u32,
    /// Seconds of the wall clock.
    seconds: u64,
    violations: Vec<String>,
    trace: Vec<String>,
    is_traced: bool,
}

thread_local! {
    static SCENE: RefCell<Scene> = RefCell::default();
}

/// Looks at the scene, or changes it. Makes no step.
fn scene<R>(using: impl FnOnce(&mut Scene) -> R) -> R {
    SCENE.with(|it| using(&mut it.borrow_mut()))
}

/// Notes what happened.
fn trace(what: impl FnOnce() -> String) {
    if scene(|it| it.is_traced) {
        let line = format!("{:>12} {}", now_ns() - 1_000_000_000, what());
        scene(|it| it.trace.push(line));
    }
}

/// Notes something that must not be.
fn violation(what: String) {
    trace(|| format!("VIOLATION {what}"));
    scene(|it| it.violations.push(what));
}

/// The virtual time.
fn now() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now) + Duration::from_nanos(now_ns())
}
