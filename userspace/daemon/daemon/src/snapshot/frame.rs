//! The next complete frame of a flow.

use std::time::Instant;

use onair_net::datagram::Datagram;
use onair_net::ethernet::{ETHERTYPE_IPV4, EthernetHeader};
use onair_pixels::{Shown, Still};
use onair_record::PacketReader;

use super::picture::NoPicture;

/// The picture of the next complete frame of the packets.
pub(super) fn next(
    mut packets: PacketReader,
    mut still: Still,
    until: Instant,
) -> Result<Shown, NoPicture> {
    let mut seen = 0_u64;
    loop {
        // Asked first: what a producer offered before it went is read below.
        let is_last = packets.is_abandoned();
        let any = packets.read(|at_ns, bytes| {
            seen += 1;
            if let Some(rtp) = rtp(bytes) {
                still.packet(at_ns, rtp);
            }
        });
        if let Some(shown) = still.take() {
            return Ok(shown);
        }
        match (any, is_last) {
            (false, true) => return Err(NoPicture::Ended(still.wanted())),
            _ if Instant::now() >= until => {
                return Err(NoPicture::Late {
                    wanted: still.wanted(),
                    packets: seen,
                    incomplete: still.incomplete(),
                });
            }
            (false, false) => packets.rest(),
            (true, _) => {}
        }
    }
}

/// The RTP packet in an Ethernet frame.
fn rtp(bytes: &[u8]) -> Option<&[u8]> {
    let (ethernet, packet) = EthernetHeader::parse(bytes).ok()?;
    if ethernet.ethertype != ETHERTYPE_IPV4 {
        return None;
    }
    Some(Datagram::parse(packet).ok()?.payload)
}
