//! Names of clocks and of their ports.

use std::fmt;

use onair_net::bytes::{array, u16_at};

/// Identity of a clock: an EUI-64 (IEEE 1588-2008 §7.5.2.2). Its text is that of RFC 7273.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClockIdentity(pub [u8; 8]);

/// A port of a clock (§7.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortIdentity {
    /// The clock.
    pub clock: ClockIdentity,
    /// Number of the port, from 1; 0 is the clock itself.
    pub number: u16,
}

impl ClockIdentity {
    /// The Ethernet address that the identity was made from, if it was made from one (§7.5.2.2.2).
    #[must_use]
    pub fn ethernet_address(self) -> Option<[u8; 6]> {
        let [a, b, c, 0xff, 0xfe, d, e, f] = self.0 else {
            return None;
        };
        Some([a, b, c, d, e, f])
    }
}

impl PortIdentity {
    /// Every port of every clock.
    pub const ALL: Self = Self {
        clock: ClockIdentity([0xff; 8]),
        number: 0xffff,
    };
    pub(super) const LENGTH: usize = 10;

    pub(super) fn read(bytes: &[u8], at: usize) -> Option<Self> {
        Some(Self {
            clock: ClockIdentity(array(bytes, at)?),
            number: u16_at(bytes, at + 8)?,
        })
    }

    pub(super) fn bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..8].copy_from_slice(&self.clock.0);
        bytes[8..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }
}

impl fmt::Display for ClockIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<_> = self.0.iter().map(|it| format!("{it:02X}")).collect();
        f.write_str(&bytes.join("-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_then_written_as_in_sdp_and_names_its_mac_address() {
        let made = ClockIdentity([0x52, 0x11, 0xd0, 0xff, 0xfe, 0x37, 0xba, 0x64]);
        assert_eq!(made.to_string(), "52-11-D0-FF-FE-37-BA-64");
        assert_eq!(
            made.ethernet_address(),
            Some([0x52, 0x11, 0xd0, 0x37, 0xba, 0x64])
        );
        assert_eq!(ClockIdentity([1; 8]).ethernet_address(), None);
    }
}
