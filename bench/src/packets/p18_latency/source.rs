//! Packets of one flow from a UDP socket of the kernel, in groups over nine tenths of the frame time,
//! as a sender by ST 2110-21 spreads them.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use onair_essence::send::{PacketPlan as _, StreamHeader};
use onair_essence::video::st2110_20::Packet;
use onair_essence::video::st2110_20::{Packetiser, STANDARD_RTP_BYTES};
use onair_essence::video::{Depth, FrameRate, VideoFormat};
use onair_ipc::sys;

/// Packets that are sent without a pause.
const GROUP: usize = 16;
const PAYLOAD_TYPE: u8 = 96;
/// Units of the RTP clock in a frame time of 60 frames a second (RFC 4175 §4.1: 90 kHz).
const FRAME_TICKS: u32 = 1_500;
pub(super) const FRAME_TIME: Duration = Duration::from_nanos(1_000_000_000 / 60);

/// A sender of 1280×720p60 in 8 bit.
pub(super) struct FrameSource {
    socket: UdpSocket,
    packets: Vec<(Packet, Vec<u8>)>,
    sequence: u32,
    timestamp: u32,
    due: Instant,
}

/// A frame on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentFrame {
    pub(super) timestamp: u32,
    /// Before the system call that sent the last packet: CLOCK_MONOTONIC, ns.
    pub(super) last_packet_ns: u64,
}

impl FrameSource {
    /// Sends through `socket`, which is connected to the receiver.
    pub(super) fn new(socket: UdpSocket) -> Result<Self> {
        let format = VideoFormat::new(1280, 720, Depth::Eight, FrameRate::new(60, 1)?)?;
        let packetiser = Packetiser::new(format, STANDARD_RTP_BYTES)?;
        let packets = (0..packetiser.packets()).map(|index| {
            let packet = packetiser.packet(index).context("beyond the frame")?;
            let bytes = vec![0x5a; packet.bytes()];
            Ok((packet, bytes))
        });
        let packets: Vec<(Packet, _)> = packets.collect::<Result<_>>()?;
        Ok(Self {
            socket,
            packets,
            sequence: 0,
            timestamp: 0,
            due: Instant::now(),
        })
    }

    /// Sends the next frame when it is due. Returns after the last packet.
    pub(super) fn send(&mut self) -> Result<SentFrame> {
        let stream = StreamHeader {
            payload_type: PAYLOAD_TYPE,
            timestamp: self.timestamp,
            ssrc: 1,
        };
        // A sender that was held up does not try to catch up.
        self.due = (self.due + FRAME_TIME).max(Instant::now());
        let groups = u32::try_from(self.packets.len().div_ceil(GROUP))?;
        let mut last_packet_ns = 0;
        for (group, at) in self.packets.chunks_mut(GROUP).zip(0..) {
            let due = self.due + FRAME_TIME * 9 * at / (10 * groups);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            for (packet, bytes) in group {
                packet.write_headers(&stream, self.sequence, bytes);
                self.sequence = self.sequence.wrapping_add(1);
                last_packet_ns = sys::monotonic_ns();
                self.socket.send(bytes).context("sending a packet")?;
            }
        }
        let sent = SentFrame {
            timestamp: self.timestamp,
            last_packet_ns,
        };
        self.timestamp = self.timestamp.wrapping_add(FRAME_TICKS);
        Ok(sent)
    }
}
