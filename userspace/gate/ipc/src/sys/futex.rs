//! Sleeps on words, and wake-ups.

use std::io;

use super::Waited;
use crate::sync::AtomicU32;

/// Wakes up to `count` sleepers on a shared futex. Async-signal-safe; errno is preserved.
/// Returns how many were woken.
pub fn futex_wake(word: &AtomicU32, count: i32) -> usize {
    // SAFETY: errno is this thread's own; the futex word is valid for the call.
    unsafe {
        let errno = libc::__errno_location();
        let saved = *errno;
        let woken = libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, count);
        *errno = saved;
        usize::try_from(woken).unwrap_or(0)
    }
}

#[repr(C)]
struct FutexWaiter {
    value: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

const FUTEX_SIZE_U32: u32 = 2;

/// Sleeps until one of the words leaves its expected value and is woken, or the absolute
/// CLOCK_MONOTONIC deadline (ns) passes. Words may lie in read-only mappings.
/// Kernel document: `Documentation/userspace-api/futex2.rst`.
pub fn futex_waitv<const N: usize>(words: [(&AtomicU32, u32); N], deadline_ns: u64) -> Waited {
    let waiters = words.map(|(word, expected)| FutexWaiter {
        value: u64::from(expected),
        address: word.as_ptr() as u64,
        flags: FUTEX_SIZE_U32,
        reserved: 0,
    });
    let deadline = timespec(deadline_ns);
    // SAFETY: the array and the timespec live through the call; the words are borrowed for it.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex_waitv,
            waiters.as_ptr(),
            N,
            0,
            &deadline,
            libc::CLOCK_MONOTONIC,
        )
    };
    if result >= 0 {
        return Waited::Moved;
    }
    match io::Error::last_os_error().raw_os_error() {
        Some(libc::ETIMEDOUT) => Waited::Expired,
        Some(libc::EAGAIN | libc::EINTR) => Waited::Moved,
        // A seccomp filter's error, or a kernel out of memory: a retry would fail again at once.
        _ => Waited::Unsupported,
    }
}

/// Longest sleep if no word can be slept on.
const BLIND_SLICE_NS: u64 = 5_000_000;

/// Sleeps on one word for at most `slice_ns`: the fallback if futex_waitv is refused. If this is
/// refused as well, it sleeps for a moment.
pub fn futex_wait_slice(word: &AtomicU32, expected: u32, slice_ns: u64) {
    let slice = timespec(slice_ns);
    // SAFETY: the word and the timespec live through the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            expected,
            &slice,
        )
    };
    let error = (result < 0).then(io::Error::last_os_error);
    match error.and_then(|error| error.raw_os_error()) {
        None | Some(libc::ETIMEDOUT | libc::EAGAIN | libc::EINTR) => {}
        Some(_) => std::thread::sleep(std::time::Duration::from_nanos(
            slice_ns.min(BLIND_SLICE_NS),
        )),
    }
}

fn timespec(ns: u64) -> libc::timespec {
    libc::timespec {
        tv_sec: i64::try_from(ns / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(ns % 1_000_000_000).expect("below a second"),
    }
}
