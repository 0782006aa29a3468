//! Limits the files that a program inherits from this process.

use std::io;

/// From now on no file but the standard ones is inherited: drivers and libxdp open sockets without `SOCK_CLOEXEC`, and
/// a queue is in use for as long as any process has its socket (close_range(2), Linux 5.11).
///
/// # Errors
/// The kernel's.
pub fn inherit_no_files() -> io::Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: it takes numbers, and closes nothing in this process.
    let code = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, flags) };
    match code {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

    use super::*;

    #[test]
    fn file_without_close_on_exec_then_it_has_it() {
        let file = File::open("/dev/null").unwrap();
        // SAFETY: a descriptor of its own, without the flag.
        let copy = unsafe { OwnedFd::from_raw_fd(libc::dup(file.as_raw_fd())) };
        // SAFETY: it reads a flag of an open descriptor.
        let flag = || unsafe { libc::fcntl(copy.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flag(), 0);
        inherit_no_files().unwrap();
        assert_eq!(flag(), libc::FD_CLOEXEC);
    }
}
