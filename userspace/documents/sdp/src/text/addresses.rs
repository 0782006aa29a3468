//! Addresses of a stream: `c=` (RFC 8866 §5.7) and `a=source-filter` (RFC 4570).

use std::net::IpAddr;

use super::attributes::{Attribute, Attributes};
use crate::error::{Fault, Notes, SdpError};
use crate::rate::whole;

/// Sources that a session may have.
const MOST_SOURCES: usize = 16;

/// Network and type of an address, such as `IN IP4`.
enum Family {
    Ipv4,
    Ipv6,
    /// `*`, of a filter.
    Either,
}

fn family(network: Option<&str>, kind: Option<&str>) -> Option<Family> {
    let is = |text: Option<&str>, word: &str| text.is_some_and(|it| it.eq_ignore_ascii_case(word));
    let all = [
        ("IP4", Family::Ipv4),
        ("IP6", Family::Ipv6),
        ("*", Family::Either),
    ];
    let found = all.into_iter().find(|(word, _)| is(kind, word));
    found
        .filter(|_| is(network, "IN"))
        .map(|(_, family)| family)
}

/// The missing part of a `c=` to no address.
const NOWHERE: &str = "an address that packets go to: this one is of a stream that is not sent";

/// Whether a medium has no address because its sender has none yet (RFC 3264 §8.4).
pub(super) fn is_to_nowhere(error: &SdpError) -> bool {
    matches!(&error.fault, Fault::Invalid { wanted, .. } if wanted == NOWHERE)
}

/// Destination and time to live of `c=IN IP4 ADDRESS/TTL/COUNT`, or `c=IN IP6 ADDRESS/COUNT`.
pub(super) fn connection(
    line: usize,
    text: &str,
    notes: &mut Notes,
) -> Result<(IpAddr, Option<u8>), SdpError> {
    let invalid = |wanted| SdpError::invalid(line, "c", text, wanted);
    let mut fields = text.split_ascii_whitespace();
    let is_ipv6 = match family(fields.next(), fields.next()) {
        Some(Family::Ipv4) => false,
        Some(Family::Ipv6) => true,
        _ => return Err(invalid("an address of IPv4 or IPv6: IN IP4 … or IN IP6 …")),
    };
    // A blank may stand beside a slash.
    let rest = fields.collect::<Vec<_>>().join(" ");
    let mut parts = rest.split('/').map(str::trim);
    if parts.clone().any(|it| it.contains(' ')) {
        return Err(invalid("one address"));
    }
    let (address, zone) = without_zone(parts.next().unwrap_or_default());
    if let Some(zone) = zone {
        notes.add(line, "c", Some(zone), ZONE);
    }
    let address = address.parse::<IpAddr>().ok();
    let address = address.filter(|it| it.is_ipv6() == is_ipv6);
    let address = address.ok_or_else(|| match is_ipv6 {
        true => invalid("an IPv6 address, such as ff3e::8000:1"),
        false => invalid("an IPv4 address, such as 239.20.1.1/64"),
    })?;
    if address.is_unspecified() {
        return Err(invalid(NOWHERE));
    }
    let (first, second) = (parts.next(), parts.next());
    if parts.next().is_some() {
        return Err(invalid("one address"));
    }
    let (ttl, count) = match (is_ipv6, first) {
        (true, Some("1")) => (None, second),
        // IPv6 has no time to live here: the number would be one of addresses.
        (true, Some(number)) => {
            let reason = "IPv6 has no TTL here: the one address is used";
            notes.add(line, "c", Some(&format!("/{number}")), reason);
            (None, second)
        }
        (false, Some(ttl)) => (Some(ttl), second),
        (_, None) => (None, None),
    };
    if !matches!(count, None | Some("1")) {
        return Err(invalid(
            "one address: several (the number behind the TTL) are not carried",
        ));
    }
    let ttl = ttl.and_then(|text| {
        let ttl = whole(text).and_then(|it| u8::try_from(it).ok());
        let reason = match ttl {
            None => Some("not used: it is not a TTL from 0 to 255"),
            Some(0) => Some("not used: packets with a TTL of 0 leave no host"),
            // RFC 8866 §5.7: of multicast only.
            Some(_) if !address.is_multicast() => Some("not used: a TTL is of multicast"),
            Some(_) => None,
        };
        if let Some(reason) = reason {
            notes.add(line, "c", Some(&format!("/{text}")), reason);
        }
        ttl.filter(|_| reason.is_none())
    });
    Ok((address, ttl))
}

/// `source-filter: incl IN IP4 DESTINATION SOURCE…`.
struct Filter<'a> {
    is_ipv6: Option<bool>,
    destination: &'a str,
    sources: Vec<&'a str>,
}

