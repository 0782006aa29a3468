//! The AF_XDP socket behind a port: the driver keeps it to itself, but one can
//! sleep on it, it counts what the driver does not, and some versions of the
//! driver forget to close it.

use std::{
    ffi::c_int,
    fs, io,
    os::fd::{BorrowedFd, RawFd},
};

/// A socket that the driver opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Xsk {
    fd: RawFd,
    /// `socket:[inode]`: tells it from a later descriptor of the same number.
    identity: String,
}

impl Xsk {
    /// All AF_XDP sockets of this process.
    pub(crate) fn all() -> Vec<Self> {
        let entries = fs::read_dir("/proc/self/fd")
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|&fd| is_xdp(fd))
            .filter_map(|fd| {
                let identity = identity(fd)?;
                Some(Self { fd, identity })
            })
            .collect()
    }

    /// The one that is there now and was not `before`. Sound only while no
    /// other port is being opened.
    pub(crate) fn opened_since(before: &[Self]) -> Option<Self> {
        Self::all().into_iter().find(|xsk| !before.contains(xsk))
    }

    /// Closes the socket if the driver has not: the driver of DPDK 22.11.5 to
    /// 22.11.11 never does, and the interface's queue stays busy until the
    /// process ends. Call it after `rte_eth_dev_close` only. Whether it was
    /// still open.
    pub(crate) fn reap(self) -> bool {
        let leaked = is_xdp(self.fd) && identity(self.fd).as_ref() == Some(&self.identity);
        if leaked {
            // SAFETY: it is the very socket that the driver opened, and the
            // driver, being closed, will not use it again.
            unsafe { libc::close(self.fd) };
        }
        leaked
    }

    /// The descriptor, to sleep on.
    ///
    /// # Safety
    /// The port that opened it stays open for as long as the result is used.
    pub(crate) unsafe fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: an open port keeps its socket open.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }
}

fn is_xdp(fd: RawFd) -> bool {
    let mut domain: c_int = 0;
    let mut length: libc::socklen_t = 4;
    // SAFETY: writes at most `length` bytes into `domain`. Of a descriptor
    // that is no socket, or gone meanwhile, it only returns an error.
    let code = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_DOMAIN,
            (&raw mut domain).cast(),
            &raw mut length,
        )
    };
    code == 0 && domain == libc::AF_XDP
}

fn identity(fd: RawFd) -> Option<String> {
    let target: io::Result<_> = fs::read_link(format!("/proc/self/fd/{fd}"));
    Some(target.ok()?.to_str()?.to_owned())
}
