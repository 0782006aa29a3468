//! Messages to the service manager (sd_notify(3)), without blocking: a manager that does not read
//! must delay neither the control thread nor the shutdown.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sendto, socket_with,
};

/// The variable with the manager's socket.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// Sends assignments such as `READY=1`, one per line, to the manager, if there is one. If its
/// socket is full, the message is lost: the next one of that kind replaces it.
pub fn send(words: &str) {
    let Some(address) = std::env::var_os(VARIABLE).as_deref().and_then(address) else {
        return;
    };
    let sent = socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .and_then(|socket| {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        sendto(&socket, words.as_bytes(), flags, &address)
    });
    match sent {
        Ok(_) | Err(Errno::AGAIN) => {}
        Err(error) => tracing::debug!(%error, words, "cannot notify the service manager"),
    }
}

fn address(text: &OsStr) -> Option<SocketAddrUnix> {
    match text.as_bytes() {
        [] => None,
        [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name).ok(),
        path => SocketAddrUnix::new(path).ok(),
    }
}
