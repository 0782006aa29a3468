//! Messages of Multicast Listener Discovery: IGMP's for IPv6 (RFC 3810 §5, RFC 2710 §3).

use std::net::Ipv6Addr;

use arrayvec::ArrayVec;

use super::query::{IgmpReject, Query, SOURCES, Version, decoded};
use crate::bytes::{array, u16_at};
use crate::ethernet::{ETHERTYPE_IPV6, EthernetHeader, Mac};
use crate::ipv6::{Ipv6Header, NEXT_HOP_BY_HOP, NEXT_ICMP, link_local};

const QUERY: u8 = 130;
pub(super) const V1_REPORT: u8 = 131;
pub(super) const V1_DONE: u8 = 132;
pub(super) const V2_REPORT: u8 = 143;
/// Length of a message of MLDv1, and of the fixed part of a query of MLDv2.
const SHORT: usize = 24;
const LONG: usize = 28;
/// Hop-by-hop options of a message: Router Alert for MLD (RFC 2711) and padding.
const OPTIONS: [u8; 8] = [NEXT_ICMP, 0, ROUTER_ALERT, 2, 0, 0, 1, 0];
const ROUTER_ALERT: u8 = 5;

/// All routers on the link: destination of MLDv1's done message.
pub(super) const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// All routers that support MLDv2: destination of its reports.
pub const MLDV2_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);

impl Query {
    /// Parses an IPv6 packet with hop-by-hop options, as sent to `own` or to a group. The rules of
    /// RFC 3810 §6.2: from a link-local address, with hop limit 1 and Router Alert.
    ///
    /// # Errors
    /// [`IgmpReject`]: the first reason that applies.
    pub fn parse_mld(packet: &[u8], own: Ipv6Addr) -> Result<Self, IgmpReject> {
        let (ip, payload) = Ipv6Header::parse(packet).map_err(|_| IgmpReject::Ip)?;
        if ip.next_header != NEXT_HOP_BY_HOP {
            return Err(IgmpReject::Ip);
        }
        let (options, message) = split(payload)?;
        let kind = *message.first().ok_or(IgmpReject::Truncated)?;
        if kind != QUERY {
            return Err(IgmpReject::Type(kind));
        }
        if message.len() < SHORT {
            return Err(IgmpReject::Truncated);
        }
        let inner = Ipv6Header {
            next_header: NEXT_ICMP,
            ..ip
        };
        if inner.checksum(message) != 0 {
            return Err(IgmpReject::Checksum);
        }
        if ip.hop_limit != 1 || !has_router_alert(options) {
            return Err(IgmpReject::Ip);
        }
        let group = address(message, 8)?;
        let is_general = group.is_unspecified();
        let to_us = ip.destination == super::ALL_NODES || ip.destination == own;
        if !ip.source.is_unicast_link_local()
            || !(is_general || group.is_multicast())
            || !(to_us || ip.destination == group)
        {
            return Err(IgmpReject::Address);
        }
        let code = u16_at(message, 4).ok_or(IgmpReject::Truncated)?;
        let mut query = Self {
            querier: ip.source.into(),
            version: Version::V2,
            group: (!is_general).then_some(group.into()),
            sources: ArrayVec::new(),
            response_ms: code.into(),
            robustness: None,
            interval_ms: None,
        };
        match message.len() {
            SHORT => {}
            LONG.. => read_v2(&mut query, message, code)?,
            // RFC 3810 §8.1: silently ignored.
            _ => return Err(IgmpReject::Truncated),
        }
        Ok(query)
    }
}

fn read_v2(query: &mut Query, message: &[u8], code: u16) -> Result<(), IgmpReject> {
    query.version = Version::V3;
    query.response_ms = decoded_response(code);
    query.robustness = Some(message[24] & 0x07).filter(|it| *it > 0);
    query.interval_ms = Some(decoded(message[25]) * 1000).filter(|it| *it > 0);
    let count = usize::from(u16_at(message, 26).ok_or(IgmpReject::Truncated)?);
    if message.len() < LONG + 16 * count {
        return Err(IgmpReject::Truncated);
    }
    if count <= SOURCES && query.group.is_some() {
        for at in 0..count {
            query.sources.push(address(message, LONG + 16 * at)?.into());
        }
    }
    Ok(())
}

