//! A signal handler may call `stop` and `start` of a caller's process: they preserve `errno`,
//! allocate nothing, and make no system call that waits.
#![cfg(not(feature = "loom"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod rig;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{PipeReader, Write as _};
use std::os::unix::thread::JoinHandleExt as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use onair_ipc::caller::Attachment;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use rig::Session;
use rig::threads::{callers, is_readable, join_stopped, on_signal, until};

/// The system's allocator, which counts the present thread's allocations.
struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is handed on as it is; the count does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.with(|calls| calls.set(calls.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        CALLS.with(|calls| calls.set(calls.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// From now on this thread may wake with futex(2), but not wait: any other use ends the process
/// (SIGSYS).
fn only_wakes() {
    // FUTEX_WAKE is 1; FUTEX_PRIVATE_FLAG, 128, may be set.
    let waits = |operation| {
        let is_it = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, operation);
        is_it.unwrap()
    };
    let rule = SeccompRule::new(vec![waits(1), waits(1 | 128)]).unwrap();
    let filter = SeccompFilter::new(
        [(libc::SYS_futex, vec![rule])].into(),
        SeccompAction::Allow,
        SeccompAction::Trap,
        TargetArch::x86_64,
    );
    let filter: BpfProgram = filter.unwrap().try_into().unwrap();
    seccompiler::apply_filter(&filter).unwrap();
}

#[test]
fn stop_and_start_then_errno_is_kept_and_nothing_is_allocated() {
    let session = Session::receiving();
    let client = session.client.clone();
    let sleepers = callers(&client, 8);
    until("all are inside", || client.callers() == 8);
    // SAFETY: the address of this thread's errno.
    let errno = unsafe { libc::__errno_location() };
    let before = CALLS.with(Cell::get);
    for round in 0..1000 {
        // SAFETY: as above.
        unsafe { *errno = 77 };
        client.stop();
        // SAFETY: as above.
        assert_eq!(unsafe { *errno }, 77, "stop, round {round}");
        client.start();
        // SAFETY: as above.
        assert_eq!(unsafe { *errno }, 77, "start, round {round}");
    }
    assert_eq!(CALLS.with(Cell::get), before);
    join_stopped(sleepers);
}

/// A thread for work that may only wake, and what is readable when that is done. The thread stays until the process ends:
/// a thread's end frees memory, and may wait for the lock of the system's allocator.
fn only_waking(work: impl FnOnce() + Send + 'static) -> (JoinHandle<()>, PipeReader) {
    let (done, mut tell) = std::io::pipe().unwrap();
    let thread = thread::spawn(move || {
        only_wakes();
        work();
        let _ = tell.write(&[1]);
        loop {
            // SAFETY: it only waits for a signal.
            unsafe { libc::pause() };
        }
    });
    (thread, done)
}

/// # Panics
/// After a minute.
fn join(done: &PipeReader) {
    assert!(is_readable(done, Duration::from_secs(60)));
}

/// A lock that another thread holds would make it wait.
#[test]
fn stop_and_start_under_sleepers_then_they_never_wait() {
    let session = Session::receiving();
    let client = session.client.clone();
    let sleeper = callers(&client, 1);
    until("it is inside", || client.callers() == 1);
    let stoppers: Vec<_> = (0..4)
        .map(|_| {
            let client = Arc::clone(&client);
            only_waking(move || {
                for _ in 0..10_000 {
                    client.stop();
                    client.start();
                }
            })
        })
        .collect();
    stoppers.iter().for_each(|(_, done)| join(done));
    join_stopped(sleeper);
}

/// A lock that the interrupted call holds would make it wait forever.
#[test]
fn stop_in_a_handler_that_interrupts_stop_then_it_never_waits() {
    const SIGNALS: u32 = 2000;
    static CLIENT: OnceLock<Arc<Attachment>> = OnceLock::new();
    static HANDLED: AtomicU32 = AtomicU32::new(0);
    extern "C" fn handler(_: i32) {
        if let Some(client) = CLIENT.get() {
            client.stop();
            client.start();
        }
        HANDLED.fetch_add(1, Ordering::SeqCst);
    }
    let session = Session::receiving();
    let client = session.client.clone();
    CLIENT.set(Arc::clone(&client)).unwrap();
    on_signal(libc::SIGUSR1, 0, handler);
    let (stopper, done) = only_waking(move || {
        while HANDLED.load(Ordering::SeqCst) < SIGNALS {
            client.stop();
            client.start();
        }
    });
    for number in 0..SIGNALS {
        // SAFETY: the thread stays until the process ends.
        unsafe { libc::pthread_kill(stopper.as_pthread_t(), libc::SIGUSR1) };
        while HANDLED.load(Ordering::SeqCst) == number {
            thread::yield_now();
        }
    }
    join(&done);
}
