//! Values that are packed into one counter.

use std::net::SocketAddrV4;

/// A synchronisation source in a counter: 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ssrc;

impl Ssrc {
    pub(crate) fn to_counter(ssrc: Option<u32>) -> u64 {
        ssrc.map_or(0, |ssrc| 1 << 32 | u64::from(ssrc))
    }

    /// The source; `None` if there is none.
    pub fn of(counter: u64) -> Option<u32> {
        u32::try_from(counter.checked_sub(1 << 32)?).ok()
    }
}

/// An address in a counter: 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender;

impl Sender {
    pub(crate) fn to_counter(address: SocketAddrV4) -> u64 {
        u64::from(address.ip().to_bits()) << 16 | u64::from(address.port())
    }

    /// The address; `None` if there is none.
    pub fn of(counter: u64) -> Option<SocketAddrV4> {
        let ip = u32::try_from(counter >> 16).ok().filter(|ip| *ip > 0)?;
        let port = u16::try_from(counter & 0xffff).unwrap_or(0);
        Some(SocketAddrV4::new(ip.into(), port))
    }
}

/// An RTP timestamp beside a time, in one counter, so that no reader sees one without the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameClock {
    /// The timestamp.
    pub timestamp: u32,
    /// The time in units of 1,024 ns, modulo 2^32: 73 minutes.
    pub units: u32,
}

impl FrameClock {
    pub(crate) fn to_counter(timestamp: u32, ns: u64) -> u64 {
        u64::from(timestamp) << 32 | ns >> 10 & u64::from(u32::MAX)
    }

    /// Both, of a counter.
    pub fn of(counter: u64) -> Self {
        let half = |value: u64| u32::try_from(value & u64::from(u32::MAX)).unwrap_or(0);
        Self {
            timestamp: half(counter >> 32),
            units: half(counter),
        }
    }
}
