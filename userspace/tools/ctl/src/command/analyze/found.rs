//! A stream in a capture.

use std::net::SocketAddr;

use onair_essence::survey::{CapturedPacket, Survey};

/// Identity of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) vlan: Option<u16>,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) ssrc: u32,
}

impl Key {
    pub(super) const fn of(packet: &CapturedPacket<'_>) -> Self {
        Self {
            vlan: packet.vlan,
            source: packet.source,
            destination: packet.destination,
            ssrc: packet.rtp.ssrc,
        }
    }
}

/// A stream that was found.
#[derive(Debug, Clone)]
pub(super) struct FoundStream {
    pub(super) key: Key,
    pub(super) dscp: u8,
    pub(super) survey: Survey,
}
