//! A daemon of another protocol: the real one, which reads another number in each hello.

use std::path::PathBuf;

use anyhow::Result;
use onair_ipc::message::MAX_PACKET;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept, bind,
    listen, recv, send, socket_with,
};
use serde_json::Value;

use crate::{RawClient, Rig};

/// A socket at which the daemon refuses so many clients as if they spoke `protocol`.
///
/// # Errors
/// The socket cannot be made.
pub fn other_protocol(rig: &Rig, protocol: u32, clients: usize) -> Result<PathBuf> {
    let path = rig.stage().directory().join("other.sock");
    let kind = SocketType::SEQPACKET;
    let listener = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    bind(&listener, &SocketAddrUnix::new(&path)?)?;
    listen(&listener, 8)?;
    let daemon = rig.attach_socket();
    std::thread::spawn(move || -> Result<()> {
        let mut packet = vec![0; MAX_PACKET];
        for _ in 0..clients {
            let client = accept(&listener)?;
            let (bytes, _) = recv(&client, &mut packet[..], RecvFlags::empty())?;
            let mut hello: Value = serde_json::from_slice(&packet[..bytes])?;
            hello["protocol"] = protocol.into();
            let answer = RawClient::connect(&daemon)?.ask(&hello)?;
            send(&client, answer.to_string().as_bytes(), SendFlags::NOSIGNAL)?;
        }
        Ok(())
    });
    Ok(path)
}
