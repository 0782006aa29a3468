//! Every format through our own loop: units become packets, which come out of order and twice, and units again.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod network;
mod variants;

use onair_essence::receive::{Depacketise as _, Run, Sink, UnitReport};
use onair_essence::send::{PacketPlan as _, Packetise as _, StreamHeader};
use onair_essence::{Format, FormatDocument};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

const PAYLOAD_TYPE: u8 = 100;
/// Units of a format: the first one comes in order, because a receiver begins anywhere.
const UNITS: u64 = 3;
/// Of the first unit: a first field.
const SLOT: u64 = 1_000_000;

/// Numbers that look random, the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut all = Vec::with_capacity(count + 8);
        while all.len() < count {
            all.extend(self.next().to_le_bytes());
        }
        all.truncate(count);
        all
    }

    fn shuffle<T>(&mut self, all: &mut [T]) {
        for end in (1..all.len()).rev() {
            let other = self.next() % (end as u64 + 1);
            all.swap(end, usize::try_from(other).unwrap());
        }
    }
}

/// The units that were received: timestamp and checksum of each complete one.
struct Units {
    bytes: usize,
    slots: Vec<Vec<u8>>,
    done: Vec<(u32, u64)>,
    incomplete: usize,
}

impl Sink for Units {
    type Slot = usize;

    fn open(&mut self, _rtp_timestamp: u32) -> Option<usize> {
        self.slots.push(vec![0xee; self.bytes]);
        Some(self.slots.len() - 1)
    }

    fn write(&mut self, slot: usize, offset: usize, bytes: &[u8]) {
        self.slots[slot][offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn finish(&mut self, slot: usize, report: &UnitReport) {
        let unit = std::mem::take(&mut self.slots[slot]);
        self.done.push((report.rtp_timestamp, xxh3_64(&unit)));
        self.incomplete += usize::from(!report.complete);
    }
}

/// Sends units in this format and receives them, if a sender can cut them into packets.
fn through(format: &Format, random: &mut Random) -> bool {
    let Ok(mut packetiser) = format.packetiser(usize::from(format.max_udp()) - 8) else {
        return false;
    };
    let (mut sequence, mut sent, mut packets) = (u32::from(u16::MAX) - 2, Vec::new(), Vec::new());
    for number in 0..UNITS {
        let slot = SLOT + number;
        let unit = random.bytes(format.unit_bytes());
        let tag = packetiser.tag_of_slot(slot);
        packetiser.begin(tag, |at, out| {
            out.copy_from_slice(&unit[at..at + out.len()])
        });
        let header = StreamHeader {
            payload_type: PAYLOAD_TYPE,
            timestamp: packetiser.timestamp(slot),
            ssrc: 7,
        };
        sent.push((header.timestamp, xxh3_64(&unit)));
        let mut of_unit = Vec::new();
        for index in 0..packetiser.packets(tag) {
            let packet = packetiser.packet(tag, index).unwrap();
            let mut bytes = vec![0; packet.bytes()];
            let mut at = packet.write_headers(&header, sequence, &mut bytes);
            packet.for_each_range(|range| {
                let end = at + range.len();
                bytes[at..end].copy_from_slice(&unit[range]);
                at = end;
            });
            sequence = sequence.wrapping_add(1);
            of_unit.push(bytes);
        }
        if number > 0 {
            // The first copies: a unit is over when all of it came.
            let copies = of_unit.len().div_ceil(7).min(of_unit.len() - 1);
            random.shuffle(&mut of_unit);
            of_unit.extend_from_within(..copies);
            let end = of_unit.len() - copies - 1;
            random.shuffle(&mut of_unit[..end]);
            let last = of_unit.len() - 1;
            of_unit.swap(end, last);
        }
        packets.extend(of_unit);
    }
    let mut units = Units {
        bytes: format.unit_bytes(),
        slots: Vec::new(),
        done: Vec::new(),
        incomplete: 0,
    };
    let mut receiver = format.depacketiser(PAYLOAD_TYPE, 1_000_000_000);
    for (packet, now_ns) in packets.iter().zip(1..) {
        let run = Run {
            packets: &[packet],
            now_ns,
        };
        receiver.push(&run, &mut units);
    }
    receiver.close(&mut units);
    let stats = receiver.stats();
    assert_eq!(units.incomplete, 0, "{format}: {stats:?}");
    assert_eq!(units.done, sent, "{format}: {stats:?}");
    assert_eq!((stats.lost, stats.malformed.total()), (0, 0), "{format}");
    let packets = packets.len() as u64;
    let outcomes = stats.accepted + stats.duplicate + stats.late;
    assert_eq!((stats.packets, outcomes), (packets, packets), "{format}");
    true
}

/// Tries those of the documents that are a format. Returns how many were sent.
fn sweep(documents: impl Iterator<Item = Value>) -> usize {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut tried = 0;
    for document in documents {
        let document: FormatDocument = serde_json::from_value(document).unwrap();
        if let Ok(format) = Format::try_from(document) {
            tried += usize::from(through(&format, &mut random));
        }
    }
    tried
}

/// Each of the values with each of the fields.
fn with(fields: Vec<Value>, key: &str, values: &[Value]) -> Vec<Value> {
    let each = |field: &Value| {
        let field = field.clone();
        values.iter().map(move |value| {
            let mut field = field.clone();
            field[key] = value.clone();
            field
        })
    };
    fields.iter().flat_map(each).collect()
}

#[test]
fn video_of_each_format_through_the_loop_then_each_bit_is_there() {
    let depths = [
        (8, false),
        (10, false),
        (12, false),
        (16, false),
        (16, true),
    ];
    let rasters = [(16, 4), (46, 8), (1920, 2)];
    let mut all = Vec::new();
    for sampling in onair_essence::video::Sampling::ALL {
        for (depth, float) in depths {
            for (width, height) in rasters {
                let mut video = json!({
                    "width": width, "height": height, "depth": depth, "sampling": sampling.as_str(),
                });
                if float {
                    video["float"] = json!(true);
                }
                all.push(video);
            }
        }
    }
    let all = with(all, "frame_rate", &[json!("50"), json!("60000/1001")]);
    let scans = ["progressive", "interlaced", "psf"].map(|it| json!(it));
    let all = with(all, "scan", &scans);
    let all = with(all, "packing", &[json!("general"), json!("block")]);
    let all = with(all, "max_udp", &[json!(576), json!(1460), json!(8960)]);
    let tried = sweep(all.into_iter().map(|it| json!({"video": it})));
    assert_eq!(tried, 4446);
}

#[test]
fn audio_of_each_format_through_the_loop_then_each_bit_is_there() {
    let mut all = Vec::new();
    for coding in ["L16", "L24", "AM824"] {
        for channels in 1..=64 {
            all.push(json!({"coding": coding, "channels": channels}));
        }
    }
    let rates = [44_100, 48_000, 96_000].map(|it| json!(it));
    let all = with(all, "sample_rate", &rates);
    let times = [80, 125, 250, 333, 1000, 4000].map(|it| json!(it));
    let all = with(all, "packet_time_us", &times);
    let tried = sweep(all.into_iter().map(|it| json!({"audio": it})));
    assert_eq!(tried, 1479);
}
