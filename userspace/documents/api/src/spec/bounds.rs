//! Checks of single values, and the list of what they find.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use onair_essence::invalid;
use onair_net::igmp::is_source_specific;

use super::flow::{FlowSource, parse_source};
use super::invalid::{Invalid, shown};
use super::{
    DEFAULT_ATTACHMENTS, DEFAULT_PRIORITY, DEFAULT_QUOTA, Direction, MAX_ATTACHMENTS,
    MAX_DURATION_MS, MAX_PRIORITY, MAX_QUOTA, MAX_SOURCES,
};

pub(super) fn within<T>(
    given: T,
    range: RangeInclusive<T>,
    unit: &'static str,
) -> Result<T, Invalid>
where
    T: Copy + PartialOrd + Into<u64>,
{
    Ok(invalid::within(given, range, unit)?)
}

/// ST 2110-10 §6.2 has a sender take a dynamic one. Others that arrive are taken, but for those that make an RTP packet
/// look like one of RTCP (RFC 3551 §6).
pub(super) fn check_payload_type(direction: Direction, number: u32) -> Result<u8, Invalid> {
    let given = u8::try_from(number).ok().filter(|n| *n < 128);
    match direction {
        Direction::Send => {
            let dynamic = given.filter(|n| *n >= 96);
            dynamic.ok_or(Invalid::PayloadTypeOfSender(number))
        }
        Direction::Receive | Direction::Local => {
            let of_rtp = given.filter(|n| !(72..=76).contains(n));
            of_rtp.ok_or(Invalid::PayloadType(number))
        }
    }
}

pub(super) fn check_quota(frames: Option<u32>) -> Result<u32, Invalid> {
    within(frames.unwrap_or(DEFAULT_QUOTA), 1..=MAX_QUOTA, " frames")
}

pub(super) fn check_attachments(number: Option<u32>) -> Result<u32, Invalid> {
    let given = number.unwrap_or(DEFAULT_ATTACHMENTS);
    within(given, 1..=MAX_ATTACHMENTS, " attachments")
}

pub(super) fn check_priority(priority: Option<u32>) -> Result<u8, Invalid> {
    let given = priority.unwrap_or(DEFAULT_PRIORITY.into());
    within(given, 0..=MAX_PRIORITY.into(), "")
        .map(|given| u8::try_from(given).expect("it is at most MAX_PRIORITY"))
}

pub(super) fn check_duration(ms: Option<u64>) -> Result<Option<u64>, Invalid> {
    match ms {
        None => Ok(None),
        Some(0) => Err(Invalid::NoDuration),
        Some(ms) => within(ms, 1..=MAX_DURATION_MS, " milliseconds").map(Some),
    }
}

pub(super) fn check_sources(
    direction: Direction,
    source: Option<&String>,
    sources: Option<&Vec<String>>,
) -> Result<Vec<FlowSource>, Invalid> {
    let Some(sources) = sources else {
        return Ok(Vec::new());
    };
    if direction == Direction::Send {
        return Err(Invalid::SourcesOfSender);
    }
    if source.is_some() {
        return Err(Invalid::SourceTwice);
    }
    if sources.len() > MAX_SOURCES {
        return Err(Invalid::ManySources {
            given: sources.len(),
            most: MAX_SOURCES,
        });
    }
    sources.iter().map(|text| parse_source(text)).collect()
}

/// A group of the source-specific range needs a source.
pub(super) fn check_group(destination: IpAddr, is_named: bool) -> Result<(), Invalid> {
    if is_source_specific(destination) && !is_named {
        return Err(Invalid::NoSource(destination));
    }
    Ok(())
}

pub(super) fn check_port(port: String) -> Result<String, Invalid> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if port.is_empty() || port.len() > 63 || !port.bytes().all(plain) {
        return Err(Invalid::Port(shown(&port)));
    }
    Ok(port)
}
