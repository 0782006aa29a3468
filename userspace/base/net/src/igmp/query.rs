//! Queries of a querier (RFC 3376 §4.1).

use std::net::{IpAddr, Ipv4Addr};

use arrayvec::ArrayVec;

use crate::bytes::{array, u16_at};
use crate::ipv4::{self, checksum};

/// Message type.
const MEMBERSHIP_QUERY: u8 = 0x11;
/// Length of a query of IGMPv1 and IGMPv2, and of the fixed part of IGMPv3's.
const SHORT: usize = 8;
const LONG: usize = 12;
/// Sources of a query that are kept. With more of them the whole group is answered for.
pub(super) const SOURCES: usize = 64;
/// IGMPv1 has no response time in its queries (RFC 3376 §8.3).
const V1_RESPONSE_MS: u64 = 10_000;

/// Version of a query (RFC 3376 §7.1). A version of MLD is that of IGMP with the same rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// RFC 1112.
    V1,
    /// RFC 2236; MLDv1, RFC 2710.
    V2,
    /// RFC 3376; MLDv2, RFC 3810.
    V3,
}

impl Version {
    /// 1, 2 or 3.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

/// Why a packet is not a query that a host answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IgmpReject {
    /// Fewer bytes than its headers require.
    #[error("IGMP message is truncated")]
    Truncated,
    /// Its IP header is impossible, or the packet is a fragment, or an MLD message without its hop limit and
    /// options.
    #[error("the IP header of an IGMP message is invalid")]
    Ip,
    /// A checksum is wrong.
    #[error("a checksum of an IGMP message is wrong")]
    Checksum,
    /// Another message than a query.
    #[error("IGMP message type {0:#04x} is not a query")]
    Type(u8),
    /// A query to another host, or about an address that is no group.
    #[error("an IGMP query with impossible addresses")]
    Address,
}

/// A query that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Address of the querier; unspecified if it has none.
    pub querier: IpAddr,
    /// Its version.
    pub version: Version,
    /// The group that it asks about; `None` for all.
    pub group: Option<IpAddr>,
    /// The sources that it asks about; empty for the whole group.
    pub sources: ArrayVec<IpAddr, SOURCES>,
    /// Within which time hosts answer, in milliseconds.
    pub response_ms: u64,
    /// The querier's robustness; `None` if it does not tell.
    pub robustness: Option<u8>,
    /// The querier's interval between general queries, in milliseconds; `None` if it does not tell.
    pub interval_ms: Option<u64>,
}

impl Query {
    /// Parses an IPv4 packet, which may have options, as sent to `own` or to a group.
    ///
    /// # Errors
    /// [`IgmpReject`]: the first reason that applies.
    pub fn parse(packet: &[u8], own: Ipv4Addr) -> Result<Self, IgmpReject> {
        let (querier, destination, message) = split(packet)?;
        let kind = *message.first().ok_or(IgmpReject::Truncated)?;
        if kind != MEMBERSHIP_QUERY {
            return Err(IgmpReject::Type(kind));
        }
        if message.len() < SHORT {
            return Err(IgmpReject::Truncated);
        }
        if checksum(message) != 0 {
            return Err(IgmpReject::Checksum);
        }
        let group = address(message, 4)?;
        let is_general = group.is_unspecified();
        // RFC 3376 §4.1.12: sent to all systems, to the group, or to the host's own address.
        let to_us = destination == super::ALL_SYSTEMS || destination == own;
        if !(is_general || group.is_multicast()) || !(to_us || destination == group) {
            return Err(IgmpReject::Address);
        }
        let code = message[1];
        let mut query = Self {
            querier: querier.into(),
            version: Version::V2,
            group: (!is_general).then_some(group.into()),
            sources: ArrayVec::new(),
            response_ms: u64::from(code) * 100,
            robustness: None,
            interval_ms: None,
        };
        match message.len() {
            SHORT if code == 0 => {
                query.version = Version::V1;
                query.response_ms = V1_RESPONSE_MS;
            }
            SHORT => {}
            LONG.. => query.read_v3(message)?,
            // RFC 3376 §7.1: silently ignored.
            _ => return Err(IgmpReject::Truncated),
        }
        Ok(query)
    }

    fn read_v3(&mut self, message: &[u8]) -> Result<(), IgmpReject> {
        self.version = Version::V3;
        self.response_ms = decoded(message[1]) * 100;
        self.robustness = Some(message[8] & 0x07).filter(|it| *it > 0);
        self.interval_ms = Some(decoded(message[9]) * 1000).filter(|it| *it > 0);
        let count = usize::from(u16_at(message, 10).ok_or(IgmpReject::Truncated)?);
        if message.len() < LONG + 4 * count {
            return Err(IgmpReject::Truncated);
        }
        if count <= SOURCES && self.group.is_some() {
            for at in 0..count {
                self.sources.push(address(message, LONG + 4 * at)?.into());
            }
        }
        Ok(())
    }
}

/// Source, destination and payload of an IPv4 packet of IGMP.
fn split(packet: &[u8]) -> Result<(Ipv4Addr, Ipv4Addr, &[u8]), IgmpReject> {
    let fixed: [u8; ipv4::HEADER_BYTES] = array(packet, 0).ok_or(IgmpReject::Truncated)?;
    let header = usize::from(fixed[0] & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    let fragment = u16::from_be_bytes([fixed[6], fixed[7]]) & 0x3fff;
    if fixed[0] >> 4 != 4 || header < ipv4::HEADER_BYTES || total < header || fragment != 0 {
        return Err(IgmpReject::Ip);
    }
    let packet = packet.get(..total).ok_or(IgmpReject::Truncated)?;
    if checksum(&packet[..header]) != 0 {
        return Err(IgmpReject::Checksum);
    }
    Ok((
        address(&fixed, 12)?,
        address(&fixed, 16)?,
        &packet[header..],
    ))
}

fn address(bytes: &[u8], at: usize) -> Result<Ipv4Addr, IgmpReject> {
    let bytes: [u8; 4] = array(bytes, at).ok_or(IgmpReject::Truncated)?;
    Ok(bytes.into())
}

/// The value of an 8-bit code with exponent and mantissa (RFC 3376 §4.1.1, §4.1.7).
pub(super) fn decoded(code: u8) -> u64 {
    if code < 128 {
        return code.into();
    }
    let (exponent, mantissa) = (code >> 4 & 0x07, code & 0x0f);
    u64::from(mantissa | 0x10) << (exponent + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_linear_below_128_and_exponential_above() {
        for (code, value) in [(0, 0), (127, 127), (128, 128), (129, 136), (255, 31_744)] {
            assert_eq!(decoded(code), value, "{code}");
        }
    }
}
