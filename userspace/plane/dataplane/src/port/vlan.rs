//! A port of one VLAN: the packets that it takes, and those that it refuses.

use onair_dpdk::{Burst, Mbuf};
use onair_net::vlan::{self, TAG_BYTES};

use crate::stats::PortCounters;

/// Takes the tags of VLAN `own` out of the packets. Frees and counts those of other VLANs and of none.
#[inline(never)]
pub(crate) fn take_own(arrived: &mut Burst, own: u16, counters: &PortCounters) {
    let (mut untagged, mut other) = (0, 0);
    arrived.retain(|packet| match id_of(packet) {
        Some((id, _)) if id != 0 && id != own => {
            other += 1;
            false
        }
        // A tag with a priority alone is that of a frame of no VLAN (IEEE 802.1Q §6.9).
        None | Some((0, _)) => {
            untagged += 1;
            false
        }
        Some((_, TagPlace::Device)) => true,
        Some((_, TagPlace::Packet)) => {
            vlan::untag(packet.data_mut());
            packet.trim_front(TAG_BYTES);
            true
        }
    });
    counters.rx_untagged.add(untagged);
    counters.rx_other_vlan.add(other);
}

/// Where a packet's tag is.
enum TagPlace {
    /// Beside the packet: the device took it out of the bytes.
    Device,
    Packet,
}

#[inline]
fn id_of(packet: &Mbuf) -> Option<(u16, TagPlace)> {
    match packet.stripped_tag() {
        Some(control) => Some((vlan::id_of_control(control), TagPlace::Device)),
        None => Some((vlan::id_of(packet.data())?, TagPlace::Packet)),
    }
}
