//! Keeps the daemon's memory and files until its callers know of its death.
//!
//! A process that dies gives its memory and its files back on the cores on which the callers that its
//! death wakes want to run: milliseconds for each. The guardian is a process of the daemon's that
//! shares both (`CLONE_VM`, `CLONE_FILES`: clone(2)) and sleeps until the daemon is dead. So the
//! daemon's own threads have nothing to give back, and the owner-death notifier ([`crate::life`]) tells
//! the callers at once. Then the guardian ends, and memory and files with it. A guardian that was
//! killed changes nothing but the time: the daemon's threads then give everything back themselves.
//!
//! The kernel takes some 40 ms for each BPF link that it closes, in any order among the other files, and the next
//! daemon needs none of them. So the guardian closes the sockets first (listeners, queues of AF_XDP), then the lock of the
//! state directory, takes the name [`LEFT`], and ends. A daemon that has the lock and reads that name need not wait.

use std::ffi::{c_int, c_long, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use onair_mutant::mutant;
use rustix::process::{PidfdFlags, getpid, pidfd_open};

/// Its name in `ps` and in `/proc/PID/comm`.
pub const NAME: &str = "onaird-guardian";
const COMM: &[u8; 16] = b"onaird-guardian\0";
/// Its name once it has nothing any more that the next daemon needs.
pub const LEFT: &str = "onaird-left";
const LEFT_COMM: &[u8; 12] = b"onaird-left\0";
/// The kernel gives the lowest free descriptor: after so many that are not open there is none.
const MOST_FREE: RawFd = 1024;

/// The descriptor of the lock of the state directory; -1: the guardian does not know it.
static LOCK: AtomicI32 = AtomicI32::new(-1);

/// This descriptor has the lock of the state directory: the guardian closes it before the files that take long.
pub fn closes_early(lock: BorrowedFd<'_>) {
    LOCK.store(lock.as_raw_fd(), Ordering::Relaxed);
}

const STACK: usize = 64 * 1024;
const GUARD_PAGE: usize = 4096;
/// From the daemon's death to the guardian's end: by then the woken callers have told each other.
static PAUSE: libc::timespec = libc::timespec {
    tv_sec: 0,
    tv_nsec: 2_000_000,
};

/// The guardian of this process. Dropped, it ends at once, and the process dies as any other does.
#[derive(Debug)]
pub struct Guardian {
    pid: u32,
    process: OwnedFd,
    /// Of the daemon, for the guardian.
    _daemon: OwnedFd,
    _stack: Stack,
}

impl Guardian {
    /// Starts the guardian.
    ///
    /// # Errors
    /// The kernel's: no process, no memory, refused by a seccomp filter.
    pub fn start() -> io::Result<Self> {
        // Readable when all threads of the daemon are dead (pidfd_open(2)).
        let daemon = mutant!(
            "guardian: does not wait for the daemon's death",
            rustix::event::eventfd(1, rustix::event::EventfdFlags::CLOEXEC),
            pidfd_open(getpid(), PidfdFlags::empty())
        )?;
        let memory = mutant!("guardian: memory of its own", 0, libc::CLONE_VM);
        let files = mutant!("guardian: files of its own", 0, libc::CLONE_FILES);
        let stack = Stack::reserve()?;
        let mut process: RawFd = -1;
        let blocked = mutant!(
            "guardian: any signal ends it",
            None,
            Some(BlockedSignals::block()?)
        );
        // SAFETY: `guard` uses nothing but its stack, a static and system calls: not the storage of the
        // calling thread, whose address it inherits. The stack lives until the guardian was waited for.
        let pid = unsafe {
            libc::clone(
                guard,
                stack.top(),
                memory | files | libc::CLONE_PIDFD,
                ptr::without_provenance_mut(
                    usize::try_from(daemon.as_raw_fd()).unwrap_or_default(),
                ),
                &raw mut process,
            )
        };
        let pid = match pid {
            -1 => Err(io::Error::last_os_error()),
            pid => Ok(pid.unsigned_abs()),
        };
        drop(blocked);
        Ok(Self {
            pid: pid?,
            // SAFETY: the kernel has made it for this call.
            process: unsafe { OwnedFd::from_raw_fd(process) },
            _daemon: daemon,
            _stack: stack,
        })
    }

    /// Its process id.
    pub const fn pid(&self) -> u32 {
        self.pid
    }
}

/// Readable when the guardian is dead.
impl AsFd for Guardian {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.process.as_fd()
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        // SAFETY: the calls take a descriptor of ours, numbers and null pointers.
        unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.process.as_raw_fd(),
                libc::SIGKILL,
                ptr::null::<c_void>(),
                0,
            );
            let process = libc::id_t::try_from(self.process.as_raw_fd()).unwrap_or_default();
            // It ends without a signal to its parent, which only __WALL waits for.
            let options = libc::WEXITED | libc::__WALL;
            while libc::waitid(libc::P_PIDFD, process, ptr::null_mut(), options) == -1
                && *libc::__errno_location() == libc::EINTR
            {}
        }
    }
}

