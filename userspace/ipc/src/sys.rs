//! The system calls of the gate that no crate offers whole: futexes, membarrier, clocks.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::io;

/// Registers this process for the daemon's membarrier, so that its callers may be counted with
/// plain stores. False where the kernel or a seccomp filter refuses; callers then use atomic adds.
pub fn membarrier_register() -> bool {
    // SAFETY: membarrier takes no pointers.
    unsafe {
        libc::syscall(
            libc::SYS_membarrier,
            libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED,
            0,
            0,
        ) == 0
    }
}

/// A full barrier on every processor that runs a registered process.
///
/// # Panics
/// Where the kernel has no membarrier: then plain counting would be unsound. The daemon checks at
/// its start with [`membarrier_supported`].
pub fn membarrier_global() {
    // SAFETY: membarrier takes no pointers.
    let done = unsafe {
        libc::syscall(
            libc::SYS_membarrier,
            libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED,
            0,
            0,
        )
    };
    assert_eq!(done, 0, "membarrier: {}", io::Error::last_os_error());
}

/// Whether [`membarrier_global`] works here.
pub fn membarrier_supported() -> bool {
    // SAFETY: membarrier takes no pointers.
    let offered = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_QUERY, 0, 0) };
    offered >= 0 && offered & i64::from(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED) != 0
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec for the kernel to write.
    unsafe { libc::clock_gettime(clock, &mut time) };
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// CLOCK_MONOTONIC, ns: every duration and deadline of the project.
pub fn monotonic_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// CLOCK_BOOTTIME, ns: comparable with a thread's start time in `/proc`.
pub fn boottime_ns() -> u64 {
    clock_ns(libc::CLOCK_BOOTTIME)
}

/// The calling thread's id in its pid namespace.
pub fn gettid() -> u32 {
    // SAFETY: gettid takes nothing and always succeeds.
    let tid = unsafe { libc::gettid() };
    u32::try_from(tid).expect("thread ids are positive")
}

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

/// Everyone, for [`futex_wake`].
pub const ALL: i32 = i32::MAX;

/// Why a wait on futexes ended. All of them are to be followed by a look at what is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// Woken, or a word had changed already, or a signal came.
    Moved,
    /// The deadline passed.
    Expired,
    /// futex_waitv is not there (kernel < 5.16) or is forbidden (seccomp).
    Unsupported,
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
        Some(libc::ENOSYS | libc::EPERM) => Waited::Unsupported,
        _ => Waited::Moved,
    }
}

/// Sleeps on one word for at most `slice_ns`: the fallback where futex_waitv is refused.
pub fn futex_wait_slice(word: &AtomicU32, expected: u32, slice_ns: u64) {
    let slice = timespec(slice_ns);
    // SAFETY: the word and the timespec live through the call.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            expected,
            &slice,
        )
    };
}

fn timespec(ns: u64) -> libc::timespec {
    libc::timespec {
        tv_sec: i64::try_from(ns / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(ns % 1_000_000_000).expect("below a second"),
    }
}

/// Sets a socket option that libc has no name for yet: the peer may then send no descriptors to
/// sockets accepted from this listener (`SO_PASSRIGHTS` = 0, Linux 6.16). A hostile descriptor can
/// otherwise hold the receiver in `close` for as long as its sender likes.
pub fn refuse_descriptors(socket: std::os::fd::BorrowedFd<'_>) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    const SO_PASSRIGHTS: libc::c_int = 83;
    let off: libc::c_int = 0;
    // SAFETY: the option value is a valid int for the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PASSRIGHTS,
            (&raw const off).cast(),
            u32::try_from(size_of_val(&off)).expect("four"),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A pidfd for the process that connected `socket` (`SO_PEERPIDFD`, Linux 6.5), which names that
/// process whatever happens to its number.
///
/// # Errors
/// `ENOPROTOOPT` on older kernels: open one by the number of `SO_PEERCRED` then.
pub fn peer_pidfd(socket: std::os::fd::BorrowedFd<'_>) -> io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::{AsRawFd, FromRawFd};
    const SO_PEERPIDFD: libc::c_int = 77;
    let mut pidfd: libc::c_int = -1;
    let mut len = libc::socklen_t::try_from(size_of_val(&pidfd)).expect("four");
    // SAFETY: value and length are valid for the kernel to write.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PEERPIDFD,
            (&raw mut pidfd).cast(),
            &mut len,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { std::os::fd::OwnedFd::from_raw_fd(pidfd) })
}

/// Ignores SIGIO, which the kernel sends to the holder of a lease that somebody breaks, and whose
/// default action ends the process. Part of the daemon's start, before the first
/// [`is_sole_user`](crate::memfd::Memfd::is_sole_user).
pub fn ignore_sigio() {
    // SAFETY: SIG_IGN is a valid disposition for SIGIO.
    unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
}

/// Adds to a counter in shared memory without needing its old value.
pub(crate) fn bump(word: &AtomicU64) -> u64 {
    word.fetch_add(1, Ordering::Relaxed)
}
