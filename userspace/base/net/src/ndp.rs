//! Neighbour discovery (RFC 4861 §4.3, §4.4): solicitations for neighbours, advertisements of a port.

use std::net::Ipv6Addr;

use crate::bytes::array;
use crate::ethernet::{self, ETHERTYPE_IPV6, EthernetHeader, Mac};
use crate::igmp::ALL_NODES;
use crate::ipv6::{self, Ipv6Header, Ipv6Reject, NEXT_ICMP, solicited_node};

/// Type of a solicitation.
pub const SOLICITATION: u8 = 135;
/// Type of an advertisement.
pub const ADVERTISEMENT: u8 = 136;
/// The only hop limit: the packet passed no router (RFC 4861 §7.1).
const HOP_LIMIT: u8 = 255;
/// Bytes before the options.
const FIXED: usize = 24;
const SOURCE_ADDRESS: u8 = 1;
const TARGET_ADDRESS: u8 = 2;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;
/// Length of a sent message with its headers in bytes: it has one option.
pub const FRAME_BYTES: usize = ethernet::HEADER_BYTES + ipv6::HEADER_BYTES + FIXED + 8;

/// Why a packet is not a valid message about neighbours (RFC 4861 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NdpReject {
    /// Invalid IPv6 header.
    #[error(transparent)]
    Ipv6(#[from] Ipv6Reject),
    /// Another message.
    #[error("ICMPv6 type {0} is no message about neighbours")]
    Type(u8),
    /// It came through a router.
    #[error("a message about neighbours has the hop limit {0}, not 255")]
    HopLimit(u8),
    /// The checksum is wrong.
    #[error("the checksum of a message about neighbours is wrong")]
    Checksum,
    /// A length or an option is impossible.
    #[error("a message about neighbours is truncated")]
    Truncated,
    /// Its addresses contradict each other.
    #[error("a message about neighbours has impossible addresses")]
    Address,
}

/// Kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Asks for the owner of the target.
    Solicitation,
    /// Tells the hardware address of the target.
    Advertisement {
        /// It answers a solicitation.
        solicited: bool,
        /// It replaces what was known of the target.
        overrides: bool,
    },
}

/// A message about a neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeighbourMessage {
    /// Kind of the message.
    pub kind: Kind,
    /// Source of the packet; unspecified if the sender tries whether an address is free.
    pub source: Ipv6Addr,
    /// Destination of the packet.
    pub destination: Ipv6Addr,
    /// The address that it is about.
    pub target: Ipv6Addr,
    /// Solicitation: MAC address of the sender. Advertisement: of the target. `None` if it does not tell.
    pub mac: Option<Mac>,
}

impl NeighbourMessage {
    /// A solicitation for the MAC address of `target`, to all that may have it.
    #[must_use]
    pub const fn solicitation(mac: Mac, source: Ipv6Addr, target: Ipv6Addr) -> Self {
        Self {
            kind: Kind::Solicitation,
            source,
            destination: solicited_node(target),
            target,
            mac: Some(mac),
        }
    }

    /// The answer to this solicitation from `mac`, which has the target. A sender without an address gets it
    /// with all others (RFC 4861 §7.2.4).
    #[must_use]
    pub fn advertisement_from(&self, mac: Mac) -> Self {
        let solicited = !self.source.is_unspecified();
        Self {
            kind: Kind::Advertisement {
                solicited,
                overrides: true,
            },
            source: self.target,
            destination: if solicited { self.source } else { ALL_NODES },
            target: self.target,
            mac: Some(mac),
        }
    }

