//! Reads and changes an interface through rtnetlink(7): promiscuous mode, and XDP programs. Asks the kernel's `netdev`
//! family (Documentation/netlink/specs/netdev.yaml) for zero copy. In the network namespace of the thread that opens
//! the socket.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType,
        netlink::GENERIC as GENERIC_NETLINK, recv, send, socket_with,
    },
};

/// Types and attributes of `linux/rtnetlink.h`, `linux/netlink.h` and `linux/if_link.h`.
const NLMSG_ERROR: u16 = 2;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_FD: u16 = 1;
const IFLA_XDP_FLAGS: u16 = 3;
const NLA_F_NESTED: u16 = 1 << 15;
/// Types, commands and attributes of `linux/genetlink.h` and `linux/netdev.h`.
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;
const NETDEV_XDP_ACT_XSK_ZEROCOPY: u64 = 8;
/// `linux/if.h`.
const IFF_PROMISC: u32 = 0x100;
/// Lengths of `struct nlmsghdr`, `struct ifinfomsg`, `struct genlmsghdr` and `struct nlattr`.
const HEADER: usize = 16;
const LINK: usize = 16;
const GENERIC: usize = 4;
const ATTRIBUTE: usize = 4;
/// Larger than any answer about one interface (rtnetlink(7)).
const ANSWER: usize = 64 << 10;

/// How an XDP program is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Driver,
    Generic,
    Hardware,
}

impl Mode {
    /// Its attribute with the program's id (`IFLA_XDP_DRV_PROG_ID`, …).
    const BY_ATTRIBUTE: [(u16, Self); 3] =
        [(5, Self::Driver), (6, Self::Generic), (7, Self::Hardware)];

    /// `XDP_FLAGS_SKB_MODE`, `XDP_FLAGS_DRV_MODE`, `XDP_FLAGS_HW_MODE`.
    pub(crate) const fn flag(self) -> u32 {
        match self {
            Self::Generic => 1 << 1,
            Self::Driver => 1 << 2,
            Self::Hardware => 1 << 3,
        }
    }
}

/// One interface, as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) index: u32,
    /// The largest IP packet, in bytes.
    pub(crate) mtu: u32,
    /// Set by an administrator or a program, not temporarily by a capture.
    pub(crate) promiscuous: bool,
    /// The XDP programs on it, by id.
    pub(crate) programs: Vec<(Mode, u32)>,
}

/// A question, and the kind of its answer (`linux/rtnetlink.h`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct RouteKind(u16, u16);

impl RouteKind {
    pub(crate) const ROUTE: Self = Self(26, 24);
    pub(crate) const NEIGHBOUR: Self = Self(30, 28);
    pub(crate) const NEW_NEIGHBOUR: Self = Self(28, 28);
}

/// A netlink socket.
#[derive(Debug)]
pub(crate) struct Route(OwnedFd);

