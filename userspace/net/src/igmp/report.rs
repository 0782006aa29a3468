//! Reports of a host, as bytes (RFC 3376 §4.2).

use std::net::Ipv4Addr;

use super::{ALL_ROUTERS, IGMPV3_ROUTERS, Version};
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
/// Bytes of group records in one report: its packet fits the smallest MTU of Ethernet in use.
const RECORD_BYTES: usize = 1_400;
/// Sources in one record.
const RECORD_SOURCES: usize = (RECORD_BYTES - 8) / 4;

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
    pub(super) group: Ipv4Addr,
    pub(super) sources: Vec<Ipv4Addr>,
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipReport {
    /// Where it goes.
    pub destination: Ipv4Addr,
    /// The IGMP message.
    pub message: Vec<u8>,
}

impl MembershipReport {
    /// Reports of IGMPv3 with these records, as few as possible.
    pub(super) fn of_records(records: Vec<Record>) -> Vec<Self> {
        let mut bodies: Vec<(u16, Vec<u8>)> = Vec::new();
        for record in &records {
            let parts: Vec<&[Ipv4Addr]> = match record.sources.as_slice() {
                [] => vec![&[]],
                sources => sources.chunks(RECORD_SOURCES).collect(),
            };
            for sources in parts {
                let bytes = record_bytes(record.kind, record.group, sources);
                match bodies.last_mut() {
                    Some((count, body)) if body.len() + bytes.len() <= RECORD_BYTES => {
                        *count += 1;
                        body.extend(bytes);
                    }
                    _ => bodies.push((1, bytes)),
                }
            }
        }
        let report = |(count, body): (u16, Vec<u8>)| {
            let [high, low] = count.to_be_bytes();
            let head = [V3_REPORT, 0, 0, 0, 0, 0, high, low];
            Self::new(IGMPV3_ROUTERS, [&head[..], &body].concat())
        };
        bodies.into_iter().map(report).collect()
    }

    /// The report of a member in an older version.
    pub(super) fn of_member(group: Ipv4Addr, version: Version) -> Self {
        let kind = match version {
            Version::V1 => V1_REPORT,
            Version::V2 | Version::V3 => V2_REPORT,
        };
        Self::new(group, short(kind, group))
    }

    /// IGMPv2's leave message.
    pub(super) fn of_leave(group: Ipv4Addr) -> Self {
        Self::new(ALL_ROUTERS, short(V2_LEAVE, group))
    }

    fn new(destination: Ipv4Addr, mut message: Vec<u8>) -> Self {
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        Self {
            destination,
            message,
        }
    }

    /// The Ethernet frame that carries it, with time to live 1 and Router Alert.
    #[must_use]
    pub fn to_frame(&self, mac: Mac, source: Ipv4Addr) -> Vec<u8> {
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
        ip[16..20].copy_from_slice(&self.destination.octets());
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

fn record_bytes(kind: Kind, group: Ipv4Addr, sources: &[Ipv4Addr]) -> Vec<u8> {
    let count = u16::try_from(sources.len()).expect("at most RECORD_SOURCES");
    let [high, low] = count.to_be_bytes();
    let mut bytes = vec![kind as u8, 0, high, low];
    bytes.extend(group.octets());
    bytes.extend(sources.iter().flat_map(Ipv4Addr::octets));
    bytes
}
