//! membarrier(2): the daemon's half of the asymmetric fence pair in [`crate::sync`].

use std::io;

/// Registers this process for the daemon's membarrier, so that plain stores may count its callers.
/// False if the kernel or a seccomp filter refuses; callers then use atomic adds.
pub fn register() -> bool {
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
/// If the kernel has no membarrier: plain counting would be unsound. The daemon checks this at its
/// start with [`is_supported`].
pub fn global() {
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

/// Whether [`global`] works here.
pub fn is_supported() -> bool {
    // SAFETY: membarrier takes no pointers.
    let offered = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_QUERY, 0, 0) };
    offered >= 0 && offered & i64::from(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED) != 0
}
