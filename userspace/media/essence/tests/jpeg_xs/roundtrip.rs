//! Units that are sent are received as they were, and no unit that lacks a packet passes for a whole one.

use std::path::Path;

use onair_essence::Essence as _;
use onair_essence::jpeg_xs::tag;
use onair_essence::measure::Measure as _;
use onair_essence::receive::Depacketise as _;
use onair_essence::survey::{CapturedPacket, Link};
use onair_essence::video::Field;
use proptest::prelude::*;
use serde_json::json;

use crate::rig::{Receiving, Source, stream};

fn formats() -> impl Strategy<Value = serde_json::Value> {
    prop::sample::select(vec![
        json!({}),
        json!({"scan": "interlaced"}),
        json!({"packet_mode": "slice"}),
        json!({"packet_mode": "slice", "scan": "interlaced", "bytes": 60_000}),
        json!({"sampling": "RGB", "depth": 12, "bytes": 16_000}),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn units_sent_then_received_as_they_were(fields in formats(), sequence: u32, count in 1u64..6) {
        let stream = stream(&fields);
        let (mut source, mut receiving) = (Source::new(&stream, sequence), Receiving::new(&stream));
        for number in 0..count {
            let timestamp = source.timestamp();
            receiving.push(&source.unit());
            let (report, unit) = receiving.last();
            // The first one, too: its packets count from its start.
            prop_assert!(report.complete && report.marker_seen);
            prop_assert_eq!((report.rtp_timestamp, report.bytes_missing), (timestamp, 0));
            prop_assert_eq!(unit, &source.pattern(number));
            let field = match (stream.interlaced, number % 2) {
                (false, _) => None,
                (true, 0) => Some(Field::First),
                (true, _) => Some(Field::Second),
            };
            prop_assert_eq!(tag::field(report.tag), field);
        }
        let stats = receiving.receiver.stats();
        prop_assert_eq!((stats.lost, stats.reordered, stats.malformed.total()), (0, 0, 0));
        prop_assert_eq!((stats.accepted, stats.units_complete), (stats.packets, count));
    }

    #[test]
    fn packets_lost_doubled_or_late_then_no_unit_lies(
        fields in formats(), sequence: u32, faults in prop::collection::vec(0u8..40, 200),
    ) {
        let stream = stream(&fields);
        let (mut source, mut receiving) = (Source::new(&stream, sequence), Receiving::new(&stream));
        let mut faults = faults.into_iter().cycle();
        let (mut sent, mut lost) = (Vec::new(), Vec::new());
        for number in 0..6 {
            sent.push((source.timestamp(), source.pattern(number)));
            let mut arrive: Vec<Vec<u8>> = Vec::new();
            let mut of_unit = 0;
            for packet in source.unit() {
                match faults.next().unwrap() {
                    0 => of_unit += 1,
                    1 => arrive.extend([packet.clone(), packet]),
                    2 => arrive.insert(0, packet),
                    3 => arrive.insert(arrive.len().saturating_sub(3), packet),
                    _ => arrive.push(packet),
                }
            }
            lost.push(of_unit);
            receiving.push(&arrive);
        }
        receiving.close();
        for (report, unit) in &receiving.units.done {
            let at = sent.iter().position(|it| it.0 == report.rtp_timestamp).unwrap();
            let whole = &sent[at].1;
            // If the last packet of a source's first slices comes first, what is before it is not known.
            let is_known = at > 0 || stream.packets_are_full();
            prop_assert!(!report.complete || lost[at] == 0, "{:?}", report);
            prop_assert!(report.complete || lost[at] > 0 || !is_known, "{:?}", report);
            if report.complete {
                prop_assert_eq!(unit, whole);
                continue;
            }
            prop_assert!(report.bytes_missing > 0);
            // Packets are full but the last of a piece: of whole codestreams each byte is in its place.
            if stream.packets_are_full() {
                for (place, (came, byte)) in unit.iter().zip(whole).enumerate() {
                    let is_missing = report.missing().iter().any(|it| (it.offset..it.offset + it.len).contains(&place));
                    let is_listed = report.listed_count < report.listed.len();
                    prop_assert!(came == byte || is_missing || !is_listed, "{place} {:?}", report);
                }
            }
        }
        let stats = receiving.receiver.stats();
        prop_assert_eq!(stats.malformed.total(), 0);
        prop_assert_eq!(stats.accepted + stats.duplicate + stats.late, stats.packets);
    }
}

/// What a test asks of a format.
trait Packets {
    fn packets_are_full(&self) -> bool;
}

impl Packets for onair_essence::jpeg_xs::JpegXsStream {
    fn packets_are_full(&self) -> bool {
        self.mode == onair_essence::jpeg_xs::PacketMode::Codestream
    }
}

/// The frames of a pcap file with little endian headers.
fn frames(file: &[u8]) -> Vec<&[u8]> {
    let mut rest = &file[24..];
    let mut frames = Vec::new();
    while let Some((header, behind)) = rest.split_first_chunk::<16>() {
        let length = u32::from_le_bytes(header[8..12].try_into().unwrap());
        let (frame, next) = behind.split_at(length as usize);
        frames.push(frame);
        rest = next;
    }
    frames
}

#[test]
#[ignore = "ONAIR_CAPTURES names a folder of captures"]
fn jpeg_xs_of_real_equipment_then_its_known_figures() {
    let folder = std::env::var_os("ONAIR_CAPTURES").expect("ONAIR_CAPTURES names a folder");
    let file = std::fs::read(Path::new(&folder).join("125mbps-JPEGXS.pcap")).unwrap();
    let stream = stream(&json!({
        "scan": "interlaced", "bytes": 300_000, "profile": "Main444.12", "level": "4k-2", "sublevel": "Sublev6bpp",
    }));
    let mut receiving = Receiving::new(&stream);
    receiving.receiver.set_payload_types(100.into());
    let mut monitor = stream.monitor().unwrap();
    let mut sent = Vec::new();
    for frame in frames(&file) {
        let captured = CapturedPacket::parse(Link::of_number(1).unwrap(), frame).unwrap();
        let rtp = captured.rtp;
        monitor.packet(receiving.now_ns, None, &rtp, captured.payload);
        receiving.push(&[[&rtp.to_bytes()[..], captured.payload].concat()]);
        sent.extend_from_slice(&captured.payload[4..]);
    }
    receiving.close();
    let stats = receiving.receiver.stats();
    assert_eq!((stats.packets, stats.accepted, stats.lost), (1085, 1085, 0));
    assert_eq!((stats.units_complete, stats.malformed.total()), (5, 0));
    let done = &receiving.units.done;
    assert!(
        done.iter()
            .all(|(report, unit)| report.complete && unit.len() == 259_264)
    );
    let received: Vec<_> = done.iter().flat_map(|it| it.1.clone()).collect();
    let mismatches = received.iter().zip(&sent).filter(|(a, b)| a != b).count();
    assert_eq!((received.len(), mismatches), (sent.len(), 0));
    let timing = monitor.document(receiving.now_ns).unwrap();
    assert_eq!((timing.unit_bytes, timing.unit_packets), (259_264, 217));
    assert!(timing.is_constant(), "{timing:?}");
    // Its boxes say 8 bits, its codestream 10.
    assert_eq!(timing.units_of_other_boxes, 5);
}
