//! Finds the session of a datagram by its destination.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::SocketAddrV4;

/// Hashes by multiplication. That is enough: only clients that may create sessions choose
/// destinations.
#[derive(Debug, Default)]
pub(super) struct FlowHasher(u64);

impl Hasher for FlowHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let product = u128::from(self.0 ^ value) * 0x9e37_79b9_7f4a_7c15;
        let [high, low] = [product >> 64, product & u128::from(u64::MAX)];
        self.0 = u64::try_from(high ^ low).expect("two halves of 64 bits");
    }
}

/// The flows that one poller's sessions receive.
#[derive(Debug, Default)]
pub(super) struct Demux {
    entries: HashMap<u64, usize, BuildHasherDefault<FlowHasher>>,
}

impl Demux {
    /// The entry of a flow; `None` if no session receives it.
    #[inline]
    pub(super) fn entry(&self, port: usize, destination: SocketAddrV4) -> Option<usize> {
        self.entries.get(&key(port, destination)).copied()
    }

    /// Routes a flow to `entry`. False if the flow is taken.
    pub(super) fn add(&mut self, port: usize, destination: SocketAddrV4, entry: usize) -> bool {
        let key = key(port, destination);
        if self.entries.contains_key(&key) {
            return false;
        }
        self.entries.insert(key, entry);
        true
    }

    /// Removes a flow.
    pub(super) fn remove(&mut self, port: usize, destination: SocketAddrV4) {
        self.entries.remove(&key(port, destination));
    }
}

fn key(port: usize, destination: SocketAddrV4) -> u64 {
    (port as u64) << 48 | flow_key(destination)
}

/// A flow in 48 bits.
pub(super) fn flow_key(destination: SocketAddrV4) -> u64 {
    u64::from(destination.ip().to_bits()) << 16 | u64::from(destination.port())
}

/// The flow of a key.
pub(super) fn flow_of(key: u64) -> SocketAddrV4 {
    let [_, _, a, b, c, d, high, low] = key.to_be_bytes();
    SocketAddrV4::new([a, b, c, d].into(), u16::from_be_bytes([high, low]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn flow(last: u8, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, last), port)
    }

    #[test]
    fn demux_flows_added_and_removed_then_each_finds_its_seat_only() {
        let mut demux = Demux::default();
        for entry in 0u8..200 {
            assert!(demux.add(0, flow(entry, 5004), usize::from(entry)));
        }
        assert!(!demux.add(0, flow(7, 5004), 1));
        for entry in 0u8..200 {
            assert_eq!(demux.entry(0, flow(entry, 5004)), Some(usize::from(entry)));
            assert_eq!(demux.entry(0, flow(entry, 5005)), None);
            assert_eq!(demux.entry(1, flow(entry, 5004)), None);
        }
        assert_eq!(flow_of(flow_key(flow(7, 5004))), flow(7, 5004));
        demux.remove(0, flow(7, 5004));
        assert_eq!(demux.entry(0, flow(7, 5004)), None);
    }
}
