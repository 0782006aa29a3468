//! IGMP on a cable, as a packet socket sees it. Parsed by hand: a test must not agree with the product by
//! descent.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd as _, OwnedFd};

use anyhow::{Context as _, Result};
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket,
    sockopt::RcvBufForce,
};
use onair_stage::{Deadline, Stage, output, until};

/// Bytes that a watch holds between two looks: media beside it must not push messages out.
const BUFFER: usize = 128 << 20;

/// A message of IGMP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Igmp {
    /// Ethernet address that it goes to.
    pub mac: [u8; 6],
    /// Source of the packet.
    pub source: Ipv4Addr,
    /// Destination of the packet.
    pub destination: Ipv4Addr,
    /// Time to live.
    pub ttl: u8,
    /// The packet has the option Router Alert.
    pub has_alert: bool,
    /// The message: its type first.
    pub message: Vec<u8>,
}

impl Igmp {
    /// Record of an answer to a query, MODE_IS_INCLUDE (RFC 3376 §4.2.12).
    pub const ANSWER: u8 = 1;
    /// Record of new sources, ALLOW_NEW_SOURCES: a join.
    pub const JOIN: u8 = 5;
    /// Record of sources that are left, BLOCK_OLD_SOURCES.
    pub const LEAVE: u8 = 6;

    /// Records of a group without sources, CHANGE_TO_INCLUDE_MODE and CHANGE_TO_EXCLUDE_MODE.
    const LEAVES_ALL: u8 = 3;
    const JOINS_ALL: u8 = 4;

    /// A query, or a report about a group of the link itself: packets that leave are seen, too.
    fn is_of_the_switch(&self) -> bool {
        let records = self.records().into_iter().map(|(_, group, _)| group);
        let mut groups: Vec<_> = records.collect();
        if [0x12, 0x16, 0x17].contains(&self.message[0]) {
            groups.extend(self.message.get(4..8).map(address));
        }
        let is_of_the_link = |group: &Ipv4Addr| matches!(group.octets(), [224, 0, 0, _]);
        let all = !groups.is_empty() && groups.iter().all(is_of_the_link);
        self.message[0] == 0x11 || all
    }

    /// Group records of a report of IGMPv3: type, group, sources.
    #[must_use]
    pub fn records(&self) -> Vec<(u8, Ipv4Addr, Vec<Ipv4Addr>)> {
        let mut records = Vec::new();
        let mut rest = self.message.get(8..).unwrap_or_default();
        while self.message[0] == 0x22 && rest.len() >= 8 {
            let sources = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            let (record, more) = rest.split_at(8 + 4 * sources);
            let mut addresses = record[4..].chunks(4).map(address);
            let group = addresses.next().expect("four bytes at least");
            records.push((record[0], group, addresses.collect()));
            rest = more;
        }
        records
    }

    /// What it says of `group`: whether that is joined, from any source; `None`: nothing.
    #[must_use]
    pub fn joins(&self, group: Ipv4Addr) -> Option<bool> {
        let mut records = self.records().into_iter();
        let found = records.find(|(_, of, sources)| *of == group && sources.is_empty());
        match found?.0 {
            Self::LEAVES_ALL => Some(false),
            Self::JOINS_ALL => Some(true),
            _ => None,
        }
    }

    /// Whether a record of this type is in it.
    #[must_use]
    pub fn has(&self, record: u8) -> bool {
        self.records().iter().any(|(kind, ..)| *kind == record)
    }
}

/// A packet socket that sees what arrives at an interface.
#[derive(Debug)]
pub struct IgmpWatch {
    socket: OwnedFd,
    index: usize,
    seen: Vec<Igmp>,
}

impl IgmpWatch {
    /// Watches `interface`, inside the stage's namespace.
    pub fn start(stage: &Stage, interface: &str) -> Result<Self> {
        let (socket, index) = packet_socket(stage, interface)?;
        setsockopt(&socket, RcvBufForce, &BUFFER)?;
        Ok(Self {
            socket,
            index,
            seen: Vec::new(),
        })
    }

    /// All messages that came from the other end until now, the oldest first.
    pub fn seen(&mut self) -> &[Igmp] {
        while let Some((frame, index)) = next(&self.socket) {
            let found = parse(&frame).filter(|_| index == self.index);
            self.seen.extend(found.filter(|it| !it.is_of_the_switch()));
        }
        &self.seen
    }

    /// Forgets what was seen.
    pub fn forget(&mut self) {
        self.seen();
        self.seen.clear();
    }

    /// Waits until `enough` of the messages satisfy `is`; gives the last of them.
    pub fn wait(&mut self, what: &str, enough: usize, is: impl Fn(&Igmp) -> bool) -> Result<Igmp> {
        let found = until(what, Deadline::seconds(30), || {
            let found: Vec<_> = self.seen().iter().filter(|it| is(it)).cloned().collect();
            Ok(found.last().cloned().filter(|_| found.len() >= enough))
        });
        found.with_context(|| format!("seen: {:?}", self.seen))
    }
}

/// Waits for an Ethernet frame on `interface` that is as wanted.
pub fn frame_on(stage: &Stage, interface: &str, is: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>> {
    let (socket, here) = packet_socket(stage, interface)?;
    until("a frame on the wire", Deadline::seconds(30), || {
        let frames = std::iter::from_fn(|| next(&socket));
        let mut frames = frames.filter(|(frame, index)| *index == here && is(frame));
        Ok(frames.next().map(|(frame, _)| frame))
    })
}

/// A packet socket inside the stage's namespace, and the index of `interface`.
fn packet_socket(stage: &Stage, interface: &str) -> Result<(OwnedFd, usize)> {
    let shown = [
        "-n",
        stage.namespace(),
        "-o",
        "link",
        "show",
        "dev",
        interface,
    ];
    let index = output("ip", &shown)?;
    let (index, _) = index.split_once(':').context("no interface")?;
    let index = index.parse()?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let open = || {
        Ok(socket(
            AddressFamily::Packet,
            SockType::Raw,
            flags,
            SockProtocol::EthAll,
        )?)
    };
    Ok((stage.inside(open)?, index))
}

/// The next frame of any interface, with the interface's index.
fn next(socket: &OwnedFd) -> Option<(Vec<u8>, usize)> {
    let mut bytes = vec![0; 2048];
    let (count, from) = recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut bytes).ok()?;
    bytes.truncate(count);
    Some((bytes, from?.ifindex()))
}

fn parse(frame: &[u8]) -> Option<Igmp> {
    let ip = frame.get(14..)?;
    if frame[12..14] != [8, 0] || *ip.get(9)? != 2 {
        return None;
    }
    let header = usize::from(ip[0] & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
    Some(Igmp {
        mac: frame[..6].try_into().ok()?,
        source: address(&ip[12..16]),
        destination: address(&ip[16..20]),
        ttl: ip[8],
        has_alert: header == 24 && ip[20..24] == [0x94, 4, 0, 0],
        message: ip.get(header..total)?.to_vec(),
    })
}

fn address(bytes: &[u8]) -> Ipv4Addr {
    Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])
}
