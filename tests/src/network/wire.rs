//! Ethernet frames of any content.

use std::os::fd::{AsRawFd as _, OwnedFd};

use anyhow::{Context as _, Result};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};
use onair_stage::Stage;

/// A packet socket (packet(7)) on an interface of a stage.
#[derive(Debug)]
pub struct Wire {
    socket: OwnedFd,
    interface: LinkAddr,
}

impl Wire {
    /// Opens one on `interface`, inside the stage's namespace.
    pub fn open(stage: &Stage, interface: &str) -> Result<Self> {
        stage.inside(|| {
            let interface = getifaddrs()?
                .filter(|it| it.interface_name == interface)
                .find_map(|it| it.address?.as_link_addr().copied())
                .with_context(|| format!("no interface {interface}"))?;
            let socket = socket(
                AddressFamily::Packet,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC,
                None,
            )?;
            Ok(Self { socket, interface })
        })
    }

    /// The interface's hardware address.
    pub fn mac(&self) -> Result<[u8; 6]> {
        self.interface.addr().context("no hardware address")
    }

    /// Sends `frame`, from its destination address to the end of its payload.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        let fd = self.socket.as_raw_fd();
        sendto(fd, frame, &self.interface, MsgFlags::empty())?;
        Ok(())
    }
}
