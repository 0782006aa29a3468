//! Descriptors that another process sends to the daemon's sockets: the kernel refuses them.
//!
//! The last close of a socket that lingers waits as long as its sender likes, in the thread that reads the
//! message, or that closes the connection with the message unread.

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use onair_ipc::sys;
use onair_probe::{ProbeError, RefusedDescriptors};

/// The mechanism by which the kernel refuses them.
#[derive(Debug)]
pub enum DescriptorRefusal {
    /// An option of each socket (`SO_PASSRIGHTS`, Linux 6.16).
    Sockets,
    /// A program in the kernel, while it lives.
    Program(RefusedDescriptors),
}

impl DescriptorRefusal {
    /// To be called before the first socket listens.
    ///
    /// # Errors
    /// Why an older kernel does not take the program.
    pub fn start() -> Result<Self, ProbeError> {
        let pair = UnixStream::pair();
        if pair.is_ok_and(|(one, _other)| sys::refuse_descriptors(one.as_fd()).is_ok()) {
            return Ok(Self::Sockets);
        }
        RefusedDescriptors::start().map(Self::Program)
    }
}
