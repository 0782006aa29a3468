//! Connects to the control socket.

use std::io::Result;
use std::os::unix::net::UnixStream as Blocking;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, sockopt,
};
use tokio::net::UnixStream;

/// Connects to the daemon at `path`. While its queue of connections is full, waits for a place there, at most
/// `timeout`.
///
/// # Errors
/// `None`: it had no place for so long.
pub(crate) async fn reach(path: &Path, timeout: Duration) -> Result<Option<UnixStream>> {
    match UnixStream::connect(path).await {
        Err(error) if error.raw_os_error() == Some(Errno::AGAIN.raw_os_error()) => {}
        result => return result.map(Some),
    }
    // The kernel wakes only a connect() that blocks once there is a place.
    let path = path.to_owned();
    let waits = tokio::task::spawn_blocking(move || wait(&path, timeout));
    let stream = waits.await.map_err(std::io::Error::other)??;
    stream.map(UnixStream::from_std).transpose()
}

fn wait(path: &Path, timeout: Duration) -> Result<Option<Blocking>> {
    let address = SocketAddrUnix::new(path)?;
    let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    // Bounds connect(), too. Zero would mean forever.
    let bound = timeout.max(Duration::from_millis(1));
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(bound))?;
    loop {
        match connect(&socket, &address) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(None),
            result => {
                result?;
                let stream = Blocking::from(socket);
                stream.set_nonblocking(true)?;
                return Ok(Some(stream));
            }
        }
    }
}
