//! System calls that no crate wraps completely: the gate's futexes and clocks, the daemon's signals
//! and BPF.

use std::io;

use onair_mutant::mutant;

pub mod bpf;
mod descriptor;
#[cfg(not(simulated))]
mod futex;

/// Whether the calling thread may preempt another one when it wakes up (SCHED_OTHER), or waits for its
/// turn (SCHED_BATCH, sched(7)): for a time in which nothing waits for it in the microseconds in which
/// the thread that wakes it goes on. False if a seccomp filter refuses it; the thread then works as
/// before.
pub fn preempt_at_wake_up(is_wanted: bool) -> bool {
    let policy = match is_wanted {
        true => libc::SCHED_OTHER,
        false => libc::SCHED_BATCH,
    };
    let priority = libc::sched_param { sched_priority: 0 };
    // SAFETY: `priority` is a valid structure for the kernel to read.
    unsafe { libc::sched_setscheduler(0, policy, &raw const priority) == 0 }
}

/// From now on the calling thread runs before the others that wake up with it: with a real-time
/// priority, or at nice −20 where that is refused (sched(7)). For a thread that never computes.
pub fn run_first() {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: `priority` is a valid structure for the kernel to read.
    unsafe {
        if libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const priority) != 0 {
            libc::setpriority(libc::PRIO_PROCESS, 0, -20);
        }
    }
}

/// Bytes of this process's heap that are in use, of all threads (`mallinfo2(3)`): what the allocator's
/// caches keep for a thread counts, too. It takes the lock of each arena for the time that a look at its
/// free lists takes.
pub fn heap_bytes() -> u64 {
    // SAFETY: mallinfo2 takes nothing and returns numbers.
    let info = unsafe { libc::mallinfo2() };
    (info.uordblks + info.hblkhd) as u64
}

/// Gives free memory of the heap back to the kernel (`malloc_trim(3)`), of all threads: after a time of which much
/// is free now. It takes the lock of one arena after the other, for some milliseconds in all.
pub fn trim_heap() {
    // SAFETY: it takes a number and touches free memory alone.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(simulated)]
fn clock_ns(_: libc::clockid_t) -> u64 {
    crate::scheduled::now_ns()
}

#[cfg(not(simulated))]
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

/// CLOCK_MONOTONIC, ns: the clock of every duration and deadline of the project.
pub fn monotonic_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// CLOCK_BOOTTIME, ns: comparable with a thread's start time in `/proc`.
pub fn boottime_ns() -> u64 {
    clock_ns(libc::CLOCK_BOOTTIME)
}

/// The calling thread's id in its pid namespace; 0, which no thread has, if a seccomp filter
/// refuses the call.
pub fn gettid() -> u32 {
    #[cfg(simulated)]
    return crate::scheduled::gettid();
    #[cfg(not(simulated))]
    kernel_tid()
}

#[cfg(not(simulated))]
fn kernel_tid() -> u32 {
    // SAFETY: gettid takes nothing.
    let tid = unsafe { libc::gettid() };
    u32::try_from(tid).unwrap_or(0)
}

pub use descriptor::{CheckedFd, OwnTable};

#[cfg(simulated)]
pub(crate) use crate::scheduled::{futex_wait_slice, futex_wake};
#[cfg(not(simulated))]
pub use futex::{futex_wait_slice, futex_waitv, futex_wake};

/// `futex_waitv`, as the scheduler simulates it.
#[cfg(simulated)]
pub(crate) fn futex_waitv<const N: usize>(
    words: [(&crate::sync::AtomicU32, u32); N],
    deadline_ns: u64,
) -> Waited {
    match crate::scheduled::futex_waitv(words, deadline_ns) {
        true => Waited::Expired,
        false => Waited::Moved,
    }
}

/// All sleepers, for [`futex_wake`].
pub const ALL: i32 = i32::MAX;

/// Why a wait on futexes ended. After each of them the caller must check its condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// Woken, or a word had changed already, or a signal came.
    Moved,
    /// The deadline passed.
    Expired,
    /// futex_waitv is missing (kernel < 5.16), forbidden (seccomp, with any errno), or failed.
    Unsupported,
}

/// Whether the other end of a connection is closed. It does not wait, takes nothing from the
/// socket, is async-signal-safe, and preserves errno.
pub fn has_hung_up(socket: std::os::fd::BorrowedFd<'_>) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let closed = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    let mut asked = [PollFd::from_borrowed_fd(socket, PollFlags::RDHUP)];
    // A failed poll, as under a seccomp filter, tells nothing.
    poll(&mut asked, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
        && asked[0].revents().intersects(closed)
}

/// Sets a socket option that libc does not name yet: the peer may then send no descriptors to
/// sockets accepted from this listener (`SO_PASSRIGHTS` = 0, Linux 6.16). Otherwise a hostile
/// descriptor can hold the receiver in `close` for as long as its sender likes.
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

/// A pidfd for the process that connected `socket` (`SO_PEERPIDFD`, Linux 6.5). It names that
/// process even if its pid is reused.
///
/// # Errors
/// `ENOPROTOOPT` on older kernels: open a pidfd by the pid of `SO_PEERCRED` instead.
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
    // SAFETY: a new descriptor that no other code owns.
    Ok(unsafe { std::os::fd::OwnedFd::from_raw_fd(pidfd) })
}

