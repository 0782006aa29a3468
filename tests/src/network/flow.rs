//! A flow of video: the built-in pattern, cut into packets as ST 2110-20 has them.

use onair_essence::send::{PacketPlan as _, StreamHeader};
use onair_essence::video::pattern::PatternWriter;
use onair_essence::video::st2110_20::Packetiser;
use onair_essence::video::st2110_20::STANDARD_RTP_BYTES;
use onair_essence::video::{Depth, FrameRate, VideoFormat};
use onair_net::datagram::{self, FlowHeader};
use onair_net::ethernet::Mac;

/// The flow's RTP payload type.
pub(crate) const PAYLOAD_TYPE: u8 = 96;

/// A small raster, 60000/1001 a second, of `depth` bits.
///
/// # Panics
/// When that is neither 8 nor 10.
#[must_use]
pub fn raster(depth: u8) -> VideoFormat {
    let rate = FrameRate::new(60_000, 1001).expect("it is carried");
    let depth = Depth::from_bits(depth.into(), false).expect("8 or 10");
    VideoFormat::new(128, 72, depth, rate).expect("it is carried")
}

/// Sends frames, packet by packet.
pub struct FlowSender {
    /// The sender, in each packet.
    pub ssrc: u32,
    format: VideoFormat,
    packetiser: Packetiser,
    pattern: PatternWriter,
    number: u64,
    sequence: u32,
}

impl FlowSender {
    /// One that stands before frame 0.
    ///
    /// # Panics
    /// When the raster is too small for the pattern.
    #[must_use]
    pub fn new(format: VideoFormat) -> Self {
        let packetiser = Packetiser::new(format, STANDARD_RTP_BYTES);
        Self {
            ssrc: 7,
            format,
            packetiser: packetiser.expect("packets are large enough"),
            pattern: PatternWriter::new(&format).expect("frames are large enough"),
            number: 0,
            // So that the sequence number turns over soon.
            sequence: 65_000,
        }
    }

    /// Packets of each frame.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packetiser.packets().into()
    }

    /// Sends the next frame, and gives it: `give` gets each Ethernet frame, and when it is there, in
    /// nanoseconds since 1970.
    ///
    /// # Panics
    /// Never: all packets of a frame are there.
    pub fn frame(&mut self, mut give: impl FnMut(u64, &[u8])) -> Vec<u8> {
        let mut frame = vec![0; self.format.frame_bytes()];
        self.pattern.start(self.number);
        self.pattern.fill(&mut frame);
        let flow = FlowHeader {
            source_mac: Mac([2, 0, 0, 0, 0, 1]),
            destination_mac: Mac([2, 0, 0, 0, 0, 2]),
            source: ([10, 0, 0, 1], 5000).into(),
            destination: ([10, 0, 0, 2], 5004).into(),
            ttl: datagram::TTL,
            dscp: datagram::DSCP,
        };
        let ticks = self.format.rate().ticks(self.number) % (1 << 32);
        let stream = StreamHeader {
            payload_type: PAYLOAD_TYPE,
            timestamp: u32::try_from(ticks).expect("below 2^32"),
            ssrc: self.ssrc,
        };
        let at = 1_700_000_000_000_000_000 + self.format.rate().nanos(self.number);
        for index in 0..self.packetiser.packets() {
            let packet = self.packetiser.packet(index).expect("below the count");
            let mut bytes = Vec::with_capacity(packet.bytes());
            let mut headers = vec![0; packet.header_bytes()];
            packet.write_headers(&stream, self.sequence, &mut headers);
            bytes.extend(&headers);
            packet
                .ranges()
                .for_each(|range| bytes.extend(&frame[range]));
            give(at, &flow.to_frame(1, &bytes));
            self.sequence = self.sequence.wrapping_add(1);
        }
        self.number += 1;
        frame
    }
}