    /// Parses an IPv6 packet.
    ///
    /// # Errors
    /// [`NdpReject`]: the first reason that applies.
    pub fn parse(packet: &[u8]) -> Result<Self, NdpReject> {
        let (ip, message) = Ipv6Header::parse(packet)?;
        let kind = *message.first().ok_or(NdpReject::Truncated)?;
        if ip.next_header != NEXT_ICMP || !matches!(kind, SOLICITATION | ADVERTISEMENT) {
            return Err(NdpReject::Type(kind));
        }
        if ip.hop_limit != HOP_LIMIT {
            return Err(NdpReject::HopLimit(ip.hop_limit));
        }
        if ip.checksum(message) != 0 {
            return Err(NdpReject::Checksum);
        }
        let (fixed, options) = message
            .split_at_checked(FIXED)
            .ok_or(NdpReject::Truncated)?;
        let target: [u8; 16] = array(fixed, 8).ok_or(NdpReject::Truncated)?;
        let option = match kind {
            SOLICITATION => SOURCE_ADDRESS,
            _ => TARGET_ADDRESS,
        };
        let parsed = Self {
            kind: match kind {
                SOLICITATION => Kind::Solicitation,
                _ => Kind::Advertisement {
                    solicited: fixed[4] & SOLICITED != 0,
                    overrides: fixed[4] & OVERRIDE != 0,
                },
            },
            source: ip.source,
            destination: ip.destination,
            target: target.into(),
            mac: mac_in(options, option)?,
        };
        if fixed[1] != 0 || !parsed.is_possible() {
            return Err(NdpReject::Address);
        }
        Ok(parsed)
    }

    /// RFC 4861 §7.1.1, §7.1.2.
    fn is_possible(&self) -> bool {
        let of_kind = match self.kind {
            Kind::Solicitation if self.source.is_unspecified() => {
                self.mac.is_none() && self.destination == solicited_node(self.target)
            }
            Kind::Solicitation => true,
            Kind::Advertisement { solicited, .. } => {
                !(self.source.is_unspecified() || solicited && self.destination.is_multicast())
            }
        };
        let is_host = |mac: Mac| !mac.is_group();
        of_kind
            && !self.source.is_multicast()
            && !self.target.is_multicast()
            && self.mac.is_none_or(is_host)
    }

    /// The message with its headers. To a group its MAC address follows from the destination; a host is
    /// at `to`.
    #[must_use]
    pub fn to_frame(&self, own: Mac, to: Mac) -> [u8; FRAME_BYTES] {
        let (kind, flags, option) = match self.kind {
            Kind::Solicitation => (SOLICITATION, 0, SOURCE_ADDRESS),
            Kind::Advertisement {
                solicited,
                overrides,
            } => {
                let flags = [(solicited, SOLICITED), (overrides, OVERRIDE)];
                let flags = flags.iter().filter(|it| it.0).map(|it| it.1).sum();
                (ADVERTISEMENT, flags, TARGET_ADDRESS)
            }
        };
        let ethernet = EthernetHeader {
            destination: match self.destination.is_multicast() {
                true => Mac::of_multicast(self.destination.into()),
                false => to,
            },
            source: own,
            ethertype: ETHERTYPE_IPV6,
        };
        let ip = Ipv6Header {
            source: self.source,
            destination: self.destination,
            next_header: NEXT_ICMP,
            hop_limit: HOP_LIMIT,
            dscp: 0,
        };
        let mut message = [0; FIXED + 8];
        message[0] = kind;
        message[4] = flags;
        message[8..24].copy_from_slice(&self.target.octets());
        message[24..26].copy_from_slice(&[option, 1]);
        message[26..32].copy_from_slice(&self.mac.unwrap_or(own).0);
        let sum = ip.checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        let mut frame = [0; FRAME_BYTES];
        let (header, rest) = frame.split_at_mut(ethernet::HEADER_BYTES);
        header.copy_from_slice(&ethernet.to_bytes());
        let (header, rest) = rest.split_at_mut(ipv6::HEADER_BYTES);
        header.copy_from_slice(&ip.to_bytes(message.len()));
        rest.copy_from_slice(&message);
        frame
    }
}

