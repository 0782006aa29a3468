//! A sender's packets, and a receiver that keeps its units.

use onair_essence::Essence as _;
use onair_essence::ancillary::unit::{Place, UNIT_BYTES, Unit, UnitWriter};
use onair_essence::ancillary::{
    AncillaryDocument, AncillaryPacketiser, AncillaryReceiver, AncillaryStream,
};
use onair_essence::receive::{Depacketise as _, Run, Sink, UnitReport};
use onair_essence::send::{PacketPlan as _, Packetise as _, StreamHeader};
use proptest::prelude::*;

/// An ANC packet as a client gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Anc {
    pub(crate) place: Place,
    pub(crate) kind: (u8, u8),
    pub(crate) data: Vec<u8>,
}

pub(crate) fn anc() -> impl Strategy<Value = Anc> {
    let place = any::<u32>().prop_map(Place::of_bits);
    let data = prop::collection::vec(any::<u8>(), 0..=255);
    (place, any::<(u8, u8)>(), data).prop_map(|(place, kind, data)| Anc { place, kind, data })
}

pub(crate) fn stream(interlaced: bool) -> AncillaryStream {
    let document: AncillaryDocument = serde_json::from_value(
        serde_json::json!({"frame_rate": "30000/1001", "fields": interlaced}),
    )
    .unwrap();
    AncillaryStream::check(&document).unwrap()
}

/// Makes packets of units, one after the other.
pub(crate) struct Source {
    packetiser: AncillaryPacketiser,
    slot: u64,
    pub(crate) sequence: u32,
    pub(crate) ssrc: u32,
}

impl Source {
    pub(crate) fn new(interlaced: bool, sequence: u32) -> Self {
        Self {
            packetiser: stream(interlaced).send(1452).unwrap(),
            slot: 1_000_000,
            sequence,
            ssrc: 7,
        }
    }

    /// Timestamp of the next unit.
    pub(crate) fn timestamp(&self) -> u32 {
        self.packetiser.timestamp(self.slot)
    }

    pub(crate) fn skip(&mut self, slots: u64) {
        self.slot += slots;
    }

    pub(crate) fn unit(&mut self, all: &[Anc]) -> Vec<Vec<u8>> {
        let mut buffer = vec![0; UNIT_BYTES];
        let mut unit = UnitWriter::new(&mut buffer).unwrap();
        for anc in all {
            unit.push(anc.place, anc.kind, &anc.data).unwrap();
        }
        self.bytes(&buffer)
    }

    /// The packets of whatever a client has in its buffer.
    pub(crate) fn bytes(&mut self, buffer: &[u8]) -> Vec<Vec<u8>> {
        let tag = self.packetiser.tag_of_slot(self.slot);
        self.packetiser.begin(tag, |at, out| {
            out.copy_from_slice(&buffer[at..at + out.len()]);
        });
        let header = StreamHeader {
            payload_type: 100,
            timestamp: self.timestamp(),
            ssrc: self.ssrc,
        };
        self.slot += 1;
        let mut packets = Vec::new();
        for index in 0..self.packetiser.packets(tag) {
            let packet = self.packetiser.packet(tag, index).unwrap();
            let mut bytes = vec![0; packet.bytes()];
            let written = packet.write_headers(&header, self.sequence, &mut bytes);
            assert_eq!(written, bytes.len());
            assert!(bytes.len() <= 1452);
            self.sequence = self.sequence.wrapping_add(1);
            packets.push(bytes);
        }
        assert!(
            self.packetiser
                .packet(tag, u32::try_from(packets.len()).unwrap())
                .is_none()
        );
        packets
    }
}

/// The units that finished.
#[derive(Default)]
pub(crate) struct Units {
    buffers: Vec<Vec<u8>>,
    pub(crate) done: Vec<(UnitReport, Vec<u8>)>,
}

impl Sink for Units {
    type Slot = usize;

    fn open(&mut self, _rtp_timestamp: u32) -> Option<usize> {
        self.buffers.push(vec![0xee; UNIT_BYTES]);
        Some(self.buffers.len() - 1)
    }

    fn write(&mut self, slot: usize, offset: usize, bytes: &[u8]) {
        self.buffers[slot][offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn finish(&mut self, slot: usize, report: &UnitReport) {
        self.done.push((*report, self.buffers[slot].clone()));
    }
}

pub(crate) struct Receiving {
    pub(crate) receiver: AncillaryReceiver<usize>,
    pub(crate) units: Units,
    pub(crate) now_ns: u64,
}

impl Receiving {
    pub(crate) fn new(interlaced: bool) -> Self {
        Self {
            receiver: stream(interlaced).receive(100, 100_000_000),
            units: Units::default(),
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

    /// Each unit as it was sent, with whether it is complete, its timestamp and tag.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        let units = self.units.done.iter().map(|(report, buffer)| {
            let unit = Unit::parse(buffer).unwrap();
            let packets = unit.iter().map(|it| Anc {
                place: it.record.place,
                kind: it.kind(),
                data: it.data().collect(),
            });
            Taken {
                complete: report.complete,
                timestamp: report.rtp_timestamp,
                tag: report.tag,
                packets: packets.collect(),
            }
        });
        units.collect()
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) complete: bool,
    pub(crate) timestamp: u32,
    pub(crate) tag: u32,
    pub(crate) packets: Vec<Anc>,
}
