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
use onair_stage::Raster;

const PAYLOAD_TYPE: u8 = 96;
/// Of the RTP clock in a second (RFC 4175 §4.1).
const CLOCK_HZ: u32 = 90_000;

/// A sender of progressive frames.
pub(crate) struct FrameSource {
    socket: UdpSocket,
    packets: Vec<(Packet, Vec<u8>)>,
    /// Packets that it sends without a pause.
    group: usize,
    frame_time: Duration,
    ticks: u32,
    sequence: u32,
    timestamp: u32,
    due: Instant,
}

/// A frame on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentFrame {
    pub(crate) timestamp: u32,
    /// Before the system call that sent the last packet: CLOCK_MONOTONIC, ns.
    pub(crate) last_packet_ns: u64,
}

impl FrameSource {
    /// Sends through `socket`, which is connected to the receiver, in groups of so many packets.
    pub(crate) fn new(socket: UdpSocket, raster: Raster, group: usize) -> Result<Self> {
        let depth = match raster.depth {
            8 => Depth::Eight,
            _ => Depth::Ten,
        };
        let rate = FrameRate::new(raster.rate, 1)?;
        let format = VideoFormat::new(raster.width, raster.height, depth, rate)?;
        let packetiser = Packetiser::new(format, STANDARD_RTP_BYTES)?;
        let packets = (0..packetiser.packets()).map(|index| {
            let packet = packetiser.packet(index).context("beyond the frame")?;
            let bytes = vec![0x5a; packet.bytes()];
            Ok((packet, bytes))
        });
        Ok(Self {
            socket,
            packets: packets.collect::<Result<_>>()?,
            group,
            frame_time: Duration::from_secs(1) / raster.rate,
            ticks: CLOCK_HZ / raster.rate,
            sequence: 0,
            timestamp: 0,
            due: Instant::now(),
        })
    }

    /// From one frame to the next.
    pub(crate) fn frame_time(&self) -> Duration {
        self.frame_time
    }

    /// Sends the next frame when it is due. Returns after the last packet.
    pub(crate) fn send(&mut self) -> Result<SentFrame> {
        let stream = StreamHeader {
            payload_type: PAYLOAD_TYPE,
            timestamp: self.timestamp,
            ssrc: 1,
        };
        // A sender that was held up does not try to catch up.
        self.due = (self.due + self.frame_time).max(Instant::now());
        let groups = u32::try_from(self.packets.len().div_ceil(self.group))?;
        let mut last_packet_ns = 0;
        for (group, at) in self.packets.chunks_mut(self.group).zip(0..) {
            let due = self.due + self.frame_time * 9 * at / (10 * groups);
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
        self.timestamp = self.timestamp.wrapping_add(self.ticks);
        Ok(sent)
    }
}