/// The hop-by-hop options of a payload, and the ICMPv6 message behind them.
fn split(payload: &[u8]) -> Result<(&[u8], &[u8]), IgmpReject> {
    let &[next, units, ..] = payload else {
        return Err(IgmpReject::Truncated);
    };
    if next != NEXT_ICMP {
        return Err(IgmpReject::Type(next));
    }
    let bytes = 8 * (1 + usize::from(units));
    let parts = payload.split_at_checked(bytes);
    let (options, message) = parts.ok_or(IgmpReject::Truncated)?;
    Ok((&options[2..], message))
}

fn has_router_alert(mut options: &[u8]) -> bool {
    while let Some((&kind, rest)) = options.split_first() {
        // One byte of padding has no length.
        if kind == 0 {
            options = rest;
            continue;
        }
        if kind == ROUTER_ALERT {
            return rest.get(..3) == Some(&[2, 0, 0]);
        }
        let end = rest.first().map(|bytes| 1 + usize::from(*bytes));
        options = end.and_then(|end| rest.get(end..)).unwrap_or_default();
    }
    false
}

fn address(bytes: &[u8], at: usize) -> Result<Ipv6Addr, IgmpReject> {
    let bytes: [u8; 16] = array(bytes, at).ok_or(IgmpReject::Truncated)?;
    Ok(bytes.into())
}

/// The value of a 16-bit code with exponent and mantissa, in milliseconds (RFC 3810 §5.1.3).
fn decoded_response(code: u16) -> u64 {
    if code < 0x8000 {
        return code.into();
    }
    let (exponent, mantissa) = (code >> 12 & 0x07, code & 0x0fff);
    u64::from(mantissa | 0x1000) << (exponent + 3)
}

/// A message of MLDv1, without its checksum.
pub(super) fn short(kind: u8, group: Ipv6Addr) -> Vec<u8> {
    [&[kind, 0, 0, 0, 0, 0, 0, 0][..], &group.octets()].concat()
}

/// The Ethernet frame of a message, with its checksum.
pub(super) fn to_frame(message: &[u8], mac: Mac, destination: Ipv6Addr) -> Vec<u8> {
    let ethernet = EthernetHeader {
        destination: Mac::of_multicast(destination.into()),
        source: mac,
        ethertype: ETHERTYPE_IPV6,
    };
    let inner = Ipv6Header {
        source: link_local(mac),
        destination,
        next_header: NEXT_ICMP,
        hop_limit: 1,
        dscp: 0,
    };
    let mut message = message.to_vec();
    let sum = inner.checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let outer = Ipv6Header {
        next_header: NEXT_HOP_BY_HOP,
        ..inner
    };
    let ip = outer.to_bytes(OPTIONS.len() + message.len());
    [&ethernet.to_bytes()[..], &ip, &OPTIONS, &message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_code_is_linear_and_then_exponential() {
        for (code, value) in [
            (0, 0),
            (0x7fff, 32_767),
            (0x8000, 32_768),
            (0xffff, 8_387_584),
        ] {
            assert_eq!(decoded_response(code), value, "{code}");
        }
    }

    #[test]
    fn router_alert_is_found_among_other_options() {
        for (options, expected) in [
            (&OPTIONS[2..], true),
            (&[0, 1, 1, 9, 5, 2, 0, 0], true),
            (&[5, 2, 0, 1, 1, 0], false),
            (&[1, 200, 5, 2, 0, 0], false),
            (&[5, 2, 0], false),
            (&[1], false),
        ] {
            assert_eq!(has_router_alert(options), expected, "{options:?}");
        }
    }
}
