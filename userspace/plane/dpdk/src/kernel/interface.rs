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
        self.flags() & libc::IFF_RUNNING != 0
    }

    /// Its flags; 0 if it is gone.
    fn flags(&self) -> i32 {
        /// `linux/sockios.h`.
        const SIOCGIFFLAGS: Opcode = 0x8913;
        // SAFETY: the kernel writes the flags.
        let flags = self.ask::<SIOCGIFFLAGS, _>(|it| unsafe { it.ifr_ifru.ifru_flags });
        flags.map_or(0, i32::from)
    }

    /// Its MTU now, as [`Interface::is_running`]; `None` if it is gone.
    pub(crate) fn mtu(&self) -> Option<u32> {
        /// `linux/sockios.h`.
        const SIOCGIFMTU: Opcode = 0x8921;
        // SAFETY: the kernel writes the MTU.
        let mtu = self.ask::<SIOCGIFMTU, _>(|it| unsafe { it.ifr_ifru.ifru_mtu });
        u32::try_from(mtu?).ok()
    }

    /// Asks the kernel a question with a `struct ifreq`, and reads the answer.
    fn ask<const QUESTION: Opcode, T>(&self, read: impl Fn(&libc::ifreq) -> T) -> Option<T> {
        let name = netdevice::index_to_name_inlined(self.socket.as_fd(), self.index.get());
        let name = name.ok()?;
        let mut request = libc::ifreq {
            ifr_name: [0; libc::IFNAMSIZ],
            ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: 0 },
        };
        for (to, from) in request.ifr_name.iter_mut().zip(name.as_bytes()) {
            *to = from.cast_signed();
        }
        // SAFETY: these questions read the name and write one member of a `struct ifreq`.
        let done = unsafe { ioctl(&self.socket, Updater::<QUESTION, _>::new(&mut request)) };
        done.ok().map(|()| read(&request))
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
        assert!(loopback.mtu().is_some_and(|mtu| mtu > 0) && none.mtu().is_none());
        assert!(Interface::of(0).is_none());
    }
}
