//! Blocks as packets, each at its time.

use std::ops::Range;

use super::AudioFormat;
use super::format::nanos;
use crate::essence::OfField;
use crate::rtp::{self, RtpHeader};
use crate::send::{PacketPlan, Packetise, StreamHeader};

/// Why audio cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AudioNotSendable {
    /// The port carries no packets of this size.
    #[error("RTP packets of {needed} bytes do not fit the {most} that the port carries")]
    PacketBytes {
        /// Bytes of a packet.
        needed: usize,
        /// Most bytes.
        most: usize,
    },
}

impl OfField for AudioNotSendable {
    fn field(&self) -> Option<&'static str> {
        Some("audio.packet_time_us")
    }
}

/// Makes the packets of blocks. Its slots are the blocks since the epoch.
///
/// A packet is due half a packet time after the time of its first sample: a receiver's limits are 0 and a
/// packet time (JT-NM tested, EBU LIST), and the network takes a part of that.
#[derive(Debug, Clone, Copy)]
pub struct BlockPacketiser {
    sample_rate: u32,
    packet_samples: u32,
    packet_bytes: usize,
    packets: u32,
    /// Samples of a block.
    block: u64,
    /// From the time of a packet's first sample to when it is due.
    after_ns: u64,
}

impl BlockPacketiser {
    /// For RTP packets of at most `max_bytes` bytes.
    ///
    /// # Errors
    /// [`AudioNotSendable`]: the format's are larger.
    pub fn new(format: &AudioFormat, max_bytes: usize) -> Result<Self, AudioNotSendable> {
        let needed = rtp::HEADER_BYTES + format.packet_bytes();
        if needed > max_bytes {
            let most = max_bytes;
            return Err(AudioNotSendable::PacketBytes { needed, most });
        }
        Ok(Self {
            sample_rate: format.sample_rate(),
            packet_samples: format.packet_samples(),
            packet_bytes: format.packet_bytes(),
            packets: format.block_packets(),
            block: format.block_samples().into(),
            after_ns: format.nanos(format.packet_samples().into()) / 2,
        })
    }

    /// When packet `index` of a slot is due; `index` may be that after the last one.
    fn due(&self, slot: u64, index: u32) -> u64 {
        let sample = slot.saturating_mul(self.block);
        let sample = sample.saturating_add(u64::from(index) * u64::from(self.packet_samples));
        nanos(self.sample_rate, sample).saturating_add(self.after_ns)
    }

    /// The last sample whose packet would be due at `tai_ns`.
    fn last_due(&self, tai_ns: u64) -> Option<u64> {
        // A sample's time is rounded down: it is not after the whole nanosecond that contains it.
        let end_ns = u128::from(tai_ns.checked_sub(self.after_ns)?) + 1;
        let samples = (end_ns * u128::from(self.sample_rate)).div_ceil(1_000_000_000);
        u64::try_from(samples - 1).ok()
    }
}

impl Packetise for BlockPacketiser {
    type Packet<'a> = BlockPacket;

    fn tag_of_slot(&self, _slot: u64) -> u32 {
        0
    }

    fn tag_of_unit(&self, _number: u64) -> u32 {
        0
    }

    fn packets(&self, _tag: u32) -> u32 {
        self.packets
    }

    #[inline]
    fn packet(&self, _tag: u32, index: u32) -> Option<BlockPacket> {
        (index < self.packets).then(|| BlockPacket {
            offset: index as usize * self.packet_bytes,
            bytes: self.packet_bytes,
            samples: index * self.packet_samples,
        })
    }

    fn timestamp(&self, slot: u64) -> u32 {
        let [.., a, b, c, d] = slot.wrapping_mul(self.block).to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    fn slot_start(&self, slot: u64) -> u64 {
        self.due(slot, 0)
    }

    fn slot_at(&self, tai_ns: u64) -> u64 {
        self.last_due(tai_ns).unwrap_or(0) / self.block
    }

    fn ready(&self, slot: u64, next: u32, now_ns: u64, ahead_ns: u64) -> u32 {
        let last = self.last_due(now_ns.saturating_add(ahead_ns));
        let into = last.and_then(|last| last.checked_sub(slot.saturating_mul(self.block)));
        let packets = into.map_or(0, |into| into / u64::from(self.packet_samples) + 1);
        let packets = packets.min(self.packets.into());
        next.max(u32::try_from(packets).unwrap_or(self.packets))
    }

    fn sent(&mut self, _packets: u32, _now_ns: u64) {}

    fn next_ns(&self, slot: u64, next: u32, ahead_ns: u64) -> u64 {
        self.due(slot, next).saturating_sub(ahead_ns)
    }

    /// Samples of each channel.
    fn steps(&self, _tag: u32) -> u32 {
        self.packets * self.packet_samples
    }

    fn needs(&self, _tag: u32, index: u32) -> u32 {
        (index + 1) * self.packet_samples
    }
}

/// One packet of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockPacket {
    offset: usize,
    bytes: usize,
    /// Samples of the block before it.
    samples: u32,
}

