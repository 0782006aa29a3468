//! Echo requests of the kernel's own stack (RFC 792), as ping(8) sends them.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd as _;

use anyhow::Result;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recv, sendto, socket,
};
use onair_stage::{Deadline, Stage, until};

/// Waits until `address` answers, from inside the stage's namespace.
pub fn ping(stage: &Stage, address: Ipv4Addr) -> Result<()> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let open = || {
        Ok(socket(
            AddressFamily::Inet,
            SockType::Raw,
            flags,
            SockProtocol::Icmp,
        )?)
    };
    let socket = stage.inside(open)?;
    // Type 8, checksum, identifier 7 and number 1.
    let request = [8, 0, 0xf7, 0xf7, 0, 7, 0, 1];
    let to = SockaddrIn::from(SocketAddrV4::new(address, 0));
    until("an echo", Deadline::seconds(20), || {
        sendto(socket.as_raw_fd(), &request, &to, MsgFlags::empty())?;
        let mut bytes = [0; 256];
        while let Ok(count) = recv(socket.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
            // After an IP header: type 0, the same identifier and number.
            if bytes[12..16] == address.octets()
                && bytes[20..count].first() == Some(&0)
                && bytes[24..28] == request[4..]
            {
                return Ok(Some(()));
            }
        }
        Ok(None)
    })
}
