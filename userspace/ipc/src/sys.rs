//! The system calls of the gate that no crate offers whole: futexes, membarrier, clocks.

use std::io;

use crate::sync::{AtomicU64, Ordering};

#[cfg(not(shuttle))]
mod futex;

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

#[cfg(shuttle)]
fn clock_ns(_: libc::clockid_t) -> u64 {
    crate::scheduled::now_ns()
}

#[cfg(not(shuttle))]
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
    #[cfg(shuttle)]
    return crate::scheduled::gettid();
    #[cfg(not(shuttle))]
    kernel_tid()
}

#[cfg(not(shuttle))]
fn kernel_tid() -> u32 {
    // SAFETY: gettid takes nothing and always succeeds.
    let tid = unsafe { libc::gettid() };
    u32::try_from(tid).expect("thread ids are positive")
}

#[cfg(shuttle)]
pub(crate) use crate::scheduled::{futex_wait_slice, futex_waitv, futex_wake};
#[cfg(not(shuttle))]
pub use futex::{futex_wait_slice, futex_waitv, futex_wake};

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
