//! A stream of a format's own test signal, for tests and measurements of what receives it.

use std::ops::Range;

use super::parts::{Format, NotSendable};
use crate::send::{PacketPlan as _, Packetise as _, StreamHeader, TestSignal as _};

/// Bytes of an RTP packet, at most: what the standard UDP size leaves.
const PACKET_BYTES: usize = 1_452;

/// A packet, and when it is sent, in nanoseconds of TAI.
pub type SentPacket = (u64, Vec<u8>);

impl Format {
    /// The packets of the units in these slots, each unit's evenly over its slot. The first has the sequence number
    /// `sequence`, and all have this payload type and source.
    ///
    /// # Errors
    /// Units of this format cannot be sent.
    pub fn test_stream(
        &self,
        (payload_type, ssrc): (u8, u32),
        mut sequence: u32,
        slots: Range<u64>,
    ) -> Result<Vec<SentPacket>, NotSendable> {
        let mut packetiser = self.packetiser(PACKET_BYTES)?;
        let mut signal = self.signal()?;
        let mut sent = Vec::new();
        for slot in slots {
            let tag = packetiser.tag_of_slot(slot);
            signal.start();
            packetiser.begin(tag, |at, out| signal.read(at, out));
            let header = StreamHeader {
                payload_type,
                timestamp: packetiser.timestamp(slot),
                ssrc,
            };
            let start_ns = packetiser.slot_start(slot);
            let slot_ns = packetiser.slot_start(slot + 1) - start_ns;
            let count = packetiser.packets(tag);
            let packets = (0..count).map_while(|it| Some((it, packetiser.packet(tag, it)?)));
            for (index, packet) in packets {
                let mut bytes = vec![0; packet.bytes()];
                let headers = packet.write_headers(&header, sequence, &mut bytes);
                signal.fill(&packet, &mut bytes[headers..]);
                let after_ns = slot_ns * u64::from(index) / u64::from(count);
                sent.push((start_ns + after_ns, bytes));
                sequence = sequence.wrapping_add(1);
            }
            signal.finish();
        }
        Ok(sent)
    }
}
