//! The other program's end: standard output or input, or a Unix socket.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::pipe::fcntl_setpipe_size;

use crate::failure::pipe::PipeFailure;

/// Capacity of a pipe that the kernel allows every user.
const UNPRIVILEGED_PIPE: usize = 1 << 20;

/// Where frames go to or come from.
pub(super) enum Target {
    Standard(OwnedFd),
    Socket(UnixListener),
}

/// The file of a socket. Its drop removes it.
pub(super) struct SocketFile(PathBuf);

impl Target {
    /// Standard output or input.
    pub(super) fn standard(sends: bool) -> io::Result<Self> {
        let standard = match sends {
            true => io::stdin().as_fd().try_clone_to_owned(),
            false => io::stdout().as_fd().try_clone_to_owned(),
        };
        standard.map(Self::Standard)
    }

    /// A socket that waits for one program.
    pub(super) fn socket(path: &Path) -> Result<(Self, SocketFile), PipeFailure> {
        let path = path.to_owned();
        match UnixListener::bind(&path) {
            Ok(listener) => Ok((Self::Socket(listener), SocketFile(path))),
            Err(error) => Err(PipeFailure::Socket { path, error }),
        }
    }

    /// Waits for the other program. Lets the kernel keep up to a frame of so many bytes between the two.
    pub(super) fn open(self, frame_bytes: usize) -> io::Result<File> {
        let file = match self {
            Self::Standard(file) => file,
            Self::Socket(listener) => listener.accept()?.0.into(),
        };
        // Either is of one kind of target, and may be refused: less than a frame fits then.
        let _ = set_socket_send_buffer_size(&file, frame_bytes);
        if fcntl_setpipe_size(&file, frame_bytes).is_err() {
            let _ = fcntl_setpipe_size(&file, frame_bytes.min(UNPRIVILEGED_PIPE));
        }
        Ok(file.into())
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// Returns when the reader of `file` has closed its end; never for a file.
pub(super) fn wait_for_close(file: &File) {
    // Nothing is asked for: errors and hang-ups are always told.
    let mut waits = [PollFd::new(file, PollFlags::empty())];
    while let Err(rustix::io::Errno::INTR) = poll(&mut waits, None) {}
}
