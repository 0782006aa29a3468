//! The daemon's orders, and what it is told.
//!
//! The packet with two descriptors is the order: the connection to the source, and that of the filler. A packet without
//! any is a question whether this process goes on: it gets one byte as the answer. A longer answer says why the
//! conversion ended. The socket's end is the end of this process.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread;

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recvmsg, send};

use crate::bridge::bridge;

/// Says that this process goes on.
const HERE: &[u8] = b"!";

/// Serves orders until the daemon ends.
pub(crate) fn serve(socket: impl AsFd) -> io::Result<()> {
    let socket = Arc::new(socket.as_fd().try_clone_to_owned()?);
    while let Some(order) = next(&socket)? {
        match order {
            None => tell(&socket, HERE),
            Some([source, target]) => {
                let daemon = Arc::clone(&socket);
                let work = move || {
                    if let Err(error) = bridge(source, target) {
                        tell(&daemon, format!("onair-convert: {error}").as_bytes());
                    }
                };
                thread::Builder::new()
                    .name("onair-convert".to_owned())
                    .spawn(work)?;
            }
        }
    }
    Ok(())
}

/// A daemon that does not read is not waited for: it asks again, or has ended.
fn tell(socket: &OwnedFd, text: &[u8]) {
    let _ = send(socket, text, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
}

/// An order or a question; `None`: the daemon has ended.
fn next(socket: &OwnedFd) -> io::Result<Option<Option<[OwnedFd; 2]>>> {
    let mut bytes = [0; 64];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut into = [IoSliceMut::new(&mut bytes)];
        match recvmsg(socket, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            Err(Errno::CONNRESET) => return Ok(None),
            received => break received?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    let rights = control.drain().filter_map(|item| match item {
        RecvAncillaryMessage::ScmRights(rights) => Some(rights),
        _ => None,
    });
    let rights: Vec<OwnedFd> = rights.flatten().collect();
    Ok(Some(rights.try_into().ok()))
}
