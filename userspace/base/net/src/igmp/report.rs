//! Reports of a host, as bytes (RFC 3376 §4.2; for IPv6 [`super::mld`]).

use std::net::{IpAddr, Ipv4Addr};

use super::{ALL_ROUTERS, IGMPV3_ROUTERS, Version, mld};
use crate::ethernet::{ETHERTYPE_IPV4, EthernetHeader, Mac};
use crate::ipv4::{self, checksum};

/// Protocol number of IGMP.
const PROTOCOL_IGMP: u8 = 2;
const V1_REPORT: u8 = 0x12;
const V2_REPORT: u8 = 0x16;
const V2_LEAVE: u8 = 0x17;
const V3_REPORT: u8 = 0x22;
/// IPv4 header with the option Router Alert (RFC 2113).
const HEADER_BYTES: usize = 24;
const ROUTER_ALERT: [u8; 4] = [0x94, 4, 0, 0];
/// Precedence "internetwork control" (RFC 3376 §4).
const TYPE_OF_SERVICE: u8 = 0xc0;
/// Bytes of group records in one report: its packet fits the smallest MTU of Ethernet in use, and over
/// IPv6 that of any link (RFC 8200 §5).
const RECORD_BYTES: usize = 1_400;
const RECORD_BYTES_IPV6: usize = 1_200;

/// Type of a group record (RFC 3376 §4.2.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    IsInclude = 1,
    IsExclude = 2,
    ToInclude = 3,
    ToExclude = 4,
    Allow = 5,
    Block = 6,
}

/// A group record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: Kind,
    pub(super) group: IpAddr,
    pub(super) sources: Vec<IpAddr>,
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipReport {
    /// Where it goes.
    pub destination: IpAddr,
    /// The message of IGMP, or of MLD still without its checksum, which the addresses are part of.
    pub message: Vec<u8>,
}

impl MembershipReport {
    /// Reports of IGMPv3 or MLDv2 with these records, as few as possible; all of one family.
    pub(super) fn of_records(records: Vec<Record>) -> Vec<Self> {
        let mut bodies: Vec<(u16, Vec<u8>)> = Vec::new();
        let is_ipv6 = records.first().is_some_and(|it| it.group.is_ipv6());
        let (most, address_bytes) = match is_ipv6 {
            true => (RECORD_BYTES_IPV6, 16),
            false => (RECORD_BYTES, 4),
        };
        // A record has four bytes before its addresses.
        let most_sources = (most - 4) / address_bytes - 1;
        for record in &records {
            let parts: Vec<&[IpAddr]> = match record.sources.as_slice() {
                [] => vec![&[]],
                sources => sources.chunks(most_sources).collect(),
            };
            for sources in parts {
                let bytes = record_bytes(record.kind, record.group, sources);
                match bodies.last_mut() {
                    Some((count, body)) if body.len() + bytes.len() <= most => {
                        *count += 1;
                        body.extend(bytes);
                    }
                    _ => bodies.push((1, bytes)),
                }
            }
        }
        let (kind, routers) = match is_ipv6 {
            true => (mld::V2_REPORT, mld::MLDV2_ROUTERS.into()),
            false => (V3_REPORT, IGMPV3_ROUTERS.into()),
        };
        let report = |(count, body): (u16, Vec<u8>)| {
            let [high, low] = count.to_be_bytes();
            let head = [kind, 0, 0, 0, 0, 0, high, low];
            Self::new(routers, [&head[..], &body].concat())
        };
        bodies.into_iter().map(report).collect()
    }

    /// The report of a member in an older version.
    pub(super) fn of_member(group: IpAddr, version: Version) -> Self {
        let message = match (group, version) {
            (IpAddr::V4(group), Version::V1) => short(V1_REPORT, group),
            (IpAddr::V4(group), Version::V2 | Version::V3) => short(V2_REPORT, group),
            (IpAddr::V6(group), _) => mld::short(mld::V1_REPORT, group),
        };
        Self::new(group, message)
    }

    /// IGMPv2's leave message, and MLDv1's done message.
    pub(super) fn of_leave(group: IpAddr) -> Self {
        match group {
            IpAddr::V4(group) => Self::new(ALL_ROUTERS.into(), short(V2_LEAVE, group)),
            IpAddr::V6(group) => {
                Self::new(mld::ALL_ROUTERS.into(), mld::short(mld::V1_DONE, group))
            }
        }
    }

    fn new(destination: IpAddr, mut message: Vec<u8>) -> Self {
        if destination.is_ipv4() {
            let sum = checksum(&message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        Self {
            destination,
            message,
        }
    }

    /// The Ethernet frame that carries it, with time to live 1 and Router Alert. `source` is the address of
    /// IPv4; an MLD message comes from the link-local address of `mac` (RFC 3810 §5.2.13).
    #[must_use]
    pub fn to_frame(&self, mac: Mac, source: Ipv4Addr) -> Vec<u8> {
        let destination = match self.destination {
            IpAddr::V4(destination) => destination,
            IpAddr::V6(destination) => return mld::to_frame(&self.message, mac, destination),
        };
        let ethernet = EthernetHeader {
            destination: Mac::of_multicast(self.destination),
            source: mac,
            ethertype: ETHERTYPE_IPV4,
        };
        let total = u16::try_from(HEADER_BYTES + self.message.len()).unwrap_or(u16::MAX);
        let mut ip = [0; HEADER_BYTES];
        ip[0] = 0x46;
        ip[1] = TYPE_OF_SERVICE;
        ip[2..4].copy_from_slice(&total.to_be_bytes());
        // Don't fragment.
        ip[6] = 0x40;
        ip[8] = 1;
        ip[9] = PROTOCOL_IGMP;
        ip[12..16].copy_from_slice(&source.octets());
        ip[16..20].copy_from_slice(&destination.octets());
        ip[20..].copy_from_slice(&ROUTER_ALERT);
        let sum = checksum(&ip);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        [&ethernet.to_bytes()[..], &ip, &self.message].concat()
    }
}

/// Whether an IPv4 packet, with or without options, says that it carries IGMP.
#[must_use]
pub fn is_igmp(packet: &[u8]) -> bool {
    packet.len() >= ipv4::HEADER_BYTES && packet[0] >> 4 == 4 && packet[9] == PROTOCOL_IGMP
}

fn short(kind: u8, group: Ipv4Addr) -> Vec<u8> {
    [&[kind, 0, 0, 0][..], &group.octets()].concat()
}

fn record_bytes(kind: Kind, group: IpAddr, sources: &[IpAddr]) -> Vec<u8> {
    let count = u16::try_from(sources.len()).expect("as many as fit a report");
    let [high, low] = count.to_be_bytes();
    let mut bytes = vec![kind as u8, 0, high, low];
    for address in std::iter::once(&group).chain(sources) {
        match address {
            IpAddr::V4(address) => bytes.extend(address.octets()),
            IpAddr::V6(address) => bytes.extend(address.octets()),
        }
    }
    bytes
}
