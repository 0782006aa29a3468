//! DPDK's measurement of the processor's clock (TSC): where CPUID does not tell its frequency, EAL sleeps for 100 ms
//! (`get_tsc_freq`, 22.11 to 24.11).
//!
//! It divides by the time that has really passed, and rounds to 10 MHz. So a signal that ends the sleep early changes
//! nothing but the time that a start takes.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::os::unix::thread::JoinHandleExt as _;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{mem, ptr};

/// The sleep that EAL asks for: seconds and nanoseconds.
const SLEEP: [i64; 2] = [0, 100_000_000];
/// How long it is left asleep. If it is preempted for 50 µs beside the sleep, it is wrong by a quarter of a percent,
/// and less than what it rounds to.
const ENOUGH: Duration = Duration::from_millis(20);
/// Pause between two looks.
const GLANCE: Duration = Duration::from_millis(1);
/// Ignored by default: one that comes late does nothing.
const SIGNAL: libc::c_int = libc::SIGURG;

/// While it lives, [`SIGNAL`] ends sleeps.
#[derive(Debug)]
pub(super) struct Interruptible(libc::sigaction);

extern "C" fn nothing(_: libc::c_int) {}

impl Interruptible {
    /// `None` if the kernel refuses.
    pub(super) fn begin() -> Option<Self> {
        // SAFETY: all zero is a valid sigaction: no flags, no mask; the handler does nothing, and both structures
        // are valid for the call.
        unsafe {
            let (mut new, mut old): (libc::sigaction, libc::sigaction) = mem::zeroed();
            new.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
            (libc::sigaction(SIGNAL, &raw const new, &raw mut old) == 0).then_some(Self(old))
        }
    }

    /// Ends the first sleep for the clock of `thread` early, which says its number in `tid`. Returns when that is done,
    /// or when the thread has ended.
    pub(super) fn shorten<T>(&self, thread: &JoinHandle<T>, tid: &AtomicI32) {
        while !thread.is_finished() {
            if is_measuring(tid.load(Ordering::Relaxed)) {
                thread::sleep(ENOUGH);
                // SAFETY: the thread is not joined yet.
                unsafe { libc::pthread_kill(thread.as_pthread_t(), SIGNAL) };
                return;
            }
            thread::sleep(GLANCE);
        }
    }
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        // SAFETY: it is what the kernel returned.
        unsafe { libc::sigaction(SIGNAL, &raw const self.0, ptr::null_mut()) };
    }
}

/// Whether this thread is in that sleep: no other asks for exactly this time, and not for what is left of it.
fn is_measuring(tid: i32) -> bool {
    // The call's number and its arguments, in hexadecimal (proc_pid_syscall(5)).
    let text = fs::read_to_string(format!("/proc/self/task/{tid}/syscall")).unwrap_or_default();
    let mut words = text.split_whitespace();
    if words.next().and_then(|it| it.parse().ok()) != Some(libc::SYS_clock_nanosleep) {
        return false;
    }
    let mut argument = || u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
    let (Some(_clock), Some(0), Some(asked), Some(0)) =
        (argument(), argument(), argument(), argument())
    else {
        return false;
    };
    // It may have gone on, and its stack with it: a file is read, not memory.
    let mut found = [[0; 8]; 2];
    let read = File::open("/proc/self/mem")
        .and_then(|it| it.read_exact_at(found.as_flattened_mut(), asked));
    read.is_ok() && *found.as_flattened() == *SLEEP.map(i64::to_ne_bytes).as_flattened()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Result of nanosleep(2) for `ns` nanoseconds, while a thread beside it ends sleeps for the clock.
    fn slept(ns: i64) -> libc::c_int {
        let tid = Arc::new(AtomicI32::new(0));
        let own = Arc::clone(&tid);
        let interruptible = Interruptible::begin().unwrap();
        let thread = thread::spawn(move || {
            own.store(
                rustix::thread::gettid().as_raw_nonzero().get(),
                Ordering::Relaxed,
            );
            let time = libc::timespec {
                tv_sec: 0,
                tv_nsec: ns,
            };
            // SAFETY: a valid time.
            unsafe { libc::nanosleep(&raw const time, ptr::null_mut()) }
        });
        interruptible.shorten(&thread, &tid);
        thread.join().unwrap()
    }

    #[test]
    fn sleep_for_the_clock_then_ended_and_no_other() {
        assert_eq!(slept(100_000_000), -1);
        assert_eq!(slept(99_000_000), 0);
    }
}
