//! Packets of many flows, one after the other, as their senders would send them.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use onair_essence::send::{PacketPlan as _, StreamHeader};
use onair_essence::video::VideoFormat;
use onair_essence::video::st2110_20::{Packetiser, STANDARD_RTP_BYTES};
use onair_net::datagram::{self, FlowHeader};
use onair_net::ethernet::Mac;

/// Packets of one flow before those of the next: a sender's group.
const TRAIN: u32 = 8;
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
pub(super) const PAYLOAD_TYPE: u8 = 96;
const FIRST_PORT: u16 = 5004;
/// Frames of memory of a session.
pub(super) const FRAMES: u32 = 4;

/// Where flow `flow` goes.
pub(super) fn destination(flow: usize) -> SocketAddr {
    let port = FIRST_PORT + u16::try_from(flow).expect("at most 256 flows");
    SocketAddr::from((ADDRESS, port))
}

/// One packet's place: which flow, which frame's memory, which bytes of it, and where they lie in
/// the packet.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) flow: usize,
    pub(super) frame: u32,
    pub(super) start: usize,
    pub(super) data_at: usize,
    pub(super) bytes: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    next: u32,
    frame: u32,
    sequence: u32,
}

#[derive(Debug)]
pub(super) struct Source {
    packetiser: Packetiser,
    flows: Vec<Flow>,
    now: usize,
    train: u32,
}

impl Source {
    pub(super) fn new(format: VideoFormat, flows: usize) -> Result<Self> {
        Ok(Self {
            packetiser: Packetiser::new(format, STANDARD_RTP_BYTES)?,
            flows: vec![Flow::default(); flows],
            now: 0,
            train: 0,
        })
    }

    pub(super) fn payload_bytes(&self) -> usize {
        self.packetiser.payload_bytes()
    }

    /// The next packet's place, and what writes its headers into it.
    pub(super) fn next(&mut self) -> Result<(Place, impl FnOnce(&mut [u8]) + use<>)> {
        if self.train == TRAIN {
            self.train = 0;
            self.now = (self.now + 1) % self.flows.len();
        }
        self.train += 1;
        let flow = &mut self.flows[self.now];
        if flow.next == self.packetiser.packets() {
            flow.next = 0;
            flow.frame += 1;
        }
        let packet = self
            .packetiser
            .packet(flow.next)
            .context("beyond the frame")?;
        let stream = StreamHeader {
            payload_type: PAYLOAD_TYPE,
            timestamp: flow.frame.wrapping_mul(1_500),
            ssrc: 1,
        };
        let sequence = flow.sequence;
        let header = FlowHeader {
            source_mac: Mac([2, 0, 0, 0, 0, 1]),
            destination_mac: Mac([2, 0, 0, 0, 0, 2]),
            source: SocketAddr::from(([10, 77, 0, 1], 5000)),
            destination: destination(self.now),
            ttl: datagram::TTL,
            dscp: datagram::DSCP,
        };
        let place = Place {
            flow: self.now,
            frame: flow.frame % FRAMES,
            start: packet.ranges().next().context("no data")?.start,
            data_at: datagram::HEADER_BYTES + packet.header_bytes(),
            bytes: datagram::HEADER_BYTES + packet.bytes(),
        };
        flow.next += 1;
        flow.sequence = flow.sequence.wrapping_add(1);
        let write = move |bytes: &mut [u8]| {
            header.write(0, bytes);
            let rtp = &mut bytes[datagram::HEADER_BYTES..];
            let headers = packet.write_headers(&stream, sequence, rtp);
            rtp[headers..].fill(sequence.to_le_bytes()[0]);
        };
        Ok((place, write))
    }
}
