//! The kernel's network interface under a port, if there is one.

use std::{
    num::NonZeroU32,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with},
};

/// An interface, by its index in the namespace where it was found.
#[derive(Debug)]
pub(crate) struct Interface {
    index: NonZeroU32,
    /// A socket keeps its namespace, whichever thread uses it.
    socket: OwnedFd,
}

impl Interface {
    /// The interface `index` of the calling thread's namespace. `None` for index 0, which DPDK
    /// gives to ports without an interface, and if no socket can be created.
    pub(crate) fn of(index: u32) -> Option<Self> {
        let index = NonZeroU32::new(index)?;
        let socket = socket_with(
            AddressFamily::INET,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            None,
        );
        Some(Self {
            index,
            socket: socket.ok()?,
        })
    }

    pub(crate) fn index(&self) -> NonZeroU32 {
        self.index
    }

    /// Whether it is still in its namespace. The driver does not notice when it is deleted: it only
    /// stops receiving.
    pub(crate) fn is_present(&self) -> bool {
        let name = netdevice::index_to_name_inlined(self.socket.as_fd(), self.index.get());
        !matches!(name, Err(Errno::NODEV | Errno::NXIO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_present_of_loopback_and_of_none() {
        assert!(Interface::of(1).unwrap().is_present());
        assert!(!Interface::of(0x7fff_ff00).unwrap().is_present());
        assert!(Interface::of(0).is_none());
    }
}
