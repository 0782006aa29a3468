//! Membership of multicast groups through the kernel, on the interface under a port.

use std::{
    io, mem,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    os::fd::{AsRawFd, OwnedFd},
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::Error;
use crate::kernel::namespace::{self, Namespace};

/// `linux/in.h`.
const MCAST_JOIN_GROUP: libc::c_int = 42;
const MCAST_JOIN_SOURCE_GROUP: libc::c_int = 46;

/// Joins groups on the interface of one port.
#[derive(Debug)]
pub struct GroupJoiner {
    pub(crate) namespace: Option<Namespace>,
    pub(crate) interface: NonZeroU32,
}

/// Keeps a membership until it is dropped: the kernel reports it, answers queries about it, and
/// lets the interface receive the group's packets.
#[derive(Debug)]
pub struct GroupSocket {
    _socket: OwnedFd,
}

/// `struct group_req` and `struct group_source_req`, of which it is the beginning.
#[repr(C)]
struct Request {
    interface: u32,
    group: libc::sockaddr_storage,
    source: libc::sockaddr_storage,
}

impl GroupJoiner {
    /// Joins `group`, for one source or for any. May block as long as the kernel changes interfaces.
    ///
    /// # Errors
    /// [`Error::Group`], [`Error::Namespace`], [`Error::Thread`].
    pub fn join(&self, group: IpAddr, source: Option<IpAddr>) -> Result<GroupSocket, Error> {
        let join = || join(self.interface, group, source);
        let joined = namespace::run(self.namespace.as_ref(), join)?;
        joined.map_err(|source| Error::Group { group, source })
    }
}

fn join(interface: NonZeroU32, group: IpAddr, source: Option<IpAddr>) -> io::Result<GroupSocket> {
    let (family, level, any) = match group {
        IpAddr::V4(_) => (
            AddressFamily::INET,
            libc::IPPROTO_IP,
            Ipv4Addr::UNSPECIFIED.into(),
        ),
        IpAddr::V6(_) => (
            AddressFamily::INET6,
            libc::IPPROTO_IPV6,
            Ipv6Addr::UNSPECIFIED.into(),
        ),
    };
    let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let request = Request {
        interface: interface.get(),
        group: storage(group),
        source: storage(source.unwrap_or(any)),
    };
    let (option, length) = match source {
        Some(_) => (MCAST_JOIN_SOURCE_GROUP, size_of::<Request>()),
        None => (MCAST_JOIN_GROUP, mem::offset_of!(Request, source)),
    };
    let length = libc::socklen_t::try_from(length).expect("a few hundred bytes");
    // SAFETY: the kernel reads `length` bytes of a structure that is at least as long.
    let code = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const request).cast(),
            length,
        )
    };
    if code != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(GroupSocket { _socket: socket })
}

fn storage(address: IpAddr) -> libc::sockaddr_storage {
    let family = |family| libc::sa_family_t::try_from(family).expect("a small number");
    // SAFETY: all zero is a valid value of a structure of numbers.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let place = &raw mut storage;
    match address {
        IpAddr::V4(address) => {
            let address = libc::sockaddr_in {
                sin_family: family(libc::AF_INET),
                sin_port: 0,
                sin_addr: libc::in_addr {
                    s_addr: u32::from_ne_bytes(address.octets()),
                },
                sin_zero: [0; 8],
            };
            // SAFETY: `sockaddr_storage` is large enough and aligned for every address.
            unsafe { place.cast::<libc::sockaddr_in>().write(address) };
        }
        IpAddr::V6(address) => {
            let address = libc::sockaddr_in6 {
                sin6_family: family(libc::AF_INET6),
                sin6_port: 0,
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr {
                    s6_addr: address.octets(),
                },
                sin6_scope_id: 0,
            };
            // SAFETY: as above.
            unsafe { place.cast::<libc::sockaddr_in6>().write(address) };
        }
    }
    storage
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 77, 1);

    fn on_loopback() -> GroupJoiner {
        GroupJoiner {
            namespace: None,
            interface: NonZeroU32::new(1).expect("not 0"),
        }
    }

    /// Users of the group at loopback, as the kernel has them.
    fn is_member() -> bool {
        let known = fs::read_to_string("/proc/net/igmp").unwrap();
        let group = format!("{:08X}", u32::from_ne_bytes(GROUP.octets()));
        known.contains(&group)
    }

    #[test]
    fn group_is_joined_as_long_as_a_socket_of_it_lives() {
        let joiner = on_loopback();
        let sources = [[10, 0, 0, 1], [10, 0, 0, 2]].map(IpAddr::from);
        let first = joiner.join(GROUP.into(), Some(sources[0])).unwrap();
        let second = joiner.join(GROUP.into(), Some(sources[1])).unwrap();
        let any = joiner.join(GROUP.into(), None).unwrap();
        drop((first, any));
        assert!(is_member());
        drop(second);
        assert!(!is_member());
        let error = joiner.join(sources[0], None).unwrap_err();
        assert!(error.to_string().contains("10.0.0.1"), "{error}");
    }

    #[test]
    fn group_of_ipv6_is_joined_for_each_of_its_sources() {
        let joiner = on_loopback();
        let group = "ff3e::8077:1".parse().unwrap();
        let is_member = || {
            let known = fs::read_to_string("/proc/net/mcfilter6").unwrap();
            let group = "ff3e0000000000000000000080770001";
            known.lines().filter(|it| it.contains(group)).count()
        };
        let sources = ["fd00::1", "fd00::2"].map(|it| it.parse().unwrap());
        let sockets = sources.map(|source| joiner.join(group, Some(source)).unwrap());
        assert_eq!(is_member(), 2);
        drop(sockets);
        assert_eq!(is_member(), 0);
    }
}
