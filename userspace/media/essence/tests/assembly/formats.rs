//! Every sampling, depth, scan and packing, from packetiser to assembler; and sources of another scan.

use onair_essence::receive::Depacketise as _;
use onair_essence::send::{PacketPlan as _, StreamHeader};
use onair_essence::video::assembly::Malformed;
use onair_essence::video::pattern::verify;
use onair_essence::video::st2110_20::Packetiser;
use onair_essence::video::{Depth, Field, FrameRate, Packing, Sampling, Scan, VideoFormat};
use proptest::prelude::*;
use proptest::sample::Index;
use xxhash_rust::xxh3::xxh3_64;

use crate::rig::{Receiver, assert_accounted};

fn format(size: (u32, u32), samples: (Sampling, Depth), scan: Scan) -> Option<VideoFormat> {
    VideoFormat::of(size, samples, scan, FrameRate::new(25, 1).unwrap()).ok()
}

fn hd(scan: Scan) -> VideoFormat {
    format((64, 36), (Sampling::YCbCr422, Depth::Ten), scan).unwrap()
}

/// Sends buffers of any format: frames, or fields in turn.
pub(crate) struct Buffers {
    fields: [Packetiser; 2],
    sequence: u32,
    timestamp: u32,
    sent: u64,
}

impl Buffers {
    pub(crate) fn new(format: VideoFormat, packing: Packing, max: usize) -> Option<Self> {
        let [first, second] =
            [false, true].map(|second| Packetiser::of(format, second, packing, max).ok());
        Some(Self {
            fields: [first?, second?],
            sequence: 65_500,
            timestamp: u32::MAX - 4000,
            sent: 0,
        })
    }

    /// The bytes of buffer `number`.
    fn bytes(&self, number: u64) -> Vec<u8> {
        let format = self.fields[0].format();
        let second = format.scan() == Scan::Interlaced && number % 2 == 1;
        let mut dice = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let bytes = format.rows(second) * format.line_bytes();
        (0..bytes)
            .map(|_| {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                dice.to_le_bytes()[0]
            })
            .collect()
    }

    /// From one buffer to the next.
    fn ticks(&self) -> u32 {
        90_000 / self.fields[0].format().buffer_rate().numerator()
    }