impl Route {
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self(socket(None)?))
    }

    /// The interface `name`; `None` if there is none.
    pub(crate) fn find(&self, name: &str) -> io::Result<Option<Interface>> {
        let mut text = name.as_bytes().to_vec();
        text.push(0);
        let mut body = link(0, 0, 0);
        put(&mut body, IFLA_IFNAME, &text);
        let answer = match self.ask(RTM_GETLINK, 0, &body) {
            Err(error) if error.raw_os_error() == Some(Errno::NODEV.raw_os_error()) => {
                return Ok(None);
            }
            other => other?,
        };
        parse(&answer).map(Some).ok_or_else(garbled)
    }

    /// Switches promiscuous mode.
    pub(crate) fn set_promiscuous(&self, index: u32, on: bool) -> io::Result<()> {
        let flags = if on { IFF_PROMISC } else { 0 };
        self.ask(RTM_SETLINK, NLM_F_ACK, &link(index, flags, IFF_PROMISC))
            .map(drop)
    }

    /// Removes the XDP program that is attached in `mode`.
    pub(crate) fn detach(&self, index: u32, mode: Mode) -> io::Result<()> {
        let mut xdp = Vec::new();
        put(&mut xdp, IFLA_XDP_FD, &(-1_i32).to_ne_bytes());
        put(&mut xdp, IFLA_XDP_FLAGS, &mode.flag().to_ne_bytes());
        let mut body = link(index, 0, 0);
        put(&mut body, IFLA_XDP | NLA_F_NESTED, &xdp);
        self.ask(RTM_SETLINK, NLM_F_ACK, &body).map(drop)
    }

    /// Asks with these attributes after `body`. Returns the body of the answer.
    pub(crate) fn about(
        &self,
        kind: RouteKind,
        flags: u16,
        mut body: Vec<u8>,
        attributes: &[(u16, &[u8])],
    ) -> io::Result<Vec<u8>> {
        for (kind, value) in attributes {
            put(&mut body, *kind, value);
        }
        ask(&self.0, (kind.0, kind.1), flags, &body)
    }

    /// An attribute of an answer, after its first `header` bytes.
    pub(crate) fn attribute(answer: &[u8], header: usize, kind: u16) -> Option<&[u8]> {
        let mut all = attributes(answer.get(header..)?);
        Some(all.find(|(found, _)| *found == kind)?.1)
    }

    fn ask(&self, kind: u16, flags: u16, body: &[u8]) -> io::Result<Vec<u8>> {
        ask(&self.0, (kind, RTM_NEWLINK), flags, body)
    }
}

