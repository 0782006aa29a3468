//! The kernel's side of a port's network: its own addresses there, and its neighbours.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::Path;

use rustix::fd::AsFd as _;
use rustix::net::netdevice;

use crate::kernel::netlink::{Route, RouteKind};

/// The kernel's interface in a port's network.
#[derive(Debug)]
pub(crate) struct Host {
    /// Keeps its namespace, whichever thread asks.
    route: Route,
    index: NonZeroU32,
    has_ipv6: bool,
}

impl Host {
    /// Beside a port on `interface`, in the VLAN `vlan` or, if that is 0, in none. `None`: the kernel has no interface
    /// there. In the calling thread's namespace.
    pub(crate) fn beside(interface: &str, vlan: u16) -> Option<Self> {
        let route = Route::open().ok()?;
        let name = match vlan {
            0 => interface.to_owned(),
            _ => {
                let known = fs::read_to_string("/proc/thread-self/net/vlan/config").ok()?;
                vlan_interface(&known, interface, vlan)?.to_owned()
            }
        };
        let index = netdevice::name_to_index(route.as_fd(), &name).ok()?;
        let switch = Path::new("/proc/sys/net/ipv6/conf").join(&name);
        let switch = fs::read_to_string(switch.join("disable_ipv6"));
        Some(Self {
            index: NonZeroU32::new(index)?,
            has_ipv6: switch.is_ok_and(|it| it.trim() == "0"),
            route,
        })
    }

    pub(crate) fn index(&self) -> NonZeroU32 {
        self.index
    }

    /// Whether the kernel speaks the family of IPv6 there.
    pub(crate) fn has_ipv6(&self) -> bool {
        self.has_ipv6
    }

    /// Whether `address` is the kernel's own there: it then answers for it.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        // `struct rtmsg` (rtnetlink(7)); the entry itself, not a copy for a destination.
        const RTM_F_FIB_MATCH: u32 = 0x2000;
        const RTN_LOCAL: u8 = 2;
        let (family, bytes) = bytes(address);
        let length = u8::try_from(8 * bytes.len()).expect("an address");
        let mut body = vec![family, length, 0, 0, 0, 0, 0, 0];
        body.extend(RTM_F_FIB_MATCH.to_ne_bytes());
        let interface = self.index.get().to_ne_bytes();
        let attributes = [(1, &bytes[..]), (4, &interface)];
        // An error: there is no way to it.
        let found = self.route.about(RouteKind::ROUTE, 0, body, &attributes);
        found.is_ok_and(|it| it.get(7) == Some(&RTN_LOCAL))
    }

    /// Has the kernel resolve a neighbour, and says what it knows of it. May wait for the kernel's lock on interfaces.
    ///
    /// # Errors
    /// The kernel's, such as a full table.
    pub(crate) fn neighbour(&self, address: IpAddr) -> io::Result<Option<[u8; 6]>> {
        // `struct ndmsg`, flags and states of `linux/neighbour.h`.
        const NTF_USE: u8 = 1;
        const NLM_F_ACK_CREATE: u16 = 0x404;
        const VALID: u16 = 0xde;
        const LLADDR: u16 = 2;
        let (family, bytes) = bytes(address);
        let body = |flags| {
            let mut body = vec![family, 0, 0, 0];
            body.extend(self.index.get().to_ne_bytes());
            body.extend([0, 0, flags, 0]);
            body
        };
        let to = [(1, &bytes[..])];
        let used = RouteKind::NEW_NEIGHBOUR;
        self.route
            .about(used, NLM_F_ACK_CREATE, body(NTF_USE), &to)?;
        let found = self.route.about(RouteKind::NEIGHBOUR, 0, body(0), &to)?;
        let state = found.get(8..10).and_then(|it| it.try_into().ok());
        let is_valid = state.is_some_and(|it| u16::from_ne_bytes(it) & VALID != 0);
        let mac = Route::attribute(&found, 12, LLADDR).and_then(|it| it.try_into().ok());
        Ok(mac.filter(|_| is_valid))
    }
}

/// The kernel's interface for a VLAN of `parent`, of `/proc/net/vlan/config`: name, VLAN and parent, with bars.
fn vlan_interface<'a>(known: &'a str, parent: &str, vlan: u16) -> Option<&'a str> {
    let mut rows = known.lines().map(|line| line.split('|').map(str::trim));
    rows.find_map(|mut row| {
        let (name, id, of) = (row.next()?, row.next()?, row.next()?);
        (id.parse() == Ok(vlan) && of == parent).then_some(name)
    })
}

/// Family and bytes of an address.
fn bytes(address: IpAddr) -> (u8, Vec<u8>) {
    let family = |it| u8::try_from(it).expect("a small number");
    match address {
        IpAddr::V4(it) => (family(libc::AF_INET), it.octets().to_vec()),
        IpAddr::V6(it) => (family(libc::AF_INET6), it.octets().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_of_loopback_is_the_kernels_and_another_is_not() {
        let host = Host::beside("lo", 0).unwrap();
        assert!(host.has([127, 0, 0, 1].into()) && !host.has([192, 0, 2, 1].into()));
        assert_eq!(host.index().get(), 1);
        assert!(Host::beside("oad-is-not-th", 0).is_none() && Host::beside("lo", 7).is_none());
    }

    #[test]
    fn vlan_interface_is_found_by_its_parent_and_number() {
        let known = "VLAN Dev name    | VLAN ID\nName-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD\n\
            eth1.100       | 100  | eth1\nmedia          | 200  | eth2\n";
        assert_eq!(vlan_interface(known, "eth1", 100), Some("eth1.100"));
        assert_eq!(vlan_interface(known, "eth2", 200), Some("media"));
        assert_eq!(vlan_interface(known, "eth1", 200), None);
    }
}
