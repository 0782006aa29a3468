//! A sender of packets, and the memory that an assembler writes to.

use std::collections::BTreeMap;

use onair_essence::receive::{Depacketise as _, ReceiveStats, Sink, UnitReport};
use onair_essence::send::{PacketPlan as _, StreamHeader};
use onair_essence::video::assembly::{Assembler, AssemblerConfig};
use onair_essence::video::pattern::{PatternWriter, verify};
use onair_essence::video::st2110_20::Packetiser;
use onair_essence::video::{Depth, FrameRate, VideoFormat};

pub(crate) const TIMEOUT_NS: u64 = 1_000_000;

/// Memory for each opened frame, and the finished frames.
pub(crate) struct Memory {
    pub(crate) frame_bytes: usize,
    pub(crate) room: usize,
    pub(crate) open: BTreeMap<usize, Vec<u8>>,
    pub(crate) opened: usize,
    pub(crate) finished: Vec<(UnitReport, Vec<u8>)>,
}

impl Memory {
    pub(crate) fn new(format: &VideoFormat) -> Self {
        Self {
            frame_bytes: format.frame_bytes(),
            room: usize::MAX,
            open: BTreeMap::new(),
            opened: 0,
            finished: Vec::new(),
        }
    }
}

impl Sink for Memory {
    type Slot = usize;

    fn open(&mut self, _rtp_timestamp: u32) -> Option<usize> {
        if self.open.len() == self.room {
            return None;
        }
        self.opened += 1;
        self.open.insert(self.opened, vec![0xee; self.frame_bytes]);
        Some(self.opened)
    }

    fn write(&mut self, slot: usize, offset: usize, bytes: &[u8]) {
        self.open.get_mut(&slot).unwrap()[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn finish(&mut self, slot: usize, report: &UnitReport) {
        let frame = self.open.remove(&slot).unwrap();
        self.finished.push((*report, frame));
    }
}

/// A sender of frames; each packet is a vector.
pub(crate) struct Sender {
    pub(crate) packetiser: Packetiser,
    pub(crate) writer: PatternWriter,
    pub(crate) sequence: u32,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
}

impl Sender {
    pub(crate) fn new(format: VideoFormat, max_bytes: usize) -> Self {
        Self {
            packetiser: Packetiser::new(format, max_bytes).unwrap(),
            writer: PatternWriter::new(&format).unwrap(),
            sequence: 0,
            timestamp: 1000,
            ssrc: 5,
        }
    }

    pub(crate) fn frame(&mut self, number: u64) -> Vec<Vec<u8>> {
        self.writer.start(number);
        let stream = StreamHeader {
            payload_type: 96,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        self.timestamp = self.timestamp.wrapping_add(1500);
        (0..self.packetiser.packets())
            .map(|index| {
                let packet = self.packetiser.packet(index).unwrap();
                let mut bytes = vec![0; packet.bytes()];
                let headers = packet.write_headers(&stream, self.sequence, &mut bytes);
                assert_eq!(headers, packet.header_bytes());
                self.writer.fill(&mut bytes[headers..]);
                self.sequence = self.sequence.wrapping_add(1);
                bytes
            })
            .collect()
    }
}

pub(crate) fn format(width: u32, height: u32, depth: Depth) -> VideoFormat {
    VideoFormat::new(width, height, depth, FrameRate::new(60, 1).unwrap()).unwrap()
}

pub(crate) fn small() -> VideoFormat {
    format(20, 6, Depth::Ten)
}

pub(crate) fn assembler(format: VideoFormat) -> Assembler<usize> {
    Assembler::new(AssemblerConfig {
        format,
        payload_type: 96,
        timeout_ns: TIMEOUT_NS,
    })
}

/// An assembler and its memory.
pub(crate) struct Receiver {
    pub(crate) assembler: Assembler<usize>,
    pub(crate) memory: Memory,
}

impl Receiver {
    pub(crate) fn new(format: VideoFormat) -> Self {
        Self {
            assembler: assembler(format),
            memory: Memory::new(&format),
        }
    }

    /// These packets arrive at this time.
    pub(crate) fn push(&mut self, packets: &[Vec<u8>], now_ns: u64) {
        for packet in packets {
            self.assembler.packet(packet, now_ns, &mut self.memory);
        }
    }

    pub(crate) fn assert_accounted(&self) {
        assert_accounted(self.assembler.stats());
    }
}

/// Every packet is counted under exactly one outcome.
pub(crate) fn assert_accounted(stats: &ReceiveStats) {
    let outcomes = stats.accepted
        + stats.malformed.total()
        + stats.other_ssrc_packets
        + stats.duplicate
        + stats.late
        + stats.no_buffer;
    assert_eq!(stats.packets, outcomes, "{stats:?}");
}

pub(crate) fn numbers(memory: &Memory) -> Vec<u64> {
    let complete = memory.finished.iter().filter(|(report, _)| report.complete);
    complete.map(|(_, frame)| verify(frame).unwrap()).collect()
}