/// The guardian. No signal but SIGKILL and SIGSTOP reaches it.
extern "C" fn guard(daemon: *mut c_void) -> c_int {
    let Ok(fd) = RawFd::try_from(daemon.addr()) else {
        return 1;
    };
    let mut daemon = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    // A session of its own: no terminal's signals, and where the kernel shares a core by sessions
    // (autogroup), not the share of the pollers.
    call(libc::SYS_setsid, [0; 3]);
    call(
        libc::SYS_prctl,
        [c_long::from(libc::PR_SET_NAME), COMM.as_ptr() as c_long, 0],
    );
    // When the daemon dies, the cores are for the callers that its death wakes.
    call(
        libc::SYS_setpriority,
        [c_long::from(libc::PRIO_PROCESS), 0, 19],
    );
    let asked = [&raw mut daemon as c_long, 1, -1];
    while call(libc::SYS_poll, asked) == -c_long::from(libc::EINTR) {}
    call(libc::SYS_nanosleep, [&raw const PAUSE as c_long, 0, 0]);
    leave();
    0
}

/// Closes what the next daemon needs, the lock last.
fn leave() {
    let lock = LOCK.load(Ordering::Relaxed);
    if lock < 0 {
        return;
    }
    // The callers were told.
    call(libc::SYS_setpriority, [libc::PRIO_PROCESS.into(), 0, 0]);
    let (mut fd, mut free) = (0, 0);
    while free < MOST_FREE {
        let (mut address, mut bytes) = ([0_u8; 128], 128_u32);
        let to = &raw mut address as c_long;
        match call(
            libc::SYS_getsockname,
            [fd.into(), to, &raw mut bytes as c_long],
        ) {
            error if error == -c_long::from(libc::EBADF) => free += 1,
            error if error == -c_long::from(libc::ENOTSOCK) => free = 0,
            _ => {
                free = 0;
                call(libc::SYS_close, [fd.into(), 0, 0]);
            }
        }
        fd += 1;
    }
    // Not unlocked: a daemon that takes over has the same lock.
    call(libc::SYS_close, [lock.into(), 0, 0]);
    let name = LEFT_COMM.as_ptr() as c_long;
    call(libc::SYS_prctl, [libc::PR_SET_NAME.into(), name, 0]);
}

/// A system call that does not write errno, which belongs to the thread that made the guardian.
/// Returns the kernel's answer: an error is its number, negative.
fn call(number: c_long, arguments: [c_long; 3]) -> c_long {
    let [one, two, three] = arguments;
    let answer;
    // SAFETY: each caller's pointers are valid for the call; the kernel changes rcx and r11 only
    // (System V ABI for x86-64, A.2.1).
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number => answer,
            in("rdi") one,
            in("rsi") two,
            in("rdx") three,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    answer
}

/// The guardian's stack, with a page below it that no one may touch.
#[derive(Debug)]
struct Stack(ptr::NonNull<u8>);

// SAFETY: it is memory, and no one but the guardian uses it.
unsafe impl Send for Stack {}
// SAFETY: as above.
unsafe impl Sync for Stack {}

impl Stack {
    fn reserve() -> io::Result<Self> {
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                STACK,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let stack = Self(ptr::NonNull::new(base.cast()).expect("not MAP_FAILED"));
        // SAFETY: the first page of the mapping.
        if unsafe { libc::mprotect(base, GUARD_PAGE, libc::PROT_NONE) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(stack)
    }

    /// Its end: it grows down.
    fn top(&self) -> *mut c_void {
        // SAFETY: one past the end of the mapping; aligned to a page.
        unsafe { self.0.as_ptr().add(STACK).cast() }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and the guardian is dead or was not made.
        unsafe { libc::munmap(self.0.as_ptr().cast(), STACK) };
    }
}

/// All signals of the calling thread are blocked until this is dropped. A process that it makes has
/// them blocked for good.
struct BlockedSignals(libc::sigset_t);

impl BlockedSignals {
    fn block() -> io::Result<Self> {
        // SAFETY: both sets are valid for the calls, and written by them.
        unsafe {
            let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
            libc::sigfillset(&raw mut all);
            match libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) {
                0 => Ok(Self(before)),
                error => Err(io::Error::from_raw_os_error(error)),
            }
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: the set was written by the kernel.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}