/// The MAC address in the option of this type. Each option has a length other than 0.
fn mac_in(mut options: &[u8], wanted: u8) -> Result<Option<Mac>, NdpReject> {
    let mut found = None;
    while let Some((&kind, rest)) = options.split_first() {
        let units = usize::from(*rest.first().ok_or(NdpReject::Truncated)?);
        let option = options.split_at_checked(8 * units).filter(|_| units > 0);
        let (option, after) = option.ok_or(NdpReject::Truncated)?;
        if kind == wanted {
            found = array(option, 2).map(Mac);
        }
        options = after;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ME: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const PEER: Mac = Mac([2, 0, 0, 0, 0, 2]);
    const IP_AT: usize = ethernet::HEADER_BYTES;

    fn address(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    fn solicitation() -> NeighbourMessage {
        NeighbourMessage::solicitation(PEER, address("fd00::2"), address("fd00::1"))
    }

    /// Changes bytes of the packet and corrects the checksum.
    fn with(changes: &[(usize, u8)]) -> Result<NeighbourMessage, NdpReject> {
        let mut packet = solicitation().to_frame(PEER, ME)[IP_AT..].to_vec();
        for (at, value) in changes {
            packet[*at] = *value;
        }
        packet[42..44].fill(0);
        let (ip, message) = Ipv6Header::parse(&packet).unwrap();
        let sum = ip.checksum(message);
        packet[42..44].copy_from_slice(&sum.to_be_bytes());
        NeighbourMessage::parse(&packet)
    }

    #[test]
    fn solicitation_answered_then_the_answer_goes_back_to_the_asker() {
        let frame = solicitation().to_frame(PEER, ME);
        assert_eq!(frame[..6], [0x33, 0x33, 0xff, 0, 0, 1]);
        let asked = NeighbourMessage::parse(&frame[IP_AT..]).unwrap();
        assert_eq!(asked, solicitation());
        let frame = asked.advertisement_from(ME).to_frame(ME, PEER);
        assert_eq!(frame[..6], PEER.0);
        let answer = NeighbourMessage::parse(&frame[IP_AT..]).unwrap();
        assert_eq!((answer.target, answer.mac), (address("fd00::1"), Some(ME)));
        assert_eq!(answer.destination, address("fd00::2"));
        // Duplicate address detection of another host.
        let asked = NeighbourMessage {
            source: Ipv6Addr::UNSPECIFIED,
            mac: None,
            ..solicitation()
        };
        let answer = asked.advertisement_from(ME);
        assert_eq!(answer.to_frame(ME, PEER)[..6], [0x33, 0x33, 0, 0, 0, 1]);
    }

    #[test]
    fn message_damaged_then_rejected_by_reason() {
        assert!(with(&[]).is_ok());
        assert_eq!(with(&[(7, 254)]), Err(NdpReject::HopLimit(254)));
        assert_eq!(with(&[(40, 134)]), Err(NdpReject::Type(134)));
        assert_eq!(with(&[(41, 1)]), Err(NdpReject::Address), "code");
        assert_eq!(with(&[(48, 0xff)]), Err(NdpReject::Address), "target");
        assert_eq!(with(&[(8, 0xff)]), Err(NdpReject::Address), "source");
        assert_eq!(with(&[(66, 3)]), Err(NdpReject::Address), "group's MAC");
        assert_eq!(with(&[(65, 0)]), Err(NdpReject::Truncated));
        assert_eq!(with(&[(65, 2)]), Err(NdpReject::Truncated));
        let mut packet = solicitation().to_frame(PEER, ME)[IP_AT..].to_vec();
        packet[50] ^= 1;
        let wrong = NeighbourMessage::parse(&packet);
        assert_eq!(wrong, Err(NdpReject::Checksum));
        packet[5] = 23;
        let short = NeighbourMessage::parse(&packet);
        assert_eq!(short, Err(NdpReject::Checksum));
    }

    proptest! {
        #[test]
        fn message_of_any_bytes_then_no_panic(
            changes in prop::collection::vec((0usize..72, any::<u8>()), 0..6),
            bytes in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            if !changes.iter().any(|(at, _)| matches!(at, 0 | 4 | 5)) {
                let _ = with(&changes);
            }
            let _ = NeighbourMessage::parse(&bytes);
        }
    }
}
