//! Ethernet II headers (IEEE 802.3 clause 3).

use std::fmt;
use std::net::IpAddr;

use crate::bytes::{array, u16_at};

/// Length of the header in bytes.
pub const HEADER_BYTES: usize = 14;

/// EtherType of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;

/// EtherType of IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;

/// EtherType of ARP.
pub const ETHERTYPE_ARP: u16 = 0x0806;

/// A MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Broadcast address.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Group address of a multicast address: 01:00:5e and the low 23 bits of IPv4's (RFC 1112 §6.4), 33:33
    /// and the low 32 bits of IPv6's (RFC 2464 §7).
    #[must_use]
    pub const fn of_multicast(group: IpAddr) -> Self {
        match group {
            IpAddr::V4(group) => {
                let [_, b, c, d] = group.octets();
                Self([0x01, 0x00, 0x5e, b & 0x7f, c, d])
            }
            IpAddr::V6(group) => {
                let [.., a, b, c, d] = group.octets();
                Self([0x33, 0x33, a, b, c, d])
            }
        }
    }

    /// Whether it is a group address.
    #[must_use]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Why bytes are not an Ethernet frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes are too few for an Ethernet header")]
pub struct TruncatedFrame {
    /// Bytes in the frame.
    pub bytes: usize,
}

/// Header of a frame without a VLAN tag (a tagged frame has EtherType 0x8100).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EthernetHeader {
    /// Destination address.
    pub destination: Mac,
    /// Source address.
    pub source: Mac,
    /// EtherType of the payload.
    pub ethertype: u16,
}

impl EthernetHeader {
    /// Splits a frame into header and payload (padding included).
    ///
    /// # Errors
    /// [`TruncatedFrame`]: fewer than 14 bytes.
    #[inline]
    pub fn parse(frame: &[u8]) -> Result<(Self, &[u8]), TruncatedFrame> {
        let parts = || {
            let header = Self {
                destination: Mac(array(frame, 0)?),
                source: Mac(array(frame, 6)?),
                ethertype: u16_at(frame, 12)?,
            };
            Some((header, &frame[HEADER_BYTES..]))
        };
        parts().ok_or(TruncatedFrame { bytes: frame.len() })
    }

    /// The header as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..6].copy_from_slice(&self.destination.0);
        bytes[6..12].copy_from_slice(&self.source.0);
        bytes[12..14].copy_from_slice(&self.ethertype.to_be_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_written_then_parses_to_itself() {
        let header = EthernetHeader {
            destination: Mac::BROADCAST,
            source: Mac([2, 0, 0, 0, 0, 1]),
            ethertype: ETHERTYPE_ARP,
        };
        let mut frame = header.to_bytes().to_vec();
        frame.extend([7, 8, 9]);
        assert_eq!(
            EthernetHeader::parse(&frame),
            Ok((header, &[7u8, 8, 9][..]))
        );
        for bytes in 0..HEADER_BYTES {
            assert_eq!(
                EthernetHeader::parse(&frame[..bytes]),
                Err(TruncatedFrame { bytes })
            );
        }
    }

    #[test]
    fn mac_of_multicast_then_low_23_or_32_bits() {
        for (group, expected) in [
            ("239.129.2.3", "01:00:5e:01:02:03"),
            ("ff3e::8081:203", "33:33:80:81:02:03"),
        ] {
            let mac = Mac::of_multicast(group.parse().unwrap());
            assert_eq!(mac.to_string(), expected);
            assert!(mac.is_group());
        }
    }
}
