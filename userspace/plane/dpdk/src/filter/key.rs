//! Keys of the program's maps: `struct key` and `struct flow` of `port.bpf.c`.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

pub(super) const KEY_BYTES: usize = 20;
pub(super) const FLOW_BYTES: usize = 24;

/// An address, a UDP port and a VLAN. Without a port, all that is for the address; without either, a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(pub(super) [u8; KEY_BYTES]);

impl Key {
    pub(super) fn flow(destination: SocketAddr, vlan: u16) -> Self {
        let address = match destination.ip() {
            IpAddr::V4(it) => it.to_ipv6_mapped(),
            IpAddr::V6(it) => it,
        };
        let mut key = [0; KEY_BYTES];
        key[..16].copy_from_slice(&address.octets());
        key[16..18].copy_from_slice(&destination.port().to_be_bytes());
        key[18..].copy_from_slice(&vlan.to_ne_bytes());
        Self(key)
    }

    pub(super) fn address(address: IpAddr, vlan: u16) -> Self {
        Self::flow(SocketAddr::new(address, 0), vlan)
    }

    pub(super) fn network(vlan: u16) -> Self {
        Self::address(Ipv6Addr::UNSPECIFIED.into(), vlan)
    }

    pub(super) fn is_flow(&self) -> bool {
        self.destination().port() != 0
    }

    pub(super) fn destination(&self) -> SocketAddr {
        let (address, rest) = self.0.split_first_chunk::<16>().expect("20 bytes");
        let address = Ipv6Addr::from(*address).to_canonical();
        SocketAddr::new(address, u16::from_be_bytes([rest[0], rest[1]]))
    }

    pub(super) fn vlan(&self) -> u16 {
        let [.., high, low] = self.0;
        u16::from_ne_bytes([high, low])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_of_either_family_then_its_destination_and_vlan_again() {
        for text in ["239.1.2.3:5004", "[ff3e::8000:1]:5004"] {
            let destination = text.parse().unwrap();
            let key = Key::flow(destination, 100);
            assert_eq!((key.destination(), key.vlan()), (destination, 100));
            assert!(key.is_flow() && !Key::address(destination.ip(), 100).is_flow());
        }
        assert!(!Key::network(0).is_flow());
    }
}
