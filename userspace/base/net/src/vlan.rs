//! Tags of virtual LANs (IEEE 802.1Q clause 9).

use crate::ethernet::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, Mac};

/// The tag's EtherType.
pub const ETHERTYPE_VLAN: u16 = 0x8100;
/// Bytes of a tag.
pub const TAG_BYTES: usize = 4;
/// Lowest VLAN id; 0 gives a priority and no VLAN.
pub const LEAST_ID: u16 = 1;
/// Highest VLAN id; 4095 is reserved.
pub const MOST_ID: u16 = 4094;
/// Highest priority.
pub const MOST_PRIORITY: u8 = 7;

/// Both addresses, after which a tag comes.
const ADDRESSES: usize = 2 * size_of::<Mac>();
/// The byte of a tagged IPv4 packet with its DSCP.
const TOS_AT: usize = ADDRESSES + TAG_BYTES + 3;

/// A VLAN, and the priority of the frames that are sent into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vlan {
    /// [`LEAST_ID`] to [`MOST_ID`].
    pub id: u16,
    /// The priority code point of all frames, 0 to [`MOST_PRIORITY`]. `None`: of an IP packet the
    /// class selector of its DSCP, that is the highest three bits (RFC 2474 §4.2.2); of others 0.
    pub priority: Option<u8>,
}

impl Vlan {
    /// Puts the tag into `frame`, which is an untagged frame after [`TAG_BYTES`] free bytes.
    #[inline]
    pub fn tag(&self, frame: &mut [u8]) {
        frame.copy_within(TAG_BYTES..TAG_BYTES + ADDRESSES, 0);
        let number = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
        let of_packet = match (
            number(ADDRESSES + TAG_BYTES),
            frame.get(TOS_AT - 1..=TOS_AT),
        ) {
            (ETHERTYPE_IPV4, Some([_, service])) => service >> 5,
            // The traffic class begins in the middle of the first byte.
            (ETHERTYPE_IPV6, Some([first, _])) => (first & 0x0f) >> 1,
            _ => 0,
        };
        let priority = self.priority.unwrap_or(of_packet);
        let control = u16::from(priority) << 13 | self.id;
        frame[ADDRESSES..ADDRESSES + 2].copy_from_slice(&ETHERTYPE_VLAN.to_be_bytes());
        frame[ADDRESSES + 2..ADDRESSES + TAG_BYTES].copy_from_slice(&control.to_be_bytes());
    }
}

/// The VLAN id of a tagged frame; 0 if the tag has a priority alone. `None` without a tag.
#[inline]
#[must_use]
pub fn id_of(frame: &[u8]) -> Option<u16> {
    let tag: &[u8; TAG_BYTES] = frame.get(ADDRESSES..)?.first_chunk()?;
    let is_tag = u16::from_be_bytes([tag[0], tag[1]]) == ETHERTYPE_VLAN;
    is_tag.then(|| id_of_control(u16::from_be_bytes([tag[2], tag[3]])))
}

/// The VLAN id in a tag's control information.
#[inline]
#[must_use]
pub const fn id_of_control(control: u16) -> u16 {
    control & 0x0fff
}

/// Takes the tag out of a tagged frame, which then begins [`TAG_BYTES`] later.
#[inline]
pub fn untag(frame: &mut [u8]) {
    frame.copy_within(..ADDRESSES, TAG_BYTES);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arp::ArpMessage;
    use crate::datagram::{DSCP, Datagram, FlowHeader, TTL};

    fn tagged(frame: &[u8], vlan: Vlan) -> Vec<u8> {
        let mut bytes = [&[0xaa; TAG_BYTES], frame].concat();
        vlan.tag(&mut bytes);
        bytes
    }

    fn flow(dscp: u8) -> FlowHeader {
        FlowHeader {
            source_mac: Mac([2, 0, 0, 0, 0, 1]),
            destination_mac: Mac([2, 0, 0, 0, 0, 2]),
            source: "10.0.0.1:5000".parse().unwrap(),
            destination: "10.0.0.2:5004".parse().unwrap(),
            ttl: TTL,
            dscp,
        }
    }

    fn packet(dscp: u8) -> Vec<u8> {
        flow(dscp).to_frame(1, &[1, 2, 3])
    }

    #[test]
    fn frame_tagged_then_as_in_the_standard_and_untagged_as_before() {
        let vlan = |priority| Vlan {
            id: 0x123,
            priority,
        };
        let packet = packet(DSCP);
        let bytes = tagged(&packet, vlan(None));
        assert_eq!(bytes[..12], packet[..12]);
        // AF41 is 34, of which the highest three bits are 4.
        assert_eq!(bytes[12..18], [0x81, 0, 0x81, 0x23, 8, 0]);
        assert_eq!(id_of(&bytes), Some(0x123));
        assert_eq!(tagged(&packet, vlan(Some(7)))[14], 0xe1);
        let ipv6 = FlowHeader {
            source: "[fd00::1]:5000".parse().unwrap(),
            destination: "[fd00::2]:5004".parse().unwrap(),
            ..flow(DSCP)
        };
        let ipv6 = tagged(&ipv6.to_frame(1, &[1, 2, 3]), vlan(None));
        assert_eq!(ipv6[12..18], [0x81, 0, 0x81, 0x23, 0x86, 0xdd]);
        let mut back = bytes;
        untag(&mut back);
        assert_eq!(back[TAG_BYTES..], packet);
        assert!(Datagram::of_frame(&back[TAG_BYTES..]).is_some());
    }

    #[test]
    fn frame_that_is_not_ip_then_without_priority() {
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        let [from, to] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(Into::into);
        let request = ArpMessage::request(mac, from, to).to_frame();
        let vlan = Vlan {
            id: MOST_ID,
            priority: None,
        };
        assert_eq!(tagged(&request, vlan)[12..18], [0x81, 0, 0x0f, 0xfe, 8, 6]);
    }

    #[test]
    fn frame_without_a_tag_or_cut_then_none() {
        assert_eq!(id_of(&packet(0)), None);
        let bytes = tagged(
            &packet(0),
            Vlan {
                id: 7,
                priority: None,
            },
        );
        for length in 0..16 {
            assert_eq!(id_of(&bytes[..length]), None);
        }
        assert_eq!(id_of(&bytes[..16]), Some(7));
    }
}
