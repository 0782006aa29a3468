//! Threads of a client, and waits for what they do.

use std::os::fd::AsFd;
use std::os::unix::thread::JoinHandleExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use onair_ipc::caller::{Attachment, Deadline, Lease, Refusal};
use onair_ipc::sys;

/// Result of a call that takes a frame.
pub(crate) type Taken = Result<Lease, Refusal>;

/// Waits for an event.
///
/// # Panics
/// After 20 seconds.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::yield_now();
    }
}

/// Whether `fd` is readable within this time.
pub(crate) fn is_readable(fd: &impl AsFd, within: Duration) -> bool {
    let mut asked = [rustix::event::PollFd::new(fd, rustix::event::PollFlags::IN)];
    let within = within.try_into().unwrap();
    rustix::event::poll(&mut asked, Some(&within)).unwrap() == 1
}

/// `count` threads that wait for a frame without a time-out.
pub(crate) fn callers(client: &Arc<Attachment>, count: usize) -> Vec<JoinHandle<Taken>> {
    let caller = |_| {
        let client = Arc::clone(client);
        std::thread::spawn(move || client.get(Deadline::Never))
    };
    (0..count).map(caller).collect()
}

/// Joins callers; each was stopped.
pub(crate) fn join_stopped(callers: Vec<JoinHandle<Taken>>) {
    for caller in callers {
        assert_eq!(caller.join().unwrap(), Err(Refusal::Again));
    }
}

/// A thread of which a test knows when it sleeps.
pub(crate) struct Sleeper<T> {
    thread: JoinHandle<T>,
    tid: u32,
}

impl<T: Send + 'static> Sleeper<T> {
    /// Runs `call` on a new thread.
    pub(crate) fn start(call: impl FnOnce() -> T + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            sender.send(sys::gettid()).unwrap();
            call()
        });
        let tid = receiver.recv().unwrap();
        Self { thread, tid }
    }

    /// A thread that waits for a frame, asleep.
    pub(crate) fn call(client: &Arc<Attachment>) -> Sleeper<Taken> {
        let client = Arc::clone(client);
        let sleeper = Sleeper::start(move || client.get(Deadline::Never));
        sleeper.until_asleep();
        sleeper
    }

    /// Waits until it is in futex_waitv.
    pub(crate) fn until_asleep(&self) {
        let path = format!("/proc/self/task/{}/syscall", self.tid);
        let asleep = format!("{} ", libc::SYS_futex_waitv);
        let sleeps = || std::fs::read_to_string(&path).is_ok_and(|it| it.starts_with(&asleep));
        until("a thread sleeps", sleeps);
    }

    /// Sends a signal to it.
    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: the thread is not joined before `self` is consumed.
        unsafe { libc::pthread_kill(self.thread.as_pthread_t(), signal) };
    }

    /// Waits until it has returned.
    pub(crate) fn until_done(&self) {
        until("a thread is left asleep", || self.thread.is_finished());
    }

    pub(crate) fn join(self) -> T {
        self.thread.join().unwrap()
    }
}

/// Runs `handler` at each `signal`, which is the test's own. `flags`: as in sigaction(2).
pub(crate) fn on_signal(signal: i32, flags: i32, handler: extern "C" fn(i32)) {
    // SAFETY: the handlers of these tests make calls of the library, which neither lock nor
    // allocate there, and use atomics.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = flags;
        libc::sigaction(signal, &action, std::ptr::null_mut());
    }
}

/// Runs `play` in a forked child. Returns whether it returned true.
pub(crate) fn in_a_child(play: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child only makes calls of the library and drops values, which may allocate:
    // glibc allows that after a fork. It ends without the parent's destructors.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let status = i32::from(!play());
        // SAFETY: as above.
        unsafe { libc::_exit(status) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    unsafe { libc::waitpid(child, &mut status, 0) };
    status == 0
}

/// Marks the child process of a test.
const CHILD: &str = "ONAIR_TEST_CHILD";

/// Whether this process is a test's child; see [`again`].
pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs the test `name` again, in a child process.
pub(crate) fn again(name: &str) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([name, "--exact", "--nocapture", "--test-threads", "1"]);
    child.env(CHILD, "1");
    child
}