/// Supplementary groups of the process that connected `socket`, at the time of the connect
/// (`SO_PEERGROUPS`, Linux 4.13).
///
/// # Errors
/// `ENODATA` if the socket has no peer credentials.
pub fn peer_groups(socket: std::os::fd::BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    use std::os::fd::AsRawFd;
    // A process has at most NGROUPS_MAX of them; `len` bytes are asked for until they suffice.
    let mut groups = vec![0_u32; 64];
    loop {
        let size = size_of_val(groups.as_slice());
        let mut len = libc::socklen_t::try_from(size).map_err(io::Error::other)?;
        // SAFETY: the kernel writes at most `len` bytes, which `groups` has, and the needed length.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &mut len,
            )
        };
        let needed = len as usize / size_of::<u32>();
        if result == 0 {
            groups.truncate(needed);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::ERANGE) || needed <= groups.len() {
            return Err(error);
        }
        groups.resize(needed, 0);
    }
}

/// Ignores SIGIO, which the kernel sends to the holder of a lease that another process breaks, and
/// whose default action ends the process. Part of the daemon's start, before the first
/// [`is_sole_user`](crate::memfd::Memfd::is_sole_user).
pub fn ignore_sigio() {
    // SAFETY: SIG_IGN is a valid disposition for SIGIO.
    unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
}

/// Gives `signal` a handler that does nothing: the minimal cost of a delivered signal, for
/// measurements.
///
/// # Errors
/// `EINVAL` for a signal that cannot be handled.
pub fn handle_by_nothing(signal: i32) -> io::Result<()> {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: all of the structure may be zero; the handler may run at any moment, since it does nothing.
    let done = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut())
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A signal's disposition, as in sigaction(2): read, changed, and installed again.
///
/// It can only be made by reading the present one, so that installing it installs only a handler
/// that this process already had.
#[derive(Clone, Copy)]
pub struct Disposition {
    signal: i32,
    action: libc::sigaction,
}

impl std::fmt::Debug for Disposition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disposition")
            .field("signal", &self.signal)
            .field("handler", &self.handler())
            .field("flags", &self.action.sa_flags)
            .finish_non_exhaustive()
    }
}

impl Disposition {
    /// The present disposition.
    ///
    /// # Errors
    /// `EINVAL`: no such signal.
    pub fn of(signal: i32) -> io::Result<Self> {
        // SAFETY: a sigaction of zeroes is a valid one; the kernel writes it.
        let mut action = unsafe { core::mem::zeroed::<libc::sigaction>() };
        // SAFETY: `action` is valid for the call; nothing is installed.
        let result = unsafe { libc::sigaction(signal, core::ptr::null(), &raw mut action) };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { signal, action })
    }

    /// The same handler, with interrupted calls restarted (`SA_RESTART`), and with `others` blocked
    /// while it runs.
    #[must_use]
    pub fn blocking(mut self, others: &[i32]) -> Self {
        self.action.sa_flags |= libc::SA_RESTART;
        if mutant!("signals: without SA_RESTART") {
            self.action.sa_flags &= !libc::SA_RESTART;
        }
        for &other in others {
            // SAFETY: the mask is this action's own. An invalid number is refused, and changes
            // nothing.
            unsafe { libc::sigaddset(&raw mut self.action.sa_mask, other) };
        }
        self
    }

    /// Installs it. The code of the handler must not have been unloaded since it was read; the
    /// project unloads none.
    ///
    /// # Errors
    /// The kernel's.
    pub fn install(&self) -> io::Result<()> {
        // SAFETY: the action was in force in this process when it was read, and its code is still
        // loaded; flags and mask do not bear on its soundness.
        let result =
            unsafe { libc::sigaction(self.signal, &raw const self.action, core::ptr::null_mut()) };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Address of the handler, or `SIG_DFL` (0), or `SIG_IGN` (1).
    #[must_use]
    pub fn handler(&self) -> usize {
        self.action.sa_sigaction
    }

    /// Whether calls that the handler interrupts are restarted.
    #[must_use]
    pub fn restarts(&self) -> bool {
        self.action.sa_flags & libc::SA_RESTART != 0
    }

    /// Whether `other` is blocked while the handler runs.
    #[must_use]
    pub fn blocks(&self, other: i32) -> bool {
        // SAFETY: the mask is this action's own.
        unsafe { libc::sigismember(&raw const self.action.sa_mask, other) == 1 }
    }
}