impl AsFd for Route {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether the driver of interface `index` has zero copy for AF_XDP.
///
/// # Errors
/// The kernel's: one before Linux 6.3 has no such family (`ENOENT`).
pub(crate) fn has_zero_copy(index: u32) -> io::Result<bool> {
    let socket = socket(Some(GENERIC_NETLINK))?;
    let mut body = vec![CTRL_CMD_GETFAMILY, 1, 0, 0];
    put(&mut body, CTRL_ATTR_FAMILY_NAME, b"netdev\0");
    let answer = ask(&socket, (GENL_ID_CTRL, GENL_ID_CTRL), 0, &body)?;
    let family = generic(&answer, CTRL_ATTR_FAMILY_ID).and_then(|it| it.get(..2));
    let family = family.map(u16_of).ok_or_else(garbled)?;
    let mut body = vec![NETDEV_CMD_DEV_GET, 1, 0, 0];
    put(&mut body, NETDEV_A_DEV_IFINDEX, &index.to_ne_bytes());
    let answer = ask(&socket, (family, family), 0, &body)?;
    let features = generic(&answer, NETDEV_A_DEV_XDP_FEATURES).and_then(|it| it.try_into().ok());
    let features = features.map(u64::from_ne_bytes).ok_or_else(garbled)?;
    Ok(features & NETDEV_XDP_ACT_XSK_ZEROCOPY != 0)
}

/// An attribute of generic netlink.
fn generic(body: &[u8], kind: u16) -> Option<&[u8]> {
    Route::attribute(body, GENERIC, kind)
}

/// A netlink socket; `None` is rtnetlink's protocol, 0.
fn socket(protocol: Option<Protocol>) -> io::Result<OwnedFd> {
    let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
    Ok(socket_with(family, kind, SocketFlags::CLOEXEC, protocol)?)
}

/// Sends a request, and returns the body of the answer, empty for a bare acknowledgement. `kinds`: of the request and
/// of the answer.
fn ask(
    socket: &OwnedFd,
    (kind, answered): (u16, u16),
    flags: u16,
    body: &[u8],
) -> io::Result<Vec<u8>> {
    let length = u32::try_from(HEADER + body.len()).expect("a few words");
    let mut request = Vec::with_capacity(HEADER + body.len());
    request.extend(length.to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend((NLM_F_REQUEST | flags).to_ne_bytes());
    // Sequence and port: one request at a time, to the kernel.
    request.extend([0; 8]);
    request.extend(body);
    send(socket, &request, SendFlags::empty())?;
    let mut answer = vec![0; ANSWER];
    let (length, _) = recv(socket, &mut *answer, RecvFlags::empty())?;
    answer.truncate(length);
    let kind = answer.get(4..6).map(u16_of).ok_or_else(garbled)?;
    let body = answer.split_off(HEADER.min(answer.len()));
    match kind {
        NLMSG_ERROR => match body.get(..4).map(i32_of).ok_or_else(garbled)? {
            0 => Ok(Vec::new()),
            error => Err(io::Error::from_raw_os_error(-error)),
        },
        kind if kind == answered => Ok(body),
        _ => Err(garbled()),
    }
}

fn garbled() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not an answer of netlink(7)")
}

fn u16_of(bytes: &[u8]) -> u16 {
    u16::from_ne_bytes(bytes.try_into().expect("two bytes"))
}

fn u32_of(bytes: &[u8]) -> u32 {
    u32::from_ne_bytes(bytes.try_into().expect("four bytes"))
}

fn i32_of(bytes: &[u8]) -> i32 {
    u32_of(bytes).cast_signed()
}

/// `struct ifinfomsg`.
fn link(index: u32, flags: u32, change: u32) -> Vec<u8> {
    // Family, padding and device type: any.
    let mut bytes = vec![0; 4];
    bytes.extend(index.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(change.to_ne_bytes());
    bytes
}

/// Appends an attribute, padded to four bytes.
fn put(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(ATTRIBUTE + value.len()).expect("a few words");
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// Attributes one after the other, until one does not fit.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_of(bytes.get(..2)?));
        let kind = u16_of(bytes.get(2..4)?) & !NLA_F_NESTED;
        let value = bytes.get(ATTRIBUTE..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn parse(body: &[u8]) -> Option<Interface> {
    let programs = attributes(body.get(LINK..)?)
        .filter(|(kind, _)| *kind == IFLA_XDP)
        .flat_map(|(_, xdp)| attributes(xdp))
        .filter_map(|(kind, value)| {
            let (_, mode) = Mode::BY_ATTRIBUTE.into_iter().find(|it| it.0 == kind)?;
            let id = u32_of(value.get(..4)?);
            (id != 0).then_some((mode, id))
        });
    let mtu = attributes(body.get(LINK..)?).find(|(kind, _)| *kind == IFLA_MTU);
    Some(Interface {
        mtu: mtu.and_then(|(_, value)| value.get(..4)).map_or(0, u32_of),
        index: body.get(4..8).map(u32_of)?,
        promiscuous: u32_of(body.get(8..12)?) & IFF_PROMISC != 0,
        programs: programs.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn find_loopback_and_none_then_index_one_and_nothing() {
        let route = Route::open().unwrap();
        let lo = route.find("lo").unwrap().unwrap();
        assert_eq!(lo.index, 1);
        assert!(route.find("oad-is-not-th").unwrap().is_none());
    }

    #[test]
    fn zero_copy_of_loopback_and_of_nothing_then_none_and_an_error() {
        // A kernel before Linux 6.3 has not the family.
        let lo = has_zero_copy(1);
        let no_family = io::Error::from(Errno::NOENT).kind();
        assert!(lo.map_or_else(|it| it.kind() == no_family, |has| !has));
        assert!(has_zero_copy(u32::MAX >> 1).is_err());
    }

    #[test]
    fn answer_cut_anywhere_then_no_panic() {
        let mut xdp = Vec::new();
        put(&mut xdp, 6, &17_u32.to_ne_bytes());
        let mut body = link(4, IFF_PROMISC, 0);
        put(&mut body, IFLA_IFNAME, b"va\0");
        put(&mut body, IFLA_MTU, &1500_u32.to_ne_bytes());
        put(&mut body, IFLA_XDP | NLA_F_NESTED, &xdp);
        let whole = Interface {
            index: 4,
            mtu: 1500,
            promiscuous: true,
            programs: vec![(Mode::Generic, 17)],
        };
        assert_eq!(parse(&body), Some(whole));
        for length in 0..body.len() {
            let _ = parse(&body[..length]);
        }
    }
}