impl PacketPlan for BlockPacket {
    fn bytes(&self) -> usize {
        rtp::HEADER_BYTES + self.bytes
    }

    fn write_headers(&self, stream: &StreamHeader, sequence: u32, out: &mut [u8]) -> usize {
        let [.., a, b] = sequence.to_be_bytes();
        let rtp = RtpHeader {
            marker: false,
            payload_type: stream.payload_type,
            sequence: u16::from_be_bytes([a, b]),
            timestamp: stream.timestamp.wrapping_add(self.samples),
            ssrc: stream.ssrc,
        };
        out[..rtp::HEADER_BYTES].copy_from_slice(&rtp.to_bytes());
        rtp::HEADER_BYTES
    }

    #[inline]
    fn for_each_range(&self, mut visit: impl FnMut(Range<usize>)) {
        visit(self.offset..self.offset + self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{AudioDocument, Coding};
    use proptest::prelude::*;

    fn of(sample_rate: u32, packet_time_us: u32, block_samples: Option<u32>) -> BlockPacketiser {
        let format = AudioDocument {
            coding: Coding::L24,
            sample_rate,
            channels: 2,
            packet_time_us: Some(packet_time_us),
            block_samples,
            channel_order: None,
        };
        BlockPacketiser::new(&AudioFormat::try_from(&format).unwrap(), 1452).unwrap()
    }

    #[test]
    fn packets_of_a_block_then_timestamps_go_on_in_the_next() {
        let packetiser = of(48_000, 1_000, None);
        let slot = (1 << 32) / 480;
        let mut expected = packetiser.timestamp(slot);
        for (slot, index) in (0..2).flat_map(|at| (0..10).map(move |index| (slot + at, index))) {
            let packet = packetiser.packet(0, index).unwrap();
            let stream = StreamHeader {
                payload_type: 97,
                timestamp: packetiser.timestamp(slot),
                ssrc: 7,
            };
            let mut bytes = vec![0; packet.bytes()];
            assert_eq!(packet.write_headers(&stream, index, &mut bytes), 12);
            let (rtp, payload) = RtpHeader::parse(&bytes).unwrap();
            assert_eq!((rtp.timestamp, payload.len()), (expected, 288));
            expected = expected.wrapping_add(48);
        }
        assert_eq!(packetiser.packet(0, 10), None);
        assert_eq!(packetiser.packets(0), 10);
    }

    #[test]
    fn packets_above_the_port_then_refused() {
        let format = AudioDocument {
            coding: Coding::L24,
            sample_rate: 48_000,
            channels: 8,
            packet_time_us: None,
            block_samples: None,
            channel_order: None,
        };
        let format = AudioFormat::try_from(&format).unwrap();
        let error = BlockPacketiser::new(&format, 1163).unwrap_err();
        let expected = AudioNotSendable::PacketBytes {
            needed: 1164,
            most: 1163,
        };
        assert_eq!(error, expected);
        BlockPacketiser::new(&format, 1164).unwrap();
    }

    proptest! {
        #[test]
        fn schedule_of_any_time_then_slots_and_packets_agree(
            rate in prop::sample::select(AudioFormat::SAMPLE_RATES.to_vec()),
            us in prop::sample::select(vec![80u32, 125, 250, 333, 1000]),
            tai_ns in 1_700_000_000_000_000_000u64..1_900_000_000_000_000_000,
        ) {
            let it = of(rate, us, None);
            let slot = it.slot_at(tai_ns);
            prop_assert!(it.slot_start(slot) <= tai_ns);
            prop_assert!(it.slot_start(slot + 1) > tai_ns);
            let ready = it.ready(slot, 0, tai_ns, 0);
            prop_assert!(it.next_ns(slot, ready - 1, 0) <= tai_ns);
            prop_assert!(it.next_ns(slot, ready, 0) > tai_ns);
            prop_assert_eq!(it.ready(slot + 1, 0, tai_ns, 0), 0);
            let due_ns = it.next_ns(slot, 3, 5);
            prop_assert_eq!(it.ready(slot, 0, due_ns, 5), 4);
            prop_assert_eq!(it.ready(slot, 0, due_ns - 1, 5), 3);
        }
    }
}