    /// The packets of the next buffer.
    pub(crate) fn next(&mut self) -> Vec<Vec<u8>> {
        let bytes = self.bytes(self.sent);
        let is_second = self.fields[0].format().scan() == Scan::Interlaced && self.sent % 2 == 1;
        let packetiser = &self.fields[usize::from(is_second)];
        let stream = StreamHeader {
            payload_type: 96,
            timestamp: self.timestamp,
            ssrc: 5,
        };
        self.sent += 1;
        self.timestamp = self.timestamp.wrapping_add(self.ticks());
        let mut packets = Vec::new();
        for index in 0..packetiser.packets() {
            let packet = packetiser.packet(index).unwrap();
            let mut out = vec![0; packet.header_bytes()];
            packet.write_headers(&stream, self.sequence, &mut out);
            packet.ranges().for_each(|range| out.extend(&bytes[range]));
            self.sequence = self.sequence.wrapping_add(1);
            packets.push(out);
        }
        packets
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn buffers_any_order_loss_and_repetition_then_truly_complete(
        sampling in prop::sample::select(Sampling::ALL), depth in prop::sample::select(Depth::ALL),
        scan in prop::sample::select(vec![Scan::Progressive, Scan::Interlaced, Scan::Psf]),
        width in 1u32..200, height in 2u32..24, block: bool,
        max in prop_oneof![80usize..400, Just(1452), Just(8952)],
        fates in prop::collection::vec((0u8..24, any::<Index>()), 1..120), lossless: bool,
    ) {
        let Some(format) = format((width, height), (sampling, depth), scan) else {
            return Ok(());
        };
        let packing = if block { Packing::Block } else { Packing::General };
        let Some(mut sender) = Buffers::new(format, packing, max) else {
            return Ok(());
        };
        let mut rx = Receiver::new(format);
        let mut fates = fates.iter().cycle();
        let mut came = Vec::new();
        for _ in 0..5 {
            let (mut arriving, mut all) = (Vec::new(), true);
            for packet in sender.next() {
                match fates.next().unwrap().0 {
                    0 if !lossless => all = false,
                    1 | 2 => arriving.extend([packet.clone(), packet]),
                    _ => arriving.push(packet),
                }
            }
            for at in 0..arriving.len() {
                let other = fates.next().unwrap().1.index(arriving.len());
                arriving.swap(at, other);
            }
            came.push(all);
            rx.push(&arriving, 0);
        }
        rx.assembler.close(&mut rx.memory);
        let stats = rx.assembler.stats();
        assert_accounted(stats);
        prop_assert_eq!(stats.malformed.total(), 0);
        let mut shown = [false; 5];
        for (report, bytes) in &rx.memory.finished {
            let number = report.rtp_timestamp.wrapping_sub(u32::MAX - 4000) / sender.ticks();
            let sent = sender.bytes(number.into());
            let number = number as usize;
            prop_assert!(!std::mem::replace(&mut shown[number], true), "shown twice");
            prop_assert_eq!(Field::of_tag(report.tag), (scan == Scan::Interlaced).then_some(if number % 2 == 1 { Field::Second } else { Field::First }));
            prop_assert_eq!(report.complete, came[number]);
            if report.complete {
                prop_assert_eq!(xxh3_64(&bytes[..sent.len()]), xxh3_64(&sent));
            } else {
                prop_assert!(report.bytes_missing > 0);
            }
        }
        prop_assert!(!lossless || shown == [true; 5]);
    }
}

#[test]
fn fields_into_a_progressive_session_then_known_as_wrong() {
    let half = format(
        (64, 18),
        (Sampling::YCbCr422, Depth::Ten),
        Scan::Progressive,
    )
    .unwrap();
    for lost in [None, Some(3), Some(5)] {
        let mut sender = Buffers::new(hd(Scan::Interlaced), Packing::General, 300).unwrap();
        let mut rx = Receiver::new(half);
        for number in 0..20 {
            let packets = sender.next();
            // A second field that is lost must not make the next first field look right.
            if lost != Some(number) {
                rx.push(&packets, 0);
            }
        }
        rx.assembler.close(&mut rx.memory);
        let stats = rx.assembler.stats();
        assert!(stats.malformed.get(Malformed::Interlaced) > 0);
        assert_eq!(stats.units_complete, 1, "{lost:?}");
        assert_eq!(stats.units_wrong_format, 9, "{lost:?}");
    }
}

#[test]
fn progressive_frames_into_fields_then_known_as_wrong() {
    for scan in [Scan::Interlaced, Scan::Psf] {
        let mut sender = Buffers::new(hd(Scan::Progressive), Packing::General, 300).unwrap();
        let format = hd(scan);
        let mut rx = Receiver::new(format);
        for _ in 0..4 {
            let packets = sender.next();
            rx.push(&packets, 0);
        }
        rx.assembler.close(&mut rx.memory);
        let stats = rx.assembler.stats();
        assert!(
            stats.malformed.get(Malformed::Progressive) > 20,
            "{stats:?}"
        );
        assert_eq!(
            (stats.units_complete, stats.units_wrong_format),
            (0, 4),
            "{stats:?}"
        );
    }
}

#[test]
fn fields_into_a_session_of_segments_then_known_as_wrong() {
    let mut sender = Buffers::new(hd(Scan::Interlaced), Packing::General, 300).unwrap();
    let format = hd(Scan::Psf);
    let mut rx = Receiver::new(format);
    for _ in 0..6 {
        let packets = sender.next();
        rx.push(&packets, 0);
    }
    rx.assembler.close(&mut rx.memory);
    let stats = rx.assembler.stats();
    assert_eq!(
        (stats.units_complete, stats.units_wrong_format),
        (0, 6),
        "{stats:?}"
    );
}

#[test]
fn segments_into_a_session_of_fields_then_second_ones_refused() {
    let mut sender = Buffers::new(hd(Scan::Psf), Packing::General, 300).unwrap();
    let format = hd(Scan::Interlaced);
    let mut rx = Receiver::new(format);
    for _ in 0..6 {
        let packets = sender.next();
        rx.push(&packets, 0);
    }
    rx.assembler.close(&mut rx.memory);
    let stats = rx.assembler.stats();
    assert!(
        stats.malformed.get(Malformed::FieldMismatch) > 20,
        "{stats:?}"
    );
    assert_eq!(stats.units_complete, 1, "{stats:?}");
    assert_accounted(stats);
}

#[test]
fn packet_of_the_other_parity_then_refused_and_the_field_whole() {
    let mut sender = Buffers::new(hd(Scan::Interlaced), Packing::General, 300).unwrap();
    let format = hd(Scan::Interlaced);
    let mut rx = Receiver::new(format);
    let packets = sender.next();
    rx.push(&packets[..2], 0);
    // The field bit is the first of the row number.
    let mut other = packets[1].clone();
    other[16] |= 0x80;
    let number = u16::try_from(packets.len() + 65_500).unwrap();
    other[2..4].copy_from_slice(&number.to_be_bytes());
    other[30..].fill(0xaa);
    rx.assembler.packet(&other, 0, &mut rx.memory);
    rx.push(&packets[2..], 0);
    let stats = rx.assembler.stats();
    assert_eq!(stats.malformed.get(Malformed::FieldMismatch), 1);
    assert_eq!((stats.units_complete, rx.memory.finished.len()), (1, 1));
    assert_eq!(rx.memory.finished[0].1, sender.bytes(0));
}

#[test]
fn segments_lose_the_second_marker_then_shown_once_complete() {
    let format = hd(Scan::Psf);
    let mut sender = Buffers::new(format, Packing::General, 300).unwrap();
    let mut rx = Receiver::new(format);
    let mut first = sender.next();
    let last = first.len() - 1;
    first[last][1] &= 0x7f;
    rx.push(&first, 0);
    assert!(rx.memory.finished.is_empty());
    let second = sender.next();
    rx.push(&second, 0);
    assert_eq!(rx.memory.finished.len(), 2);
    assert!(rx.memory.finished.iter().all(|(report, _)| report.complete));
    assert!(verify(&rx.memory.finished[0].1).is_err(), "no pattern");
    assert_eq!(rx.memory.finished[1].1, sender.bytes(1));
}
