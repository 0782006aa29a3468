//! A table by port and destination.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::{Ipv6Addr, SocketAddr};

/// Hashes by multiplication. That is enough: only clients that may create sessions choose
/// destinations.
#[derive(Debug, Default)]
pub(crate) struct FlowHasher(u64);

impl Hasher for FlowHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(size_of::<u64>()) {
            let mut word = [0; size_of::<u64>()];
            word[..part.len()].copy_from_slice(part);
            self.write_u64(u64::from_ne_bytes(word));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let product = u128::from(self.0 ^ value) * 0x9e37_79b9_7f4a_7c15;
        let [high, low] = [product >> 64, product & u128::from(u64::MAX)];
        self.0 = u64::try_from(high ^ low).expect("two halves of 64 bits");
    }
}

type Table<K, V> = HashMap<K, V, BuildHasherDefault<FlowHasher>>;

/// Values by the index of a port and a destination. Each family has a table of its own, so that
/// IPv4 keeps its key of one word.
#[derive(Debug, Clone)]
pub(crate) struct FlowMap<V> {
    ipv4: Table<u64, V>,
    ipv6: Table<[u64; 3], V>,
}

impl<V> Default for FlowMap<V> {
    fn default() -> Self {
        Self {
            ipv4: Table::default(),
            ipv6: Table::default(),
        }
    }
}

enum Key {
    Ipv4(u64),
    Ipv6([u64; 3]),
}

#[inline]
fn key(port: usize, destination: SocketAddr) -> Key {
    let (port, udp) = (port as u64, u64::from(destination.port()));
    match destination {
        SocketAddr::V4(it) => Key::Ipv4(port << 48 | u64::from(it.ip().to_bits()) << 16 | udp),
        SocketAddr::V6(it) => {
            let bits = it.ip().to_bits();
            let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
            Key::Ipv6([half(bits >> 64), half(bits), port << 48 | udp])
        }
    }
}

impl<V> FlowMap<V> {
    #[inline]
    pub(crate) fn get(&self, port: usize, destination: SocketAddr) -> Option<&V> {
        match key(port, destination) {
            Key::Ipv4(key) => self.ipv4.get(&key),
            Key::Ipv6(key) => self.ipv6.get(&key),
        }
    }

    pub(crate) fn remove(&mut self, port: usize, destination: SocketAddr) -> Option<V> {
        match key(port, destination) {
            Key::Ipv4(key) => self.ipv4.remove(&key),
            Key::Ipv6(key) => self.ipv6.remove(&key),
        }
    }

    pub(crate) fn insert(&mut self, port: usize, destination: SocketAddr, value: V) {
        match key(port, destination) {
            Key::Ipv4(key) => self.ipv4.insert(key, value),
            Key::Ipv6(key) => self.ipv6.insert(key, value),
        };
    }

    pub(crate) fn or_default(&mut self, port: usize, destination: SocketAddr) -> &mut V
    where
        V: Default,
    {
        match key(port, destination) {
            Key::Ipv4(key) => self.ipv4.entry(key).or_default(),
            Key::Ipv6(key) => self.ipv6.entry(key).or_default(),
        }
    }

    /// Keeps the entries for which `keeps(destination, value)` is true.
    pub(crate) fn retain(&mut self, mut keeps: impl FnMut(SocketAddr, &mut V) -> bool) {
        self.ipv4.retain(|key, value| keeps(of_ipv4(*key), value));
        self.ipv6.retain(|key, value| keeps(of_ipv6(*key), value));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (SocketAddr, &V)> {
        let ipv4 = self.ipv4.iter().map(|(key, value)| (of_ipv4(*key), value));
        let ipv6 = self.ipv6.iter().map(|(key, value)| (of_ipv6(*key), value));
        ipv4.chain(ipv6)
    }
}

fn of_ipv4(key: u64) -> SocketAddr {
    let [_, _, a, b, c, d, high, low] = key.to_be_bytes();
    SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])))
}

fn of_ipv6([high, low, rest]: [u64; 3]) -> SocketAddr {
    let address = Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
    let [.., high, low] = rest.to_be_bytes();
    SocketAddr::from((address, u16::from_be_bytes([high, low])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_both_families_are_found_by_port_and_destination() {
        let destinations = [
            "10.0.0.7:5004",
            "[fd00::7]:5004",
            "[fd00::7]:5006",
            "[fd00:0:0:1::7]:5004",
        ];
        let destinations = destinations.map(|it| it.parse::<SocketAddr>().unwrap());
        let mut map = FlowMap::default();
        for (at, destination) in destinations.into_iter().enumerate() {
            for port in 0..2 {
                map.insert(port, destination, 2 * at + port);
            }
        }
        for (at, destination) in destinations.into_iter().enumerate() {
            for port in 0..2 {
                assert_eq!(map.get(port, destination), Some(&(2 * at + port)));
            }
            assert_eq!(map.get(2, destination), None);
            assert_eq!(map.iter().filter(|it| it.0 == destination).count(), 2);
        }
        assert_eq!(map.remove(1, destinations[2]), Some(5));
        map.retain(|destination, _| destination == destinations[1]);
        assert_eq!(map.iter().count(), 2);
        *map.or_default(0, destinations[3]) += 9;
        assert_eq!(map.get(0, destinations[3]), Some(&9));
    }
}