impl<'a> Filter<'a> {
    fn parse(text: &'a str) -> Result<Self, &'static str> {
        let mut fields = text.split_ascii_whitespace();
        let form = "not used: write it as incl IN IP4 DESTINATION SOURCE";
        match fields.next() {
            Some(mode) if mode.eq_ignore_ascii_case("incl") => {}
            Some(mode) if mode.eq_ignore_ascii_case("excl") => {
                return Err("not used: no source is excluded, only incl is carried");
            }
            _ => return Err(form),
        }
        let is_ipv6 = match family(fields.next(), fields.next()) {
            Some(Family::Ipv4) => Some(false),
            Some(Family::Ipv6) => Some(true),
            Some(Family::Either) => None,
            None => return Err(form),
        };
        let destination = fields.next().ok_or(form)?;
        let sources: Vec<_> = fields.collect();
        if sources.is_empty() {
            return Err(form);
        }
        Ok(Self {
            is_ipv6,
            destination,
            sources,
        })
    }

    /// Whether it is for packets to `destination`; if not, why.
    fn is_for(&self, destination: IpAddr) -> Result<(), &'static str> {
        if self.is_ipv6.is_some_and(|it| it != destination.is_ipv6()) {
            return Err("not used: of another family than c=");
        }
        let own = address(self.destination);
        match self.destination == "*" || own == Some(destination) {
            true => Ok(()),
            false => Err("not used: its destination is not that of c="),
        }
    }
}

/// An address, behind which a TTL or a prefix may stand that does not belong there, or a zone.
fn address(text: &str) -> Option<IpAddr> {
    without_zone(text.split('/').next()?).0.parse().ok()
}

/// Why a zone is not used.
const ZONE: &str = "not used: it names an interface of the sender, the session's port is used";

/// The address of `fe80::1%eth0` (RFC 4007 §11), and its zone.
fn without_zone(text: &str) -> (&str, Option<&str>) {
    match text.split_once('%') {
        Some((address, zone)) if address.contains(':') => (address, Some(zone)),
        _ => (text, None),
    }
}

/// The only sources of packets to `destination`; none: any.
pub(super) fn sources(all: &Attributes<'_>, destination: IpAddr, notes: &mut Notes) -> Vec<IpAddr> {
    let mut sources = Vec::new();
    let own = all.own.len();
    let lines = all.own.iter().chain(all.session).enumerate();
    for (at, line) in lines.filter(|(_, it)| it.name.eq_ignore_ascii_case("source-filter")) {
        let filter = match Filter::parse(line.value) {
            Ok(filter) => filter,
            Err(reason) => {
                note(line, reason, notes);
                continue;
            }
        };
        if let Err(reason) = filter.is_for(destination) {
            // One of the session may be for another medium: see `unused`.
            if at < own && filter.destination != "*" {
                note(line, reason, notes);
            }
            continue;
        }
        if filter.destination.contains('/') {
            note(
                line,
                "a TTL does not belong here: the address is used",
                notes,
            );
        }
        for text in filter.sources {
            let source = address(text).filter(|it| it.is_ipv6() == destination.is_ipv6());
            match source.filter(|it| !it.is_multicast() && !it.is_unspecified()) {
                Some(source) if sources.contains(&source) => {}
                Some(_) if sources.len() >= MOST_SOURCES => {
                    let reason = "not used: a session has 16 sources, their packets are not taken";
                    notes.add(line.number, line.name, Some(text), reason);
                }
                Some(source) => {
                    if let Some(zone) = without_zone(text).1 {
                        notes.add(line.number, line.name, Some(zone), ZONE);
                    }
                    sources.push(source);
                }
                None => {
                    let reason = "not used: no address that packets come from";
                    notes.add(line.number, line.name, Some(text), reason);
                }
            }
        }
    }
    sources
}

/// Notes the filters of the session that are for none of `destinations`.
pub(super) fn unused(session: &[Attribute<'_>], destinations: &[IpAddr], notes: &mut Notes) {
    for line in session
        .iter()
        .filter(|it| it.name.eq_ignore_ascii_case("source-filter"))
    {
        let Ok(filter) = Filter::parse(line.value) else {
            continue;
        };
        if !destinations.iter().any(|it| filter.is_for(*it).is_ok()) {
            note(
                line,
                "not used: its destination is that of no medium",
                notes,
            );
        }
    }
}

fn note(line: &Attribute<'_>, reason: &str, notes: &mut Notes) {
    notes.add(line.number, line.name, Some(line.value), reason);
}
