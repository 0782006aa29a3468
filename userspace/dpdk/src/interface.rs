//! The kernel's network interface under a port, if there is one.

use std::{
    num::NonZeroU32,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    io::Errno,
    ioctl::{Opcode, Updater, ioctl},
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

    /// Whether it is up and has a carrier (`IFF_RUNNING`, netdevice(7)). Two system calls; neither
    /// waits for the kernel's lock on interfaces.
    pub(crate) fn is_running(&self) -> bool {
        /// `linux/sockios.h`.
        const SIOCGIFFLAGS: Opcode = 0x8913;
        let name = netdevice::index_to_name_inlined(self.socket.as_fd(), self.index.get());
        let Ok(name) = name else { return false };
        let mut request = libc::ifreq {
            ifr_name: [0; libc::IFNAMSIZ],
            ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: 0 },
        };
        for (to, from) in request.ifr_name.iter_mut().zip(name.as_bytes()) {
            *to = from.cast_signed();
        }
        // SAFETY: SIOCGIFFLAGS reads the name and writes the flags of a `struct ifreq`.
        let done = unsafe { ioctl(&self.socket, Updater::<SIOCGIFFLAGS, _>::new(&mut request)) };
        // SAFETY: the kernel wrote the flags, and the zeros of before are flags, too.
        let flags = unsafe { request.ifr_ifru.ifru_flags };
        done.is_ok() && i32::from(flags) & libc::IFF_RUNNING != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_present_of_loopback_and_of_none() {
        let (loopback, none) = (
            Interface::of(1).unwrap(),
            Interface::of(0x7fff_ff00).unwrap(),
        );
        assert!(loopback.is_present() && loopback.is_running());
        assert!(!none.is_present() && !none.is_running());
        assert!(Interface::of(0).is_none());
    }
}
