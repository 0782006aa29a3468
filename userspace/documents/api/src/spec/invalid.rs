//! Why a value of a session specification is invalid.

use std::net::IpAddr;

use onair_essence::invalid::OutOfRange;

use super::{MAX_CONNECTED, MAX_NOTES, Source};

/// Why a value is invalid.
#[derive(Debug, thiserror::Error)]
pub(super) enum Invalid {
    #[error(transparent)]
    Range(#[from] OutOfRange),
    #[error(
        "give {MAX_NOTES} notes at most, each with a parameter of 40 characters, a value of 80 and a reason of 200 at \
         most, without control characters"
    )]
    Notes,
    #[error("give {MAX_CONNECTED} bytes at most")]
    Connected,
    #[error("a send session describes its own clock: leave it out")]
    ClockOfSender,
    #[error("give a clock as a=ts-refclk in SDP, of 80 characters at most")]
    Clock,
    #[error("0 is not a duration: give 1 or more milliseconds, or leave it out")]
    NoDuration,
    #[error(
        "{0:?} is not a port name: give the name of a [[port]] in the daemon's configuration \
         (GET /v1/health lists them)"
    )]
    Port(String),
    #[error(
        "{0} is not a payload type of RTP: give 0 to 127, without 72 to 76 of RTCP (RFC 3551 §6)"
    )]
    PayloadType(u32),
    #[error("{0} is not a dynamic payload type (RFC 3551 §6): give 96 to 127")]
    PayloadTypeOfSender(u32),
    #[error("a receive session gets its frames from the wire, not from \"{0}\": leave it out")]
    Source(Source),
    #[error(
        "{0:?} is not an IP address with a UDP port: write it as 10.77.0.2:5004 or [fd77::2]:5004"
    )]
    Destination(String),
    #[error(
        "{0:?} is neither an IP address nor one with a UDP port: give it as 10.77.0.1, 10.77.0.1:5004, fd77::1 or \
         [fd77::1]:5004"
    )]
    FlowSource(String),
    #[error("{text:?}: UDP port 0 cannot be used, give 1 to 65535{or}")]
    PortZero { text: String, or: &'static str },
    #[error(
        "{0} is a group of one link (224.0.0.0/24, ff02::/16), which no router forwards: give another group"
    )]
    LinkLocalGroup(IpAddr),
    #[error("{0:?} has a zone: leave the % part out, the session's port is the zone")]
    Zone(String),
    #[error(
        "{from} and {to} are of two families: a packet has two addresses of IPv4, or two of IPv6"
    )]
    OtherFamily { from: IpAddr, to: IpAddr },
    #[error(
        "{0} is a source-specific group (232.0.0.0/8, ff3x::/32, RFC 4607): name its sources, or give a group of \
         another range"
    )]
    NoSource(IpAddr),
    #[error("{given} sources: give {most} at most")]
    ManySources { given: usize, most: usize },
    #[error("give `source` or `sources`, not both")]
    SourceTwice,
    #[error("a send session has one source, its own: leave it out")]
    SourcesOfSender,
    #[error(
        "both legs are on one port: give the second leg another [[port]], such as a VLAN of it"
    )]
    OnePort,
    #[error("a send session merges no legs: leave it out")]
    ClassOfSender,
    #[error("a receive session sends no packets: leave it out")]
    OfSender,
    #[error("a send session assembles no frames: leave it out")]
    OfReceiver,
    #[error("a converted session has that of its source: leave it out")]
    OfPackets,
    #[error("a local session has no packets: leave it out")]
    OfWire,
    #[error("{0}: one client fills a local session and others read, so give 2 or more")]
    OneAttachment(u32),
    #[error("a converted session has no packets to send: give \"receive\"")]
    ConvertedSender,
    #[error("{0:?} is no layout: give the name that FFmpeg or GStreamer has for it")]
    Layout(String),
    #[error("{address} is {why}: give a unicast address")]
    NotUnicast { address: IpAddr, why: &'static str },
}

/// As much of a text as a message shows.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}
