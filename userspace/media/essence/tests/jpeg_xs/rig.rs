//! A sender's packets, and a receiver that keeps its units.

use onair_essence::Essence as _;
use onair_essence::jpeg_xs::{
    CodestreamPacketiser, CodestreamPattern, CodestreamReceiver, JpegXsDocument, JpegXsStream, tag,
};
use onair_essence::receive::{Depacketise as _, Run, Sink, UnitReport};
use onair_essence::send::{PacketPlan as _, Packetise as _, StreamHeader};
use onair_essence::video::Field;
use serde_json::{Value, json};

/// A format of 1080 lines with these fields changed.
pub(crate) fn stream(fields: &Value) -> JpegXsStream {
    let mut document = json!({
        "width": 1920, "height": 1080, "frame_rate": "30000/1001", "depth": 10, "bytes": 20_000,
    });
    let changed = fields.as_object().unwrap().clone();
    document.as_object_mut().unwrap().extend(changed);
    let document: JpegXsDocument = serde_json::from_value(document).unwrap();
    JpegXsStream::check(&document).unwrap()
}

/// Makes packets of units, one after the other.
pub(crate) struct Source {
    pub(crate) packetiser: CodestreamPacketiser,
    pattern: CodestreamPattern,
    slot: u64,
    number: u64,
    pub(crate) sequence: u32,
    pub(crate) ssrc: u32,
    bytes: usize,
}

impl Source {
    pub(crate) fn new(stream: &JpegXsStream, sequence: u32) -> Self {
        Self {
            packetiser: stream.send(1452).unwrap(),
            pattern: stream.signal().unwrap(),
            slot: 1_000_000,
            number: 0,
            sequence,
            ssrc: 7,
            bytes: stream.bytes as usize,
        }
    }

    /// Unit `number` of the pattern.
    pub(crate) fn pattern(&self, number: u64) -> Vec<u8> {
        let mut unit = vec![0; self.bytes];
        self.pattern.unit(number, 0, &mut unit);
        unit
    }

    /// Timestamp of the next unit.
    pub(crate) fn timestamp(&self) -> u32 {
        self.packetiser.timestamp(self.slot)
    }

    /// The packets of the next unit of the pattern.
    pub(crate) fn unit(&mut self) -> Vec<Vec<u8>> {
        let unit = self.pattern(self.number);
        self.bytes_of(&unit)
    }

    /// The packets of a unit.
    pub(crate) fn bytes_of(&mut self, unit: &[u8]) -> Vec<Vec<u8>> {
        let tag = self.packetiser.tag_of_slot(self.slot);
        self.packetiser.begin(tag, |at, out| {
            out.copy_from_slice(&unit[at..at + out.len()])
        });
        let header = StreamHeader {
            payload_type: 98,
            timestamp: self.timestamp(),
            ssrc: self.ssrc,
        };
        (self.slot, self.number) = (self.slot + 1, self.number + 1);
        let mut packets = Vec::new();
        for index in 0..self.packetiser.packets(tag) {
            let packet = self.packetiser.packet(tag, index).unwrap();
            let mut bytes = vec![0; packet.bytes()];
            let start = packet.write_headers(&header, self.sequence, &mut bytes);
            packet.for_each_range(|range| bytes[start..].copy_from_slice(&unit[range]));
            assert!(bytes.len() <= 1452);
            self.sequence = self.sequence.wrapping_add(1);
            packets.push(bytes);
        }
        let end = u32::try_from(packets.len()).unwrap();
        assert!(self.packetiser.packet(tag, end).is_none());
        packets
    }
}

/// The units that finished.
#[derive(Default)]
pub(crate) struct Units {
    bytes: usize,
    buffers: Vec<Vec<u8>>,
    pub(crate) done: Vec<(UnitReport, Vec<u8>)>,
}

impl Sink for Units {
    type Slot = usize;

    fn open(&mut self, _rtp_timestamp: u32) -> Option<usize> {
        self.buffers.push(vec![0xee; self.bytes]);
        Some(self.buffers.len() - 1)
    }

    fn write(&mut self, slot: usize, offset: usize, bytes: &[u8]) {
        self.buffers[slot][offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn finish(&mut self, slot: usize, report: &UnitReport) {
        let length = tag::bytes(report.tag).unwrap_or(0);
        let unit = self.buffers[slot][..length].to_vec();
        self.done.push((*report, unit));
    }
}

pub(crate) struct Receiving {
    pub(crate) receiver: CodestreamReceiver<usize>,
    pub(crate) units: Units,
    pub(crate) now_ns: u64,
}

impl Receiving {
    pub(crate) fn new(stream: &JpegXsStream) -> Self {
        Self {
            receiver: stream.receive(98, 100_000_000),
            units: Units {
                bytes: stream.bytes as usize,
                ..Units::default()
            },
            now_ns: 1_000_000_000,
        }
    }

    /// Packets, a millisecond after the last ones.
    pub(crate) fn push<'a>(&mut self, packets: impl IntoIterator<Item = &'a Vec<u8>>) {
        let packets: Vec<_> = packets.into_iter().map(Vec::as_slice).collect();
        self.now_ns += 1_000_000;
        let run = Run {
            packets: &packets,
            now_ns: self.now_ns,
        };
        self.receiver.push(&run, &mut self.units);
    }

    pub(crate) fn close(&mut self) {
        self.receiver.close(&mut self.units);
    }

    /// The last unit.
    pub(crate) fn last(&self) -> &(UnitReport, Vec<u8>) {
        self.units.done.last().unwrap()
    }

    /// Field and completeness of each unit.
    pub(crate) fn done(&self) -> Vec<(Option<Field>, bool)> {
        let done = self.units.done.iter();
        done.map(|(report, _)| (tag::field(report.tag), report.complete))
            .collect()
    }
}
