//! Values that are packed into one counter.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

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

/// An address in three counters: the first is 0 if there is none, and has the whole of an IPv4 address.
///
/// A reader may see an address of IPv6 that is half another one, when it changes: it looks twice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender;

/// Marks an address of IPv6, whose halves the other counters have.
const IS_IPV6: u64 = 1 << 63;

impl Sender {
    #[inline]
    pub(crate) fn note(address: SocketAddr, [first, high, low]: [&Counter; 3]) {
        let port = u64::from(address.port());
        match address {
            SocketAddr::V4(it) => first.set(u64::from(it.ip().to_bits()) << 16 | port),
            SocketAddr::V6(it) => {
                let [a, b, c, d, e, f, g, h] = it.ip().segments().map(u64::from);
                high.set(a << 48 | b << 32 | c << 16 | d);
                low.set(e << 48 | f << 32 | g << 16 | h);
                first.set(IS_IPV6 | port);
            }
        }
    }

    /// The address; `None` if there is none.
    pub(crate) fn of([first, high, low]: [u64; 3]) -> Option<SocketAddr> {
        let port = u16::try_from(first & 0xffff).unwrap_or(0);
        if first & IS_IPV6 != 0 {
            let ip = Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
            return Some(SocketAddr::from((ip, port)));
        }
        let ip = u32::try_from(first >> 16).ok().filter(|ip| *ip > 0)?;
        Some(SocketAddr::from((Ipv4Addr::from_bits(ip), port)))
    }
}

/// An RTP timestamp beside a time, in one counter, so that no reader sees one without the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameClock {
    /// RTP timestamp, in ticks of the session's media clock.
    pub timestamp: u32,
    /// The time in units of 1,024 ns, modulo 2^32: 73 minutes.
    pub units: u32,
}

impl FrameClock {
    pub(crate) fn to_counter(timestamp: u32, ns: u64) -> u64 {
        u64::from(timestamp) << 32 | ns >> 10 & u64::from(u32::MAX)
    }

    /// The time in nanoseconds, if it was less than 73 minutes before `now_ns`.
    #[must_use]
    pub fn ns(self, now_ns: u64) -> u64 {
        let now = Self::of(Self::to_counter(0, now_ns)).units;
        now_ns.saturating_sub(u64::from(now.wrapping_sub(self.units)) << 10)
    }

    /// Unpacks a counter.
    pub fn of(counter: u64) -> Self {
        let half = |value: u64| u32::try_from(value & u64::from(u32::MAX)).unwrap_or(0);
        Self {
            timestamp: half(counter >> 32),
            units: half(counter),
        }
    }
}

/// A counter that one thread writes at a time.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// The current value.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Call only from the one writer: not atomic as a whole.
    pub(crate) fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sender_of_either_family_is_read_as_it_was_noted() {
        let counters = [(); 3].map(|()| Counter::default());
        let read = || Sender::of(counters.each_ref().map(Counter::get));
        assert_eq!(read(), None);
        for text in ["10.0.0.1:5000", "[fd00:1:2:3:4:5:6:7]:65535", "255.1.2.3:1"] {
            let address = text.parse().unwrap();
            Sender::note(address, counters.each_ref());
            assert_eq!(read(), Some(address));
        }
    }
}
