//! Running a model, and expecting one to fail.

use std::env;
use std::process::Command;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use onair_ipc::frame_word::FrameWord;

/// Most preemptions in one execution.
const PREEMPTIONS: usize = 5;

/// Set in the process that runs one weakened model.
const SPOILED: &str = "ONAIR_LOOM_SPOILED";
/// Chooses a fault of the product in that process.
const FAULT: &str = "ONAIR_MUTANT";

/// Loom's message for an access that is not ordered after a conflicting one.
pub(crate) const UNORDERED: &str = "Causality violation";
/// Loom's message when every thread waits.
pub(crate) const ASLEEP: &str = "deadlock";

/// Runs every execution of `model`.
pub(crate) fn holds(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(model);
}

/// Runs `other` in a thread beside `this`, on the words that they share. Returns the words.
pub(crate) fn beside<S: Send + Sync + 'static>(
    shared: S,
    other: impl FnOnce(&S) + Send + 'static,
    this: impl FnOnce(&S),
) -> Arc<S> {
    let shared = Arc::new(shared);
    let theirs = Arc::clone(&shared);
    let thread = loom::thread::spawn(move || other(&theirs));
    this(&shared);
    thread.join().expect("the other thread returns");
    shared
}

/// Expects an execution of `model` that fails with `message`, with `fault` in the product or with one of the
/// model's own. The faults of the product are there in a build with `ONAIR_BUILD_MUTANTS=1` only.
///
/// A failing model may abort the process (loom unwinds through its own threads when all of them
/// wait), so the test `name` runs itself again in a child process.
pub(crate) fn fails(
    name: &str,
    fault: Option<&str>,
    message: &str,
    model: impl Fn() + Send + Sync + 'static,
) {
    if env::var_os(SPOILED).is_some() {
        holds(model);
        return;
    }
    let (_crate, name) = name.split_once("::").expect("a path of modules");
    let this = env::current_exe().expect("a test knows its executable");
    let output = Command::new(this)
        .args([name, "--exact", "--nocapture"])
        .env(SPOILED, "1")
        .envs(fault.map(|fault| (FAULT, fault)))
        .output()
        .expect("the test can run itself");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(
        said.contains("running 1 test"),
        "{name} did not find itself:\n{said}"
    );
    assert!(
        !output.status.success(),
        "the mutant passes (was it built, with ONAIR_BUILD_MUTANTS=1?):\n{said}"
    );
    assert!(
        said.contains(message),
        "the mutant fails, but not with {message:?}:\n{said}"
    );
}

/// One test for each weakened model: by a fault of the product, or by its own order of steps.
macro_rules! mutants {
    ($($name:ident $(by $fault:literal)?: $model:expr => $message:expr;)+) => {
        $(#[test]
        fn $name() {
            crate::harness::fails(
                concat!(module_path!(), "::", stringify!($name)),
                None$(.or(Some($fault)))?,
                $message,
                || $model,
            );
        })+
    };
}
pub(crate) use mutants;

/// Memory that the protocol must protect: loom fails the model if two accesses, one of them a
/// write, are not ordered.
pub(crate) struct Protected(UnsafeCell<()>);

// SAFETY: nothing is stored; loom checks that accesses are ordered, which is what is tested.
unsafe impl Sync for Protected {}

impl Protected {
    pub(crate) fn new() -> Self {
        Self(UnsafeCell::new(()))
    }

    pub(crate) fn read(&self) {
        self.0.with(|_| ());
    }

    pub(crate) fn write(&self) {
        self.0.with_mut(|_| ());
    }
}

/// A frame that is on loan under serial 1 and that no caller has taken, and its contents.
pub(crate) fn loaned_frame() -> (FrameWord, Protected) {
    let word = FrameWord::free();
    word.publish(1);
    (word, Protected::new())
}

/// The kernel's side of a futex word.
pub(crate) struct Futex {
    queue: Mutex<()>,
    woken: Condvar,
}

impl Futex {
    pub(crate) fn new() -> Self {
        Self {
            queue: Mutex::new(()),
            woken: Condvar::new(),
        }
    }

    /// `FUTEX_WAIT`: sleeps if the word still has the value.
    pub(crate) fn wait(&self, word: &AtomicU32, value: u32) {
        let queue = self.queue.lock().expect("no code panics with the lock");
        if word.load(Ordering::SeqCst) == value {
            drop(
                self.woken
                    .wait(queue)
                    .expect("no code panics with the lock"),
            );
        }
    }

    /// `FUTEX_WAKE`, of the only sleeper.
    pub(crate) fn wake(&self) {
        let _queue = self.queue.lock().expect("no code panics with the lock");
        self.woken.notify_one();
    }
}
